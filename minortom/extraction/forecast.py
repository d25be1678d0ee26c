"""What an export would read, write and take, before it is begun."""

import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from minortom.archive.archive import Archive
from minortom.archive.parts import LocalParts
from minortom.errors import InputError
from minortom.extraction.export import licences_of
from minortom.extraction.options import DEFAULT_RATE_MB_S, ExportOptions, Missing
from minortom.extraction.patch_grid import patches_per_tile
from minortom.extraction.plan import PlannedTile, shards_of, tiles_per_shard
from minortom.extraction.products import pairs_of
from minortom.extraction.reserves import ExportPlan
from minortom.extraction.selection import read_selection
from minortom.io.atomic_write import check_parents
from minortom.progress import OnProgress, ignore_progress

_REMOTE_ROW_BYTES = 10_000_000
"""A row of either product of the hub, about; behind HTTP only its part's footer would tell."""
_REMOTE_FOOTER_BYTES = 3 << 19
_METADATA_BYTES = 500
"""Columns beside a patch's tensors and its share of the footer, more than they take."""
_FOOTER_BYTES = 1 << 15
"""Record and schema in a shard's footer, more than they take."""


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """What an export would do if each tile can be read and all patches are valid."""

    tiles: int
    cells_missing: int
    """Selected cells that an archive lacks; reserves in their place are among ``tiles``."""
    tiles_without_part: int
    """Tiles whose part is not in the local archive, or cannot be read."""
    shards: int
    patches_at_most: int
    gigabytes_to_write_at_most: float
    gigabytes_free: float
    """On the disk that the shards would go to."""
    fits: bool
    """Whether the free space is enough."""
    gigabytes_to_read: float
    reading_is: str
    """``counted`` in the footers of local parts, or ``estimated`` where one is remote."""
    requests_at_most: int
    """Over the network: one a row, and one for the footer of its part."""
    rate_mb_s: float
    hours_to_read: float
    """At that rate."""
    licences: tuple[str, ...]
    """What the shards would inherit."""

    def as_dict(self) -> dict[str, object]:
        """Give all of it, for printing."""
        return {"status": "dry run: nothing written", **asdict(self)}


def forecast_export(
    selection: Path,
    s2: str | Path,
    s1: str | Path,
    out: Path,
    *,
    options: ExportOptions | None = None,
    rate_mb_s: float = DEFAULT_RATE_MB_S,
    on_progress: OnProgress = ignore_progress,
) -> Forecast:
    """Say what :func:`export_selection` would do. Writes nothing but the cache of metadata.

    Args:
        selection: As for the export; so are ``s2``, ``s1`` and ``options``.
        s2: Sentinel-2's product.
        s1: Sentinel-1's.
        out: Where the shards would go: their disk is asked for its free space.
        options: As for the export.
        rate_mb_s: How fast the archives are read, megabytes a second.
        on_progress: Told of (local parts looked into, local parts in all).

    Raises:
        InputError: As the export, and if the rate is not positive.
        ArchiveError: As the export, as far as metadata tell.
        RemoteError: If the network does not give the metadata.
    """
    if not rate_mb_s > 0:
        raise InputError(f"--rate-mb-s is {rate_mb_s:g}; wanted a number above 0")
    check_parents(out)
    options = options or ExportOptions()
    archives = (Archive.open(s2, "s2"), Archive.open(s1, "s1"))
    chosen = read_selection(selection)
    plan = ExportPlan(
        chosen, pairs_of(chosen, archives), seed=options.seed,
        skip_missing=options.missing == Missing.SKIP,
    )  # fmt: skip
    tiles = plan.first_round
    reading = _reading(archives, tiles, options, on_progress)
    patches = len(tiles) * patches_per_tile(options)
    shards = len(shards_of(tiles, tiles_per_shard(options)))
    write_bytes = patches * (options.spec.sample_bytes + _METADATA_BYTES) + shards * _FOOTER_BYTES
    free = shutil.disk_usage(next(p for p in out.absolute().parents if p.exists())).free
    return Forecast(
        tiles=len(tiles), cells_missing=plan.cells_missing,
        tiles_without_part=len(reading.lacking), shards=shards, patches_at_most=patches,
        gigabytes_to_write_at_most=write_bytes / 1e9, gigabytes_free=free / 1e9,
        fits=write_bytes < free, gigabytes_to_read=reading.num_bytes / 1e9,
        reading_is="counted" if reading.counted else "estimated",
        requests_at_most=reading.requests, rate_mb_s=rate_mb_s,
        hours_to_read=reading.num_bytes / 1e6 / rate_mb_s / 3600,
        licences=licences_of(selection),
    )  # fmt: skip


@dataclass(kw_only=True)
class _Reading:
    num_bytes: int = 0
    requests: int = 0
    counted: bool = True
    lacking: set[int] = field(default_factory=set)
    """Positions of the tiles without a part."""


def _reading(
    archives: Sequence[Archive], tiles: Sequence[PlannedTile], options: ExportOptions,
    on_progress: OnProgress,
) -> _Reading:  # fmt: skip
    """Count what is read of local parts, by their footers; estimate it of remote ones."""
    found, places = _Reading(), []
    for archive in archives:
        if not isinstance(archive.parts, LocalParts):
            found.counted = False
            found.requests += 2 * len(tiles)
            found.num_bytes += len(tiles) * (_REMOTE_ROW_BYTES + _REMOTE_FOOTER_BYTES)
            continue
        by_part: dict[str, list[tuple[int, int]]] = {}
        for number, tile in enumerate(tiles):
            is_s2 = archive.sensor == "s2"
            part, row = (tile.s2_part, tile.s2_row) if is_s2 else (tile.s1_part, tile.s1_row)
            by_part.setdefault(part, []).append((number, row))
        bands = options.bands_read(archive.sensor)
        places += [(archive.parts.folder / p, rows, bands) for p, rows in sorted(by_part.items())]
    for looked, (path, rows, bands) in enumerate(places, start=1):
        sizes = _sizes(path, [row for _, row in rows], bands)
        found.num_bytes += sum(size or 0 for size in sizes)
        found.lacking |= {n for (n, _), size in zip(rows, sizes, strict=True) if size is None}
        on_progress(looked, len(places))
    return found


def _sizes(path: Path, rows: Sequence[int], bands: Sequence[str]) -> list[int | None]:
    """Give the bytes of the bands in rows of a part; None for a row that is not there."""
    try:
        footer = pq.read_metadata(path)
    except (OSError, pa.ArrowException):
        return [None] * len(rows)
    names = footer.schema.names
    columns = [names.index(band) for band in bands if band in names]
    return [
        sum(footer.row_group(row).column(column).total_compressed_size for column in columns)
        if row < footer.num_row_groups
        else None
        for row in rows
    ]
