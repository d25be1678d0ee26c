"""Some bytes of a file behind HTTP."""

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

from minortom.errors import RemoteError
from minortom.remote import http
from minortom.remote.http import BLOCK_BYTES, answer, broken_off, shown

if TYPE_CHECKING:
    import requests


def read_range(
    session: "requests.Session",
    url: str,
    start: int,
    end: int | None,
    *,
    headers: Mapping[str, str] | None = None,
    by_mirror: bool = True,
) -> tuple[bytes, int]:
    """Read some bytes of a file.

    Args:
        session: As :func:`open_session` gives it.
        url: Where the file is; ``http://`` or ``https://``.
        start: The first byte; negative: so many from the end, or all where there are fewer.
        end: The byte after the last one; None for the end of the file.
        headers: More headers to send.
        by_mirror: Whether ``MINORTOM_MIRROR`` is heeded.

    Returns:
        The bytes, and the size of the whole file.

    Raises:
        RemoteError: If they cannot be had, or the server gives whole files only.
    """
    import requests

    data = bytearray()
    for attempt in range(1 + http.PATIENCE.retries):
        time.sleep(http.PATIENCE.backoff_s * 2**attempt if attempt else 0)
        last = "" if end is None else end - 1
        span = str(start) if start < 0 else f"{start + len(data)}-{last}"
        with answer(
            session, url, headers={**(headers or {}), "Range": f"bytes={span}"},
            accepted=(200, 206), by_mirror=by_mirror,
        ) as response:  # fmt: skip
            size = response.headers.get("Content-Range", "").rpartition("/")[2]
            if response.status_code == 200 or not size.isdecimal():
                raise RemoteError(
                    f"{shown(url)}: the server gives whole files only, no ranges of bytes; fetch "
                    "them all, and give the folder"
                )
            wanted = int(response.headers["Content-Length"]) + len(data)
            try:
                for block in response.iter_content(BLOCK_BYTES):
                    data += block
            except requests.RequestException:
                pass  # cut; what came is kept
        if len(data) == wanted:
            return bytes(data), int(size)
        if start < 0:
            data.clear()
    raise broken_off(url)
