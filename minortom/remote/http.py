"""Files over HTTP: had whole or not at all, asked for again where that helps.

``MINORTOM_MIRROR=http://host/path`` sends every request for ``https://example.org/a/b`` to
``http://host/path/example.org/a/b``: for compute nodes without internet.
"""

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO
from urllib.parse import urlsplit, urlunsplit

from minortom.errors import InputError, RemoteError, RemoteMissingError
from minortom.io.atomic_write import whole_file
from minortom.progress import OnProgress, ignore_progress

if TYPE_CHECKING:
    import requests

_SCHEMES = ("http://", "https://", "hf://")
BLOCK_BYTES = 1 << 16  # at most so much of what came before a cut is asked for again
_MISSING = (404, 410)
_TRY_LATER = "wait some minutes, then run the same command again"


@dataclass(frozen=True, kw_only=True)
class Patience:
    """How long to go on with a server that does not answer as it should."""

    retries: int = 6
    """Further requests after the first, for what may pass: see ``retried``."""
    silent_retries: int = 3
    """The same where there is no connection, or no answer, at all."""
    backoff_s: float = 1.0
    """The second further request waits twice this, each one after it twice as long again."""
    longest_wait_s: float = 300.0
    """Limit of what ``Retry-After`` may ask for; the hub counts requests over 5 minutes."""
    timeout_s: tuple[float, float] = (15.0, 60.0)
    """For a connection to come about, and for the next bytes to arrive."""
    retried: tuple[int, ...] = (429, 500, 502, 503, 504)
    """HTTP status codes that may pass."""


PATIENCE = Patience()


def is_url(text: str) -> bool:
    """Say whether a place is on the network: ``http://``, ``https://`` or ``hf://``."""
    return text.lower().startswith(_SCHEMES)


def cache_folder() -> Path:
    """Say where fetched files are kept: ``MINORTOM_CACHE``, or the user's cache folder."""
    named = os.environ.get("MINORTOM_CACHE")
    if named:
        return Path(named)
    from platformdirs import user_cache_path

    return user_cache_path("minortom")


def make_cache_folder(folder: Path) -> None:
    """Make a folder of the cache, with those above it.

    Raises:
        InputError: If it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"cannot make the cache folder {folder} ({error.strerror}); let MINORTOM_CACHE name a "
            "folder that you may write"
        ) from None


def mirrored(url: str) -> str:
    """Give the URL to ask instead of this one: below ``MINORTOM_MIRROR``, where that is set.

    Raises:
        RemoteError: If ``MINORTOM_MIRROR`` is no URL.
    """
    mirror = os.environ.get("MINORTOM_MIRROR", "").rstrip("/")
    if not mirror or url.startswith(f"{mirror}/"):
        return url
    if not mirror.lower().startswith(_SCHEMES[:2]):
        raise RemoteError("MINORTOM_MIRROR is no URL; wanted one such as http://host/path")
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit(urlsplit(f"{mirror}/{host}{parts.path}")._replace(query=parts.query))


def shown(url: str) -> str:
    """Give a URL as it may be shown: without credentials, query and fragment."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def download(url: str, to: Path, *, on_progress: OnProgress = ignore_progress) -> None:
    """Fetch a file, whole or not at all.

    Where the connection is cut, the rest is asked for, if the server can tell that the file is
    still the same, else all of it again.

    Args:
        url: Where it is; ``http://`` or ``https://``.
        to: The file to write, with the folders above it.
        on_progress: Called with (bytes had, bytes in all, or 0 where the server does not tell).

    Raises:
        RemoteError: If it cannot be had; see :func:`answer`.
    """
    with open_session() as session, whole_file(to) as temporary, temporary.open("wb") as file:
        fetch_into(session, url, file, on_progress=on_progress)


def open_session() -> "requests.Session":
    """Give a session, to be closed, that asks again where that helps, as ``PATIENCE`` says."""
    import requests
    from requests.adapters import HTTPAdapter
    from urllib3.util import Retry

    patience = PATIENCE

    class LimitedRetry(Retry):
        def get_retry_after(self, response: Any) -> float | None:  # noqa: ANN401  (of urllib3)
            wanted_s = super().get_retry_after(response)
            return None if wanted_s is None else min(wanted_s, patience.longest_wait_s)

    policy = LimitedRetry(
        total=patience.retries,
        connect=patience.silent_retries,
        read=patience.silent_retries,
        backoff_factor=patience.backoff_s,
        status_forcelist=patience.retried,
        allowed_methods=("GET", "HEAD"),
        raise_on_status=False,
    )
    session = requests.Session()
    # What is packed on the way could not be gone on with.
    session.headers["Accept-Encoding"] = "identity"
    for scheme in ("http://", "https://"):
        session.mount(scheme, HTTPAdapter(max_retries=policy))
    return session


def answer(
    session: "requests.Session",
    url: str,
    *,
    headers: Mapping[str, str] | None = None,
    accepted: tuple[int, ...] = (200,),
    by_mirror: bool = True,
) -> "requests.Response":
    """Ask for a URL, or its mirror; the body is still to be read, and the answer to be closed.

    Raises:
        RemoteError: If there is no host or no connection, or the status is none of ``accepted``,
            after as many tries as may help.
    """
    import requests

    asked = mirrored(url) if by_mirror else url
    try:
        response = session.get(asked, headers=headers, stream=True, timeout=PATIENCE.timeout_s)
    except requests.RequestException as error:
        raise RemoteError(f"{shown(url)}: {_about(error, asked)}") from None
    status = response.status_code
    if status in accepted:
        return response
    response.close()
    kind = RemoteMissingError if status in _MISSING else RemoteError
    raise kind(f"{shown(url)}: {_about_status(status)}")


def fetch_into(
    session: "requests.Session",
    url: str,
    file: BinaryIO,
    *,
    on_progress: OnProgress = ignore_progress,
) -> Mapping[str, str]:
    """Write what is behind a URL into an empty file; gives the headers of the last answer.

    Raises:
        RemoteError: If it cannot be had; see :func:`answer`.
    """
    headers: dict[str, str] = {}
    for attempt in range(1 + PATIENCE.retries):
        time.sleep(PATIENCE.backoff_s * 2**attempt if attempt else 0)
        accepted = (200, 206, 416) if headers else (200,)
        with answer(session, url, headers=headers, accepted=accepted) as response:
            goes_on = response.status_code == 206 and _starts_at(response, file.tell())
            if not goes_on:
                _empty(file)
            if response.status_code != 416 and _write_body(response, file, on_progress):
                return response.headers
            # Strong tags only: the rest of a file is asked for by its bytes.
            tag = response.headers.get("ETag", "")
            validator = tag if tag.startswith('"') else response.headers.get("Last-Modified")
        if validator and file.tell():
            headers = {"Range": f"bytes={file.tell()}-", "If-Range": validator}
        else:
            headers = {}
            _empty(file)
    raise broken_off(url)


def broken_off(url: str) -> RemoteError:
    """Say that every try ended before the bytes did."""
    return RemoteError(
        f"{shown(url)}: the connection broke off {1 + PATIENCE.retries} times; {_TRY_LATER}"
    )


def _empty(file: BinaryIO) -> None:
    file.seek(0)
    file.truncate()


def _starts_at(response: "requests.Response", start: int) -> bool:
    return response.headers.get("Content-Range", "").startswith(f"bytes {start}-")


def _write_body(response: "requests.Response", file: BinaryIO, on_progress: OnProgress) -> bool:
    """Append the body; say whether all of it came."""
    import requests

    length = response.headers.get("Content-Length")
    total = file.tell() + int(length) if length else 0
    try:
        for block in response.iter_content(BLOCK_BYTES):
            file.write(block)
            on_progress(file.tell(), total)
    except requests.RequestException:  # cut, or nothing came for too long
        return False
    # Releases of urllib3 before 2 take a body that ends too early for whole.
    return file.tell() == total or not length


def _about_status(status: int) -> str:
    if status in _MISSING:
        return f"there is no such file (HTTP {status}); check the address"
    if status in (401, 403):
        return f"the server refuses access (HTTP {status}); check the address and your rights"
    if status == 429:
        return f"the server still counts too many requests (HTTP 429); {_TRY_LATER}"
    if status >= 500:
        return f"the server has trouble (HTTP {status}), again and again; {_TRY_LATER}"
    return f"the server answers with HTTP {status}, which is not the file; check the address"


def _about(error: "requests.RequestException", url: str) -> str:
    """Say in words what an error of the connection was; ``url`` is the one that was asked."""
    import requests

    host, found = urlsplit(url).netloc.rpartition("@")[2], repr(error)
    if isinstance(error, requests.Timeout) or "TimeoutError" in found:
        return f"{host} does not answer in time; {_TRY_LATER}"
    if isinstance(error, requests.exceptions.SSLError):
        return f"the certificate of {host} is not trusted; check the address and the proxy"
    if isinstance(error, requests.exceptions.ProxyError):
        return f"the proxy gives no way to {host}; check HTTPS_PROXY and NO_PROXY"
    if "NameResolution" in found or "gaierror" in found:
        return f"no host is called {host}; check the address and the network"
    if "refused" in found:
        return f"{host} refuses the connection; check the address and the network"
    if isinstance(error, requests.ConnectionError):
        return f"no connection to {host} lasts; check the network, then run the same command again"
    return "cannot be asked for; wanted http://host/path or https://host/path"
