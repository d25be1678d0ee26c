"""Maps behind URLs, read block by block through GDAL: its settings, and trying again."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

from minortom.errors import RemoteError
from minortom.remote import http
from minortom.remote.http import is_url, open_session, public_url, send_request

Result = TypeVar("Result")

_ATTEMPTS = 4
_SETTINGS = {
    # To open a cloud-optimised GeoTIFF takes its size and the whole of its index at once: no
    # listing of its folder, no look for files beside it.
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
    "GDAL_INGESTED_BYTES_AT_OPEN": 64 * 1024,
    # Blocks that lie one after the other come by one request, others side by side.
    "GDAL_HTTP_MERGE_CONSECUTIVE_RANGES": "YES",
    "GDAL_HTTP_MULTIPLEX": "YES",
    "GDAL_HTTP_VERSION": "2TLS",
    "VSI_CACHE": "TRUE",
    # What was read is not read again, and what came of a cut connection must not stay.
    "CPL_VSIL_CURL_NON_CACHED": "/vsicurl/",
    # 429, 500, 502, 503 and 504, within a read; `patiently` waits longer.
    "GDAL_HTTP_MAX_RETRY": 3,
    "GDAL_HTTP_CONNECTTIMEOUT": 15,
    # A read that stands still ends; a slow one goes on.
    "GDAL_HTTP_LOW_SPEED_TIME": 60,
    "GDAL_HTTP_LOW_SPEED_LIMIT": 100,
}


def settings_for(url: str) -> dict[str, object]:
    """Give GDAL's settings for reading a map behind this URL."""
    suffix = Path(urlsplit(url).path).suffix
    return {
        **_SETTINGS,
        "GDAL_HTTP_RETRY_DELAY": http.RETRY_POLICY.backoff_s,
        **({"CPL_VSIL_CURL_ALLOWED_EXTENSIONS": suffix} if suffix else {}),
    }


def title_of(place: str) -> str:
    """Give what messages call a file or a URL."""
    return public_url(place) if is_url(place) else place


def patiently(place: str, read: Callable[[], Result]) -> Result:
    """Read a map, again after a while where its server or the way to it fails.

    Args:
        place: A file, which is read once and no more; or a URL.
        read: Reads it; raises RemoteError where that fails.

    Raises:
        RemoteError: What the server says after as many tries as may help: that there is no
            such file, that it refuses, that it has trouble; or that the file cannot be read.
    """
    for attempt in range(1, _ATTEMPTS):
        try:
            return read()
        except RemoteError:
            # GDAL tells a missing file from a refusal no better than from a damaged one. This
            # raises where the server says so, and waits for one that says "later".
            with (
                open_session() as session,
                send_request(session, place, headers={"Range": "bytes=0-0"}, accepted=(200, 206)),
            ):
                time.sleep(http.RETRY_POLICY.backoff_s * 2**attempt)
    return read()
