"""Tiles of a data set: which ones an area overlaps, and their download into the cache."""

import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from minortom.downloads.cache import (
    absent_urls,
    folder_of,
    record_absent,
    record_source,
    scratch_folder,
    store,
    verify,
)
from minortom.downloads.single_file import check_map
from minortom.engine.daemon_threads import DaemonThreads
from minortom.engine.executors import as_done
from minortom.errors import InputError, RemoteMissingError
from minortom.grid.bbox import BBox
from minortom.grid.regions import Region, touched
from minortom.maps.manifests import TILE, Manifest
from minortom.maps.tile_lattice import TileName
from minortom.progress import OnProgress
from minortom.public_urls import identity_of, public_url
from minortom.remote.http import download, mirrored

_Outcome = Literal["kept", "fetched", "absent"]


def tiles_of_area(
    manifest: Manifest, *, region: Region | None, bbox: BBox | None, everything: bool
) -> list[TileName]:
    """Return the tiles of a data set's lattice that overlap an area, from south to north.

    Raises:
        InputError: If neither an area nor ``everything`` is given, or the area has no tile.
    """
    step = manifest.lattice_deg
    assert step is not None
    if region is None and bbox is None and not everything:
        raise InputError(
            f"{manifest.name} is in tiles of {step} degrees ({manifest.size or 'of the globe'}); "
            "give --region or --bbox, or --all for all tiles"
        )
    rows = -(-90 // step)
    south, west = (a.ravel() * step for a in np.mgrid[-rows:rows, -180 // step : 180 // step])
    edges = (west * 1.0, south * 1.0, west + step * 1.0, south + step * 1.0)
    here = touched(edges, region=region, bbox=bbox)
    if not here.any():
        raise InputError("the region and the box do not overlap; give only one of them")
    return [TileName(int(s), int(w)) for s, w in zip(south[here], west[here], strict=True)]


def absent_tiles(manifest: Manifest) -> frozenset[TileName]:
    """Return the tiles of which an earlier ``fetch`` recorded that they do not exist."""
    urls = absent_urls(folder_of(manifest))
    if not urls:
        return frozenset()
    tiles = tiles_of_area(manifest, region=None, bbox=None, everything=True)
    return frozenset(tile for tile in tiles if _requested_url(manifest, tile) in urls)


def fetch_tiles(
    manifest: Manifest, tiles: Sequence[TileName], workers: int, on_progress: OnProgress
) -> tuple[list[Path], int]:
    """Download tiles of a data set; tiles in the cache are verified and kept.

    Args:
        manifest: The data set.
        tiles: Tiles to download, some of which may not exist at the source.
        workers: Number of simultaneous downloads.
        on_progress: Called with (tiles done, tiles in all).

    Returns:
        The files of the existing tiles, and how many of them were downloaded now.

    Raises:
        RemoteError: If a tile cannot be downloaded.
        InputError: If none of the tiles exists, or a tile has changed since its download.
    """
    folder = folder_of(manifest)
    outcomes: dict[TileName, _Outcome] = {}
    stop = threading.Event()
    with scratch_folder(folder) as scratch, DaemonThreads(workers) as executor:
        get = _getter(manifest, folder, scratch, stop)
        try:
            for position, outcome in as_done(executor, get, tiles):
                outcomes[tiles[position]] = outcome
                on_progress(len(outcomes), len(tiles))
        finally:
            stop.set()  # an error or an interrupt: the other downloads stop at their next block
            _note(manifest, folder, outcomes)
    paths = [folder / manifest.file_name(str(t)) for t, how in outcomes.items() if how != "absent"]
    if not paths:
        raise InputError(
            f"{manifest.name} has none of the {len(tiles):,} tiles of the area, such as "
            f"{tiles[0]}; check whether the area is all sea, and whether the url in the manifest "
            f"is right: {public_url(manifest.url)}"
        )
    return paths, list(outcomes.values()).count("fetched")


def _getter(
    manifest: Manifest, folder: Path, scratch: Path, stop: threading.Event
) -> Callable[[TileName], _Outcome]:
    """Return the function that downloads one tile."""
    absent = absent_urls(folder)

    def check_stop(done: int, total: int) -> None:
        del done, total
        if stop.is_set():
            raise InterruptedError

    def get(tile: TileName) -> _Outcome:
        check_stop(0, 0)
        name, url = manifest.file_name(str(tile)), manifest.url.replace(TILE, str(tile))
        if (folder / name).exists():
            verify(folder / name, thoroughly=True)
            return "kept"
        if _requested_url(manifest, tile) in absent:
            return "absent"
        try:
            download(url, scratch / name, on_progress=check_stop)
        except RemoteMissingError:
            return "absent"
        check_map(scratch / name, manifest, url)
        store(scratch / name, folder / name)
        return "fetched"

    return get


def _note(manifest: Manifest, folder: Path, outcomes: Mapping[TileName, _Outcome]) -> None:
    """Record tiles that do not exist, unless none does, which suggests a wrong address."""
    if all(outcome == "absent" for outcome in outcomes.values()):
        return
    record_source(folder, manifest)
    known = absent_urls(folder)
    urls = [_requested_url(manifest, tile) for tile, how in outcomes.items() if how == "absent"]
    record_absent(folder, [url for url in urls if url not in known])


def _requested_url(manifest: Manifest, tile: TileName) -> str:
    """Return the requested URL: a tile that a mirror does not have may exist at its source."""
    return identity_of(mirrored(manifest.url.replace(TILE, str(tile))))
