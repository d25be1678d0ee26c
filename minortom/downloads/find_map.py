"""Find a map by what a user calls it: a path, a manifest of one's own, a data set's name."""

import os
from dataclasses import dataclass
from pathlib import Path

from minortom.downloads.cache import folder_of, verify
from minortom.downloads.single_file import fetch_file
from minortom.downloads.tiles import absent_tiles
from minortom.errors import InputError
from minortom.maps.manifests import Manifest, load_manifest, named_manifest
from minortom.maps.tiled_map import TileMap
from minortom.progress import OnProgress, ignore_progress
from minortom.remote.http import is_url


@dataclass(frozen=True, kw_only=True)
class FoundMap:
    """Where a map is; with its manifest where it was found by one."""

    source: Path | TileMap
    manifest: Manifest | None = None
    manifest_path: Path | None = None


def find_map(text: str, *, on_progress: OnProgress = ignore_progress) -> FoundMap:
    """Find a map.

    A path is anything that exists or holds a separator: a raster, a folder of tiles, or a
    manifest (``.yaml``). All else is the name of a data set that comes with minortom: looked up
    in the cache, then at its source. One that is one file is fetched; tiles are not, but read
    where they are.

    Args:
        text: What the user typed.
        on_progress: Called with (bytes had, bytes in all) while a file is fetched.

    Raises:
        InputError: If there is no such file or data set, or what is in the cache has changed.
        RemoteError: If it is not in the cache and cannot be had.
    """
    if is_url(text):
        raise InputError(
            f"{text.partition('?')[0]} is a URL; wanted a file, a folder of tiles, a data set's "
            "name, or a manifest (.yaml) that holds the URL"
        )
    path = Path(text)
    if not (path.exists() or os.sep in text):
        return _of_manifest(*named_manifest(text), on_progress)
    if not path.exists():
        raise InputError(
            f"the map {path} does not exist; wanted a raster file, a folder of tiles or a manifest"
        )
    path = path.absolute()  # a cluster's workers stand in other folders
    if path.is_dir():
        return FoundMap(source=TileMap.of_folder(path))
    if is_manifest(path):
        return _of_manifest(path, load_manifest(path), on_progress)
    return FoundMap(source=path)


def find_data_set(text: str) -> tuple[Path, Manifest]:
    """Find a manifest by its data set's name, or by its path.

    Raises:
        InputError: If there is none.
    """
    path = Path(text)
    if path.exists() or os.sep in text:
        return path, load_manifest(path)
    return named_manifest(text)


def is_manifest(path: Path) -> bool:
    """Say whether a file is called as manifests are."""
    return path.suffix.lower() in (".yaml", ".yml")


def _of_manifest(path: Path, manifest: Manifest, on_progress: OnProgress) -> FoundMap:
    if manifest.lattice_deg is None:
        file, _ = fetch_file(manifest, on_progress=on_progress)
        return FoundMap(source=file, manifest=manifest, manifest_path=path)
    folder = folder_of(manifest)
    tiles = TileMap.of_manifest(manifest, folder=folder, absent=absent_tiles(manifest))
    for file in tiles.files.values():
        verify(file, thoroughly=False)
    return FoundMap(source=tiles, manifest=manifest, manifest_path=path)
