"""Images of a user by path: one raster, or bands in separate files."""

from collections.abc import Sequence
from pathlib import Path

from minortom.errors import InputError
from minortom.scenes.band_files import BandFile, BandFiles
from minortom.scenes.band_names import known_band
from minortom.scenes.safe import is_safe, safe_bands
from minortom.scenes.stac import stac_bands

RASTERS = (".tif", ".tiff", ".jp2", ".vrt")
"""Suffixes of the files that are looked for in folders."""


def find_bands(path: Path) -> BandFiles | None:
    """Return the files of the bands of an image; None for one raster with all its bands.

    A folder is a Sentinel-2 product, or has one file for each band as in BigEarthNet; a zip has a
    Sentinel-2 product; a JSON file is a STAC item.

    Raises:
        InputError: If a folder, zip or item has no bands.
    """
    if path.suffix.lower() == ".json":
        return stac_bands(path)
    if path.suffix.lower() == ".zip" or is_safe(path):
        return safe_bands(path)
    return folder_bands(path) if path.is_dir() else None


def files_of(path: Path) -> tuple[Path, ...]:
    """Return the files that an image depends on.

    Raises:
        InputError: As `find_bands`.
    """
    found = find_bands(path)
    return (path,) if found is None else found.files


def is_image_folder(path: Path) -> bool:
    """Return whether a folder is one image: a product, or one file for each of several bands."""
    if is_safe(path):
        return True
    named = [known_band(file.stem) for file in rasters_in(path)]
    bands = [band.name for band in named if band is not None and band.sensor]
    return len(bands) > 1 and len(bands) == len(set(bands)) and None not in named


def folder_bands(path: Path) -> BandFiles:
    """Find the bands of an image in a folder with one file for each, named such as `…_B02.tif`.

    Raises:
        InputError: If no file or several files have a band in their name.
    """
    found: dict[str, Path] = {}
    rasters = rasters_in(path)
    for file in rasters:
        band = known_band(file.stem)
        if band is None or band.sensor is None:
            continue
        other = found.setdefault(band.name, file)
        if other != file:
            raise InputError(
                f"expected the files of one image in {path}, found {other.name} and {file.name} "
                f"for {band.name}; give each image its own folder"
            )
    if not found:
        raise InputError(
            f"expected one file for each band in {path}, such as B02.tif, or a Sentinel-2 "
            f"product, found {shown([file.name for file in rasters])}; give another folder"
        )
    return BandFiles(
        path=path, files=tuple(found.values()),
        bands=tuple(
            BandFile(name=name, source=str(file.absolute())) for name, file in found.items()
        ),
    )  # fmt: skip


def rasters_in(path: Path) -> list[Path]:
    """Return the raster files of a folder, in order of their names."""
    return sorted(file for file in path.iterdir() if file.suffix.lower() in RASTERS)


def shown(names: Sequence[str]) -> str:
    """Return the first names for a message."""
    if not names:
        return "no raster"
    more = f" and {len(names) - 3:,} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more
