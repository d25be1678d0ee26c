"""Maps behind URLs: settings of GDAL for reading blocks, and retries."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

from minortom.errors import RemoteError
from minortom.public_urls import hide_secrets_in_logs, public_url
from minortom.remote import http
from minortom.remote.http import is_url, open_session, send_request

Result = TypeVar("Result")

_ATTEMPTS = 4
_SETTINGS = {
    # Opening a cloud-optimised GeoTIFF needs its size and, in one request, its whole index. The
    # folder is not listed, and no sidecar files are requested.
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
    "GDAL_INGESTED_BYTES_AT_OPEN": 64 * 1024,
    # Adjacent blocks are read in one request, other blocks in parallel requests.
    "GDAL_HTTP_MERGE_CONSECUTIVE_RANGES": "YES",
    "GDAL_HTTP_MULTIPLEX": "YES",
    "GDAL_HTTP_VERSION": "2TLS",
    "VSI_CACHE": "TRUE",
    # No block is read twice, and data of a broken connection must not stay in the cache.
    "CPL_VSIL_CURL_NON_CACHED": "/vsicurl/",
    # For 429, 500, 502, 503 and 504, within a read; `read_with_retries` waits longer.
    "GDAL_HTTP_MAX_RETRY": 3,
    "GDAL_HTTP_CONNECTTIMEOUT": 15,
    # A stalled read is aborted, a slow one is not.
    "GDAL_HTTP_LOW_SPEED_TIME": 60,
    "GDAL_HTTP_LOW_SPEED_LIMIT": 100,
}


def settings_for(url: str) -> dict[str, object]:
    """Return the settings of GDAL for reading a map behind this URL."""
    hide_secrets_in_logs()
    suffix = Path(urlsplit(url).path).suffix
    return {
        **_SETTINGS,
        "GDAL_HTTP_RETRY_DELAY": http.RETRY_POLICY.backoff_s,
        **({"CPL_VSIL_CURL_ALLOWED_EXTENSIONS": suffix} if suffix else {}),
    }


def title_of(place: str) -> str:
    """Return the name of a file or a URL in messages, without secrets."""
    return public_url(place) if is_url(place) else place


def read_with_retries(place: str, read: Callable[[], Result]) -> Result:
    """Read a map, with retries after a pause if its server or the connection fails.

    Args:
        place: Path of a file, which is read without retries, or a URL.
        read: Function that reads the map; raises RemoteError if that fails.

    Raises:
        RemoteError: If the server has no such file, refuses access or has trouble, or if the file
            cannot be read after all retries.
    """
    for attempt in range(1, _ATTEMPTS):
        try:
            return read()
        except RemoteError:
            # GDAL does not distinguish a missing file, a refusal and a damaged file. This request
            # raises the error that the server reports, and waits if the server asks for it.
            with (
                open_session() as session,
                send_request(session, place, headers={"Range": "bytes=0-0"}, accepted=(200, 206)),
            ):
                time.sleep(http.RETRY_POLICY.backoff_s * 2**attempt)
    return read()
