"""Retry policy and atomic download of files over HTTP.

``MINORTOM_MIRROR=http://host/path`` sends every request for ``https://example.org/a/b`` to
``http://host/path/example.org/a/b``. It serves compute nodes without internet.
"""

import logging
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO
from urllib.parse import SplitResult, urlsplit, urlunsplit

from minortom.errors import InputError, RemoteError, RemoteMissingError
from minortom.io.atomic_write import atomic_file
from minortom.progress import OnProgress, ignore_progress
from minortom.public_urls import hide_secrets_in_logs, public_url

if TYPE_CHECKING:
    import requests

_log = logging.getLogger(__name__)

_SCHEMES = ("http://", "https://", "hf://")
BLOCK_BYTES = 1 << 16  # after a cut connection at most one block is downloaded again
_MISSING = (404, 410)
_RETRY_LATER = "wait some minutes, then run the same command again"


@dataclass(frozen=True, kw_only=True)
class RetryPolicy:
    """Retries and timeouts of HTTP requests."""

    retries: int = 6
    """Maximum number of retries after a temporary error; see ``retried_statuses``."""
    connection_retries: int = 3
    """Maximum number of retries after a failed connection or a missing answer."""
    backoff_s: float = 1.0
    """Factor of the exponential backoff: the second retry waits twice this, the third 4 times."""
    max_wait_s: float = 300.0
    """Maximum wait that ``Retry-After`` may set. The hub counts requests over 5 minutes."""
    timeout_s: tuple[float, float] = (15.0, 60.0)
    """Timeouts for the connection and for the next bytes."""
    retried_statuses: tuple[int, ...] = (429, 500, 502, 503, 504)
    """HTTP status codes of temporary errors."""


RETRY_POLICY = RetryPolicy()


def is_url(text: str) -> bool:
    """Return whether a text is a URL: ``http://``, ``https://`` or ``hf://``."""
    return text.lower().startswith(_SCHEMES)


def cache_folder() -> Path:
    """Return the folder of downloaded files: ``MINORTOM_CACHE``, or the user's cache folder."""
    named = os.environ.get("MINORTOM_CACHE")
    if named:
        return Path(named)
    from platformdirs import user_cache_path

    return user_cache_path("minortom")


def make_cache_folder(folder: Path) -> None:
    """Create a folder of the cache and its parents.

    Raises:
        InputError: If it cannot be created.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"cannot create the cache folder {folder} ({error.strerror}); set MINORTOM_CACHE to a "
            "writable folder"
        ) from None


def mirrored(url: str) -> str:
    """Return the URL below ``MINORTOM_MIRROR`` for a URL; the URL itself without a mirror.

    Raises:
        RemoteError: If ``MINORTOM_MIRROR`` is not a URL.
    """
    mirror = os.environ.get("MINORTOM_MIRROR", "").rstrip("/")
    if not mirror or url.startswith(f"{mirror}/"):
        return url
    if not mirror.lower().startswith(_SCHEMES[:2]):
        raise RemoteError(
            "MINORTOM_MIRROR must be a URL such as http://host/path; correct or unset it"
        )
    parts = split_url(url)
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit(split_url(f"{mirror}/{host}{parts.path}")._replace(query=parts.query))


def split_url(url: str) -> SplitResult:
    """Return the parts of a URL.

    Raises:
        RemoteError: If it is no URL, such as ``http://[/x``.
    """
    try:
        parts = urlsplit(url)
        _ = parts.port  # parsed when it is read
    except ValueError as error:
        raise RemoteError(
            f"{public_url(url)} is not a valid address ({error}); correct it"
        ) from None
    return parts


def download(url: str, to: Path, *, on_progress: OnProgress = ignore_progress) -> None:
    """Download a file with an atomic write.

    After a cut connection the download resumes if the server confirms that the file has not
    changed. Otherwise it starts again.

    Args:
        url: Address, ``http://`` or ``https://``.
        to: File to write; missing parent folders are created.
        on_progress: Called with (bytes downloaded, bytes in all); 0 bytes in all if unknown.

    Raises:
        RemoteError: If the file cannot be downloaded; see :func:`send_request`.
    """
    with open_session() as session, atomic_file(to) as temporary, temporary.open("wb") as file:
        download_into(session, url, file, on_progress=on_progress)


def open_session() -> "requests.Session":
    """Return a session that retries requests by ``RETRY_POLICY``; the caller closes it."""
    import requests
    from requests.adapters import HTTPAdapter
    from urllib3.util import Retry

    hide_secrets_in_logs()
    limits = RETRY_POLICY

    class LimitedRetry(Retry):
        def get_retry_after(self, response: Any) -> float | None:  # noqa: ANN401  (of urllib3)
            requested_s = super().get_retry_after(response)
            return None if requested_s is None else min(requested_s, limits.max_wait_s)

    policy = LimitedRetry(
        total=limits.retries,
        connect=limits.connection_retries,
        read=limits.connection_retries,
        backoff_factor=limits.backoff_s,
        status_forcelist=limits.retried_statuses,
        allowed_methods=("GET", "HEAD"),
        raise_on_status=False,
    )
    session = requests.Session()
    # A download that the server compresses cannot be resumed.
    session.headers["Accept-Encoding"] = "identity"
    for scheme in ("http://", "https://"):
        session.mount(scheme, HTTPAdapter(max_retries=policy))
    return session


def send_request(
    session: "requests.Session",
    url: str,
    *,
    headers: Mapping[str, str] | None = None,
    accepted: tuple[int, ...] = (200,),
    use_mirror: bool = True,
) -> "requests.Response":
    """Send a GET request to a URL or its mirror; the caller reads the body and closes the answer.

    Raises:
        RemoteError: If the host does not answer, or the status is not in ``accepted``, after all
            retries.
    """
    import requests

    requested = mirrored(url) if use_mirror else url
    split_url(requested)
    try:
        response = session.get(
            requested, headers=headers, stream=True, timeout=RETRY_POLICY.timeout_s
        )
    except requests.RequestException as error:
        raise RemoteError(f"{public_url(url)}: {_reason(error, requested)}") from None
    status = response.status_code
    _log.debug("%s: HTTP %d in %.2f s", public_url(url), status, response.elapsed.total_seconds())
    if status in accepted:
        return response
    response.close()
    kind = RemoteMissingError if status in _MISSING else RemoteError
    raise kind(f"{public_url(url)}: {_status_reason(status)}")


def download_into(
    session: "requests.Session",
    url: str,
    file: BinaryIO,
    *,
    on_progress: OnProgress = ignore_progress,
) -> Mapping[str, str]:
    """Download a URL into an empty file and return the headers of the last answer.

    Raises:
        RemoteError: If the file cannot be downloaded; see :func:`send_request`.
    """
    headers: dict[str, str] = {}
    for attempt in range(1 + RETRY_POLICY.retries):
        time.sleep(RETRY_POLICY.backoff_s * 2**attempt if attempt else 0)
        accepted = (200, 206, 416) if headers else (200,)
        with send_request(session, url, headers=headers, accepted=accepted) as response:
            resumes = response.status_code == 206 and _starts_at(response, file.tell())
            if not resumes:
                _empty(file)
            if response.status_code != 416 and _write_body(response, file, on_progress):
                return response.headers
            # A weak tag does not guarantee equal bytes, which a byte range needs.
            tag = response.headers.get("ETag", "")
            validator = tag if tag.startswith('"') else response.headers.get("Last-Modified")
        if validator and file.tell():
            headers = {"Range": f"bytes={file.tell()}-", "If-Range": validator}
        else:
            headers = {}
            _empty(file)
    raise connection_lost(url)


def connection_lost(url: str) -> RemoteError:
    """Return the error for a download that was cut off in every attempt."""
    return RemoteError(
        f"{public_url(url)}: the connection was cut {1 + RETRY_POLICY.retries} times; "
        f"{_RETRY_LATER}"
    )


def _empty(file: BinaryIO) -> None:
    file.seek(0)
    file.truncate()


def _starts_at(response: "requests.Response", start: int) -> bool:
    return response.headers.get("Content-Range", "").startswith(f"bytes {start}-")


def _write_body(response: "requests.Response", file: BinaryIO, on_progress: OnProgress) -> bool:
    """Append the body of an answer to a file; return whether it was complete."""
    import requests

    length = content_length(response)
    total = 0 if length is None else file.tell() + length
    try:
        for block in response.iter_content(BLOCK_BYTES):
            file.write(block)
            on_progress(file.tell(), total)
    except requests.RequestException:  # cut connection or timeout
        return False
    # urllib3 before version 2 does not report a body that ends too early.
    return length is None or file.tell() == total


def content_length(response: "requests.Response") -> int | None:
    """Return the number of bytes that an answer announces; None if it is missing or no number."""
    text = response.headers.get("Content-Length", "")
    return int(text) if text.isascii() and text.isdecimal() else None


def _status_reason(status: int) -> str:
    if status in _MISSING:
        return f"the file does not exist (HTTP {status}); check the address"
    if status in (401, 403):
        return f"the server refuses access (HTTP {status}); check the address and your rights"
    if status == 429:
        return f"the server still reports too many requests (HTTP 429); {_RETRY_LATER}"
    if status >= 500:
        return f"the server fails repeatedly (HTTP {status}); {_RETRY_LATER}"
    return f"the server answers with HTTP {status} instead of the file; check the address"


def _reason(error: "requests.RequestException", url: str) -> str:
    """Return the reason of a failed request in words; ``url`` is the requested address."""
    import requests

    host, found = urlsplit(url).netloc.rpartition("@")[2], repr(error)
    if isinstance(error, requests.Timeout) or "TimeoutError" in found:
        return f"{host} does not answer in time; {_RETRY_LATER}"
    if isinstance(error, requests.exceptions.SSLError):
        return f"the certificate of {host} is not trusted; check the address and the proxy"
    if isinstance(error, requests.exceptions.ProxyError):
        return f"the proxy does not connect to {host}; check HTTPS_PROXY and NO_PROXY"
    if "NameResolution" in found or "gaierror" in found:
        return f"the host {host} does not exist; check the address and the network"
    if "refused" in found:
        return f"{host} refuses the connection; check the address and the network"
    if isinstance(error, requests.ConnectionError):
        return f"the connection to {host} fails; check the network, then run the same command again"
    return "the address must begin with http:// or https://; correct it"
