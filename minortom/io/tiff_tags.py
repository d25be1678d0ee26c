"""What the tags of a GeoTIFF say, read without GDAL.

The model, which needs no geospatial library, knows by them whose output a file is.
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


def item_of(path: Path, key: str) -> str:
    """Give a metadata item of a whole file.

    Raises:
        LookupError: If the file has none of this name.
        ValueError: If it is no TIFF, or a damaged one.
        OSError: If it cannot be read.
    """
    text = str(_tags(path)[_GDAL_METADATA])
    found = re.search(rf'<Item name="{re.escape(key)}">(.*?)</Item>', text, re.DOTALL)
    if found is None:
        raise LookupError(key)
    # GDAL escapes it once as a value and once as XML; Pillow takes the tag for Latin-1.
    plain = html.unescape(html.unescape(found[1]))
    return plain.encode("latin-1").decode("utf-8")


def has_all_tiles(path: Path) -> bool:
    """Say whether a tiled file was written to its end, as GDAL, when it closes one, does not.

    Raises:
        ValueError: If it is no TIFF, or a damaged one.
        OSError: If it cannot be read.
    """
    tags = _tags(path)
    try:
        offset, size = (np.asarray(tags[tag]) for tag in (_TILE_OFFSETS, _TILE_BYTE_COUNTS))
    except LookupError:
        return False
    return bool((offset > 0).all() and (offset + size <= path.stat().st_size).all())


def _tags(path: Path) -> "ImageFileDirectory_v2":
    # Imported here, as few callers have a TIFF.
    from PIL.TiffImagePlugin import ImageFileDirectory_v2

    with path.open("rb") as stream:
        header = stream.read(_BIG_HEADER_BYTES)
        is_big = _BIG_MAGIC in header[2:4]
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # Pillow warns of what it then leaves out
                tags = ImageFileDirectory_v2(header if is_big else header[:_HEADER_BYTES])
                stream.seek(tags.next)
                tags.load(stream)
        except (SyntaxError, TypeError, struct.error) as error:
            raise ValueError(f"{path} is no TIFF: {error}") from None
    return tags
