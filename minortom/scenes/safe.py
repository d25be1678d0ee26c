"""Sentinel-2 products of ESA, as a SAFE folder or a zip: level 1C and 2A, all baselines.

Offset and quantification of the values come from the product's metadata.
"""

import re
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from xml.etree import ElementTree as ET

from minortom.errors import InputError
from minortom.scenes.band_files import BandFile, BandFiles
from minortom.scenes.band_names import known_band

_METADATA = re.compile(r"(MTD_MSIL(1C|2A)|.*_MTD_SAFL(1C|2A)_.*)\.xml")
_IMAGES = (".jp2", ".tif", ".tiff")
_GRID = re.compile(r"_(\d\d)m$")
_XML_BANDS = (
    "B01",
    "B02",
    "B03",
    "B04",
    "B05",
    "B06",
    "B07",
    "B08",
    "B8A",
    "B09",
    "B10",
    "B11",
    "B12",
)
"""Bands by their `band_id` in the metadata."""
_OFFSETS = ("BOA_ADD_OFFSET", "RADIO_ADD_OFFSET")
_QUANTIFICATIONS = (
    "BOA_QUANTIFICATION_VALUE",
    "L2A_BOA_QUANTIFICATION_VALUE",
    "QUANTIFICATION_VALUE",
)
_REFLECTANCE_TIMES = 10_000.0

_ZIP_ERRORS = (OSError, RuntimeError, zipfile.BadZipFile, zlib.error, EOFError, ValueError)
"""Errors of `zipfile` for damaged and encrypted files."""

_LEVEL_1C = (
    "level 1C is reflectance at the top of the atmosphere; models that were trained on level 2A "
    "expect surface reflectance"
)


def is_safe(path: Path) -> bool:
    """Return whether a path is the folder of a product."""
    return path.is_dir() and (path.suffix.upper() == ".SAFE" or (path / "GRANULE").is_dir())


def safe_bands(path: Path) -> BandFiles:
    """Find the bands of a product, each at its own resolution.

    Args:
        path: Folder, or zip with one such folder.

    Raises:
        InputError: If the metadata or the images are missing, or there are several tiles.
    """
    if path.is_dir():
        members = sorted(str(p.relative_to(path).as_posix()) for p in path.rglob("*.*"))
        prefix = str(path.absolute())
    else:
        members, prefix = _members(path), f"/vsizip/{path.absolute()}"
    metadata = [name for name in members if _METADATA.fullmatch(PurePosixPath(name).name)]
    if not metadata:
        raise InputError(
            f"expected a Sentinel-2 product with MTD_MSIL1C.xml or MTD_MSIL2A.xml, found no such "
            f"file among the {len(members)} of {path}; give the whole product"
        )
    tree = _parsed(path, metadata[0])
    images = _images(path, members)
    try:
        offsets, times = _offsets(tree), _REFLECTANCE_TIMES / _quantification(tree, path)
    except (ValueError, LookupError) as error:
        raise InputError(
            f"expected numbers as offsets and quantification of 13 bands in {metadata[0]} of "
            f"{path}, found {error!r}; download the product again"
        ) from None
    bands = tuple(
        BandFile(
            name=name,
            source=f"{prefix}/{image}",
            scale=times,
            offset=offsets.get(name, 0.0) * times,
        )
        for name, image in images.items()
    )
    is_1c = "1C" in PurePosixPath(metadata[0]).name
    of_folder = (path / metadata[0], *(path / image for image in images.values()))
    return BandFiles(
        path=path,
        bands=bands,
        files=of_folder if path.is_dir() else (path,),
        product=_text(tree, "PRODUCT_URI") or path.name,
        note=_LEVEL_1C if is_1c else "",
    )


def _members(path: Path) -> list[str]:
    try:
        with zipfile.ZipFile(path) as file:
            return sorted(file.namelist())
    except _ZIP_ERRORS as error:
        raise _unreadable(path, error) from None


def _unreadable(path: Path, error: Exception) -> InputError:
    return InputError(
        f"expected a zip of a Sentinel-2 product, cannot read {path} ({error}); download it again"
    )


def _parsed(path: Path, member: str) -> ET.Element:
    text = _content(path, member)
    if b"<!DOCTYPE" in text or b"<!ENTITY" in text:
        raise InputError(f"expected metadata of a product in {member} of {path}, found a DTD")
    try:
        return ET.fromstring(text)  # noqa: S314  (without a DTD there are no entities to expand)
    except ET.ParseError as error:
        raise InputError(
            f"expected XML in {member} of {path}, found: {error}; download the product again"
        ) from None


def _content(path: Path, member: str) -> bytes:
    if path.is_dir():
        return (path / member).read_bytes()
    try:
        with zipfile.ZipFile(path) as file:
            return file.read(member)
    except _ZIP_ERRORS as error:
        raise _unreadable(path, error) from None


def _images(path: Path, members: Sequence[str]) -> dict[str, str]:
    """Return the finest image of each band."""
    found: dict[str, tuple[int, str]] = {}
    tiles = set()
    for member in members:
        parts = PurePosixPath(member)
        band = known_band(parts.stem)
        if "IMG_DATA" not in parts.parts or parts.suffix.lower() not in _IMAGES:
            continue
        if band is None or band.sensor != "s2":
            continue
        tiles.add(parts.parts[parts.parts.index("IMG_DATA") - 1])
        named = _GRID.search(parts.stem)
        candidate = (int(named[1]) if named else 0, member)
        found[band.name] = min(candidate, found.get(band.name, candidate))
    if len(tiles) != 1:
        raise InputError(
            f"expected images of one tile in {path}, found {len(tiles) or 'none'}"
            f"{': ' + ', '.join(sorted(tiles)[:3]) if tiles else ''}; give a product of one tile"
        )
    return {name: found[name][1] for name in _XML_BANDS if name in found}


def _named(tree: ET.Element, names: Sequence[str]) -> Iterator[ET.Element]:
    """Yield the elements of these names, in any namespace, in the order of the names."""
    for name in names:
        yield from (item for item in tree.iter() if item.tag.rpartition("}")[2] == name)


def _text(tree: ET.Element, name: str) -> str | None:
    return next((item.text for item in _named(tree, [name]) if item.text), None)


def _offsets(tree: ET.Element) -> Mapping[str, float]:
    """Return the offset of each band, which is added to its values; none before baseline 04.00."""
    return {
        _XML_BANDS[int(item.attrib["band_id"])]: float(item.text or 0)
        for item in _named(tree, _OFFSETS)
    }


def _quantification(tree: ET.Element, path: Path) -> float:
    found = next(_named(tree, _QUANTIFICATIONS), None)
    value = float(found.text or 0) if found is not None else 0.0
    if value <= 0:
        raise InputError(
            f"expected the quantification of reflectance in the metadata of {path}, found none; "
            "download the product again"
        )
    return value
