"""Download of maps into the user's cache: ``minortom fetch``."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from minortom.api.arguments import flag, shown, whole_number
from minortom.api.results import NOT_IN_JSON, Result
from minortom.downloads.find_map import find_data_set
from minortom.downloads.single_file import fetch_file
from minortom.downloads.tiles import fetch_tiles, tiles_of_area
from minortom.errors import InputError
from minortom.grid.bbox import BBox, BBoxLike, as_bbox
from minortom.grid.regions import Region, region_of
from minortom.maps.manifests import Manifest
from minortom.progress import OnProgress, ignore_progress

OnMapProgress = Callable[[int, int, str], None]
"""Called with (tiles done, tiles in all, name of the data set); with bytes for a single file."""


@dataclass(frozen=True, kw_only=True)
class FetchedMap(Result):
    """The files of a data set in the cache, restricted to an area where one was given."""

    name: str
    """Name of the data set."""
    status: str
    """``fetched`` or ``up to date``."""
    files: int
    """Number of files in the cache."""
    fetched: int
    """Number of these files that were downloaded now."""
    absent: int
    """Number of tiles of the area that do not exist at the source."""
    bytes: int
    """Size of the files."""
    folder: Path
    """Folder of the data set in the cache."""
    credit: str = field(metadata=NOT_IN_JSON)
    """Title, licence and attribution."""
    citation: str = field(metadata=NOT_IN_JSON)
    """Reference to cite."""


@dataclass(frozen=True, kw_only=True)
class FetchResult(Result):
    """The data sets that ``fetch`` has downloaded or found in the cache."""

    maps: tuple[FetchedMap, ...]
    """One for each name, in the order of the names."""

    def as_dict(self) -> list[dict[str, object]]:
        """Return one dictionary for each data set."""
        return [found.as_dict() for found in self.maps]


def fetch(
    names: str | Path | Sequence[str | Path],
    *,
    region: str | Path | None = None,
    region_layer: str | None = None,
    bbox: BBoxLike | None = None,
    everything: bool = False,
    workers: int = 8,
    on_progress: OnMapProgress | None = None,
    on_map: Callable[[FetchedMap], None] | None = None,
) -> FetchResult:
    """Download maps into the cache (``MINORTOM_CACHE``); files in the cache are verified and kept.

    Example: ``minortom.fetch("worldcover-2021", bbox="-10,35,5,44")``.

    Args:
        names: One or more data sets, such as ``koppen-geiger-2023``, or paths of manifests.
        region: Vector file of polygons; only tiles that overlap it are downloaded.
        region_layer: Layer of the region, for a file with several layers of polygons.
        bbox: Box in degrees: ``"W,S,E,N"``, four numbers or a ``BBox``; only tiles that overlap
            it are downloaded.
        everything: Whether to download all tiles of tiled data sets (``--all``).
        workers: Number of simultaneous downloads of tiles.
        on_progress: Called with (tiles done, tiles in all, name), or with bytes in place of
            tiles for a data set that is a single file.
        on_map: Called with each data set when it is complete, also if a later one fails.

    Returns:
        The number and size of the files of each data set, with its credit and citation.

    Raises:
        RemoteError: If a file cannot be downloaded.
        InputError: If a name or an area is unusable, if a tiled data set is given without an
            area, if an area is given with ``everything``, if the area has no tile, or if a file
            differs from the checksum in its manifest or has changed since its download. Such a
            file stays where it is and is not used.
    """
    workers = whole_number("workers", workers, minimum=1)
    everything = flag("everything", everything)
    area, box = region_of(region, region_layer), as_bbox(bbox)
    if everything and not (area is None and box is None):
        raise InputError(
            "expected --all, or an area by --region or --bbox, found both; leave one of them out"
        )
    manifests = [find_data_set(str(name))[1] for name in _as_names(names)]
    maps: list[FetchedMap] = []
    for manifest in manifests:
        found = fetch_map(
            manifest, region=area, bbox=box, everything=everything, workers=workers,
            on_progress=_named(on_progress, manifest.name),
        )  # fmt: skip
        maps.append(found)
        if on_map is not None:
            on_map(found)
    return FetchResult(maps=tuple(maps))


def fetch_map(
    manifest: Manifest,
    *,
    region: Region | None = None,
    bbox: BBox | None = None,
    everything: bool = False,
    workers: int = 8,
    on_progress: OnProgress = ignore_progress,
) -> FetchedMap:
    """Download one data set into the cache; see ``fetch``."""
    if manifest.lattice_deg is None:
        path, is_new = fetch_file(manifest, on_progress=on_progress)
        paths, fetched, absent = [path], int(is_new), 0
    else:
        tiles = tiles_of_area(manifest, region=region, bbox=bbox, everything=everything)
        paths, fetched = fetch_tiles(manifest, tiles, workers, on_progress)
        absent = len(tiles) - len(paths)
    return FetchedMap(
        name=manifest.name, status="fetched" if fetched else "up to date", files=len(paths),
        fetched=fetched, absent=absent, bytes=sum(path.stat().st_size for path in paths),
        folder=paths[0].parent, credit=manifest.credit(), citation=manifest.citation,
    )  # fmt: skip


def _as_names(names: object) -> list[str | Path]:
    if isinstance(names, str | Path):
        return [names]
    found = list(names) if isinstance(names, Sequence) else []
    if not found or not all(isinstance(name, str | Path) for name in found):
        raise InputError(
            "names must be a data set's name, the path of a manifest, or a list of these, "
            f"found {shown(names)}"
        )
    return found


def _named(on_progress: OnMapProgress | None, name: str) -> OnProgress:
    """Return a callback that adds the name of the data set."""
    if on_progress is None:
        return ignore_progress
    return lambda done, total: on_progress(done, total, name)
