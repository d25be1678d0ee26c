"""Tags of a GeoTIFF, read without GDAL.

``csmoe embed`` reads the provenance of its outputs this way, without a geospatial library.
"""

import html
import re
import struct
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from PIL.TiffImagePlugin import ImageFileDirectory_v2

SUFFIXES = (".tif", ".tiff")

_TILE_OFFSETS, _TILE_BYTE_COUNTS, _GDAL_METADATA = 324, 325, 42112
_HEADER_BYTES, _BIG_HEADER_BYTES = 8, 16
_BIG_MAGIC = 43


def metadata_item(path: Path, key: str) -> str:
    """Return an item of the metadata that GDAL stores for a whole file.

    Raises:
        LookupError: If the file has no item of this name.
        ValueError: If the file is not a TIFF or is damaged.
        OSError: If the file cannot be read.
    """
    text = str(_tags(path)[_GDAL_METADATA])
    found = re.search(rf'<Item name="{re.escape(key)}">(.*?)</Item>', text, re.DOTALL)
    if found is None:
        raise LookupError(key)
    # GDAL escapes the text twice, as a value and as XML; Pillow decodes the tag as Latin-1.
    plain = html.unescape(html.unescape(found[1]))
    return plain.encode("latin-1").decode("utf-8")


def has_all_tiles(path: Path) -> bool:
    """Return whether a tiled file is complete; GDAL does not report a failed write on close.

    Raises:
        ValueError: If the file is not a TIFF or is damaged.
        OSError: If the file cannot be read.
    """
    tags = _tags(path)
    try:
        offset, size = (np.asarray(tags[tag]) for tag in (_TILE_OFFSETS, _TILE_BYTE_COUNTS))
    except LookupError:
        return False
    return bool((offset > 0).all() and (offset + size <= path.stat().st_size).all())


def _tags(path: Path) -> "ImageFileDirectory_v2":
    # Imported here, because few callers have a TIFF.
    from PIL.TiffImagePlugin import ImageFileDirectory_v2

    with path.open("rb") as stream:
        header = stream.read(_BIG_HEADER_BYTES)
        is_big = _BIG_MAGIC in header[2:4]
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # Pillow warns about tags that it skips
                tags = ImageFileDirectory_v2(header if is_big else header[:_HEADER_BYTES])
                stream.seek(tags.next)
                tags.load(stream)
        except (SyntaxError, TypeError, struct.error) as error:
            raise ValueError(f"{path} is not a TIFF: {error}") from None
    return tags
