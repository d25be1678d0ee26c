"""GDAL's metadata items inside a GeoTIFF, read without GDAL.

The model, which needs no geospatial library, knows by them whose output a file is.
"""

import html
import re
import struct
import warnings
from pathlib import Path

SUFFIXES = (".tif", ".tiff")

_GDAL_METADATA = 42112
_HEADER_BYTES, _BIG_HEADER_BYTES = 8, 16
_BIG_MAGIC = 43


def item_of(path: Path, key: str) -> str:
    """Give a metadata item of a whole file.

    Raises:
        LookupError: If the file has none of this name.
        ValueError: If it is no TIFF, or a damaged one.
        OSError: If it cannot be read.
    """
    # Imported here, as few callers have a TIFF.
    from PIL.TiffImagePlugin import ImageFileDirectory_v2

    with path.open("rb") as stream:
        header = stream.read(_BIG_HEADER_BYTES)
        is_big = _BIG_MAGIC in header[2:4]
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # Pillow warns of what it then leaves out
                directory = ImageFileDirectory_v2(header if is_big else header[:_HEADER_BYTES])
                stream.seek(directory.next)
                directory.load(stream)
        except (SyntaxError, TypeError, struct.error) as error:
            raise ValueError(f"{path} is no TIFF: {error}") from None
        text = str(directory[_GDAL_METADATA])
    found = re.search(rf'<Item name="{re.escape(key)}">(.*?)</Item>', text, re.DOTALL)
    if found is None:
        raise LookupError(key)
    # GDAL escapes it once as a value and once as XML; Pillow takes the tag for Latin-1.
    plain = html.unescape(html.unescape(found[1]))
    return plain.encode("latin-1").decode("utf-8")
