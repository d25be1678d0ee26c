"""Forecast of an export: what it would read and write, and how long reading would take."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from minortom.api.results import Result, Shown
from minortom.api.time_spans import time_span
from minortom.archive.archive import Archive
from minortom.archive.parts import LocalParts
from minortom.errors import InputError
from minortom.extraction.inputs import ExportInputs
from minortom.extraction.options import DEFAULT_RATE_MB_S, ExportOptions
from minortom.extraction.patch_grid import patches_per_tile
from minortom.extraction.plan import PlannedTile, shards_of, tiles_per_shard
from minortom.io.atomic_write import check_parents
from minortom.progress import OnProgress, ignore_progress

_REMOTE_ROW_BYTES = 10_000_000
"""Typical size of a row of either product on the hub. Over HTTP only a part's footer would say."""
_REMOTE_FOOTER_BYTES = 3 << 19
_METADATA_BYTES = 500
"""Upper limit of a patch's metadata columns and its share of the footer."""
_FOOTER_BYTES = 1 << 15
"""Upper limit of the record and the schema in a shard's footer."""


@dataclass(frozen=True, kw_only=True)
class ExportForecast(Result):
    """Forecast of an export, if each tile can be read and all patches are valid."""

    status: str = "dry run: nothing written"
    tiles: int
    cells_missing: int
    """Selected cells for which an archive has no tile; the reserves that replace them count among
    ``tiles``."""
    tiles_without_part: int
    """Tiles whose part is missing from the local archive, or cannot be read."""
    shards: int
    patches_at_most: int
    gigabytes_to_write_at_most: float
    gigabytes_free: float
    """Free space on the disk of ``out``."""
    fits: bool
    """Whether the free space is enough."""
    gigabytes_to_read: float
    reading_is: str
    """``counted`` from the footers of local parts, or ``estimated`` where an archive is remote."""
    requests_at_most: int
    """Requests over the network: one a row, and one for the footer of its part."""
    rate_mb_s: float
    hours_to_read: float
    """Time to read at that rate, which is assumed: two significant digits."""
    licences: tuple[str, ...]
    """Licences that the shards would inherit."""

    def shown(self) -> Shown:
        """Return the values for people: the time to read as minutes or hours."""
        values: dict[str, Any] = self.as_dict()
        span, licences = time_span(3600 * values.pop("hours_to_read")), values.pop("licences")
        return values | {"time_to_read": f"about {span}", "licences": licences}


def forecast(
    inputs: ExportInputs,
    out: Path,
    *,
    options: ExportOptions,
    rate_mb_s: float = DEFAULT_RATE_MB_S,
    on_progress: OnProgress = ignore_progress,
) -> ExportForecast:
    """Compute what an export would read and write; nothing is written.

    Args:
        inputs: Selection and archives.
        out: Folder that the export would write; the free space of its disk is reported.
        options: Options of the export.
        rate_mb_s: Assumed reading speed in MB/s (1e6 bytes).
        on_progress: Called with (footers of local parts read, footers in total).

    Raises:
        InputError: If the rate is not positive, or as the export.
        ArchiveError: As the export, as far as the metadata show it.
    """
    if not rate_mb_s > 0:
        raise InputError(f"rate_mb_s must be above 0 MB/s, found {rate_mb_s:g}")
    check_parents(out)
    plan = inputs.plan(options)
    tiles = plan.first_round
    reading = _reading(inputs.archives, tiles, options, on_progress)
    patches = len(tiles) * patches_per_tile(options)
    shards = len(shards_of(tiles, tiles_per_shard(options)))
    write_bytes = patches * (options.spec.sample_bytes + _METADATA_BYTES) + shards * _FOOTER_BYTES
    free = shutil.disk_usage(next(p for p in out.absolute().parents if p.exists())).free
    return ExportForecast(
        tiles=len(tiles), cells_missing=plan.cells_missing,
        tiles_without_part=len(reading.without_part), shards=shards, patches_at_most=patches,
        gigabytes_to_write_at_most=write_bytes / 1e9, gigabytes_free=free / 1e9,
        fits=write_bytes < free, gigabytes_to_read=reading.num_bytes / 1e9,
        reading_is="counted" if reading.counted else "estimated",
        requests_at_most=reading.requests, rate_mb_s=rate_mb_s,
        hours_to_read=_rounded(reading.num_bytes / 1e6 / rate_mb_s / 3600),
        licences=inputs.licences,
    )  # fmt: skip


def _rounded(value: float) -> float:
    return float(f"{value:.2g}")


@dataclass(kw_only=True)
class _Reading:
    num_bytes: int = 0
    requests: int = 0
    counted: bool = True
    without_part: set[int] = field(default_factory=set)
    """Positions of the tiles whose part is missing."""


def _reading(
    archives: Sequence[Archive], tiles: Sequence[PlannedTile], options: ExportOptions,
    on_progress: OnProgress,
) -> _Reading:  # fmt: skip
    """Count the bytes to read from local parts, by their footers; estimate them for remote ones."""
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
    for done, (path, rows, bands) in enumerate(places, start=1):
        sizes = _sizes(path, [row for _, row in rows], bands)
        found.num_bytes += sum(size or 0 for size in sizes)
        found.without_part |= {n for (n, _), size in zip(rows, sizes, strict=True) if size is None}
        on_progress(done, len(places))
    return found


def _sizes(path: Path, rows: Sequence[int], bands: Sequence[str]) -> list[int | None]:
    """Return the size of the bands in rows of a part, in bytes; None for a missing row."""
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
