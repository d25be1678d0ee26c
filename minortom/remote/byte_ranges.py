"""Byte ranges of files over HTTP."""

import re
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

from minortom.errors import RemoteError
from minortom.public_urls import public_url
from minortom.remote import http
from minortom.remote.http import BLOCK_BYTES, connection_lost, content_length, send_request

if TYPE_CHECKING:
    import requests


def read_range(
    session: "requests.Session",
    url: str,
    start: int,
    end: int | None,
    *,
    headers: Mapping[str, str] | None = None,
    use_mirror: bool = True,
) -> tuple[bytes, int]:
    """Download a byte range of a file.

    Args:
        session: Session from :func:`open_session`.
        url: Address of the file, ``http://`` or ``https://``.
        start: Position of the first byte. A negative number counts from the end of the file; a
            number beyond its beginning reads the whole file.
        end: Position after the last byte; None for the end of the file.
        headers: Further headers of the request.
        use_mirror: Whether to apply ``MINORTOM_MIRROR``.

    Returns:
        The bytes, and the size of the whole file in bytes.

    Raises:
        RemoteError: If the download fails, or the server does not support byte ranges.
    """
    import requests

    data = bytearray()
    for attempt in range(1 + http.RETRY_POLICY.retries):
        time.sleep(http.RETRY_POLICY.backoff_s * 2**attempt if attempt else 0)
        last = "" if end is None else end - 1
        span = str(start) if start < 0 else f"{start + len(data)}-{last}"
        with send_request(
            session, url, headers={**(headers or {}), "Range": f"bytes={span}"},
            accepted=(200, 206), use_mirror=use_mirror,
        ) as response:  # fmt: skip
            size = response.headers.get("Content-Range", "").rpartition("/")[2]
            if response.status_code == 200 or not size.isdecimal():
                raise RemoteError(
                    f"{public_url(url)}: the server does not support byte ranges; download the "
                    "files, then give their folder"
                )
            length = content_length(response)
            if length is None:
                length = _length_of_range(response.headers["Content-Range"])
            if length is None:
                raise RemoteError(
                    f"{public_url(url)}: the server does not say how many bytes it sends; download "
                    "the files, then give their folder"
                )
            expected = length + len(data)
            try:
                for block in response.iter_content(BLOCK_BYTES):
                    data += block
            except requests.RequestException:
                pass  # cut connection; the next attempt continues after these bytes
        if len(data) == expected:
            return bytes(data), int(size)
        if start < 0:
            data.clear()
    raise connection_lost(url)


def _length_of_range(text: str) -> int | None:
    """Return the number of bytes in ``bytes FIRST-LAST/SIZE``; None if it has another form."""
    found = re.match(r"bytes (\d{1,18})-(\d{1,18})/", text)
    return None if found is None else int(found[2]) - int(found[1]) + 1
