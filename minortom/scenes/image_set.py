"""Images in folders: one raster each, or one folder of band files each."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from minortom.errors import InputError
from minortom.scenes.find_bands import RASTERS, is_image_folder, rasters_in


def find_images(sources: Sequence[Path]) -> list[Path]:
    """Return the images that files and folders have, in order; folders are searched to any depth.

    Raises:
        InputError: If a source does not exist, or a folder has no image.
    """
    found: dict[Path, None] = {}
    for source in sources:
        if not source.exists():
            raise InputError(f"expected images in {source}, found no such file; check the path")
        images = [*_images_in(source)] if source.is_dir() else [source]
        if not images:
            raise InputError(
                f"expected images in {source} ({', '.join(RASTERS)}), or folders with a file for "
                "each band, found none; give another folder"
            )
        found |= dict.fromkeys(images)
    return [*found]


def has_images(folder: Path) -> bool:
    """Return whether a folder has images, at any depth."""
    return next(_images_in(folder), None) is not None


def _images_in(folder: Path) -> Iterator[Path]:
    if is_image_folder(folder):
        yield folder
        return
    yield from rasters_in(folder)
    for below in sorted(path for path in folder.iterdir() if path.is_dir()):
        yield from _images_in(below)
