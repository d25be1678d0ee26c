"""Search for a map by a path, a manifest of the user's own, or the name of a data set."""

import os
from dataclasses import dataclass
from pathlib import Path

from minortom.api.arguments import not_special
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
    """Source of a map, and its manifest if it was found by one."""

    source: Path | TileMap
    manifest: Manifest | None = None
    manifest_path: Path | None = None


def find_map(text: str, *, on_progress: OnProgress = ignore_progress) -> FoundMap:
    """Return the source of a map.

    Text is a path if the path exists or if it contains a separator: a raster, a folder of tiles,
    or a manifest (``.yaml``). Other text is the name of a data set that comes with minortom. A
    data set in one file is downloaded if it is not in the cache. Tiles are not downloaded; blocks
    of them are read over the network.

    Args:
        text: Path or name.
        on_progress: Called with (bytes downloaded, bytes in all) during a download.

    Raises:
        InputError: If the file or data set does not exist, or a cached file has changed.
        RemoteError: If a download fails.
    """
    if is_url(text):
        raise InputError(
            "expected a map as a file, a folder of tiles, a data set's name or a manifest (.yaml), "
            f"found the URL {text}; write a manifest with the URL"
        )
    path = Path(text)
    if not (path.exists() or os.sep in text):
        return _of_manifest(*named_manifest(text), on_progress)
    if not path.exists():
        raise InputError(
            f"expected a raster file, a folder of tiles or a manifest, but {path} does not exist; "
            "check the path"
        )
    # Workers of a cluster have another working directory.
    path = not_special("a map", path).absolute()
    if path.is_dir():
        return FoundMap(source=TileMap.of_folder(path))
    if is_manifest(path):
        return _of_manifest(path, load_manifest(path), on_progress)
    return FoundMap(source=path)


def find_data_set(text: str) -> tuple[Path, Manifest]:
    """Return a manifest, and its path, for the name of a data set or the path of the manifest.

    Raises:
        InputError: If it does not exist or is not a manifest.
    """
    path = not_special("a manifest", Path(text))
    if path.exists() or os.sep in text:
        return path, load_manifest(path)
    return named_manifest(text)


def is_manifest(path: Path) -> bool:
    """Return whether a file has the suffix of a manifest."""
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
