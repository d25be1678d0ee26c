"""``minortom.export``: a selection and two archives to shards of patches."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal

from minortom.api.arguments import flag, number, one_of, path_of, shown, whole_number
from minortom.api.choices import Engine
from minortom.api.results import Result
from minortom.engine.executors import EngineOptions, opened_executor
from minortom.errors import InputError, UsageError
from minortom.extraction.forecast import ExportForecast, forecast
from minortom.extraction.inputs import ExportInputs
from minortom.extraction.job import ExportJob
from minortom.extraction.options import (
    DEFAULT_RATE_MB_S,
    ExportOptions,
    Missing,
    Origin,
    Resampling,
)
from minortom.extraction.plan import tiles_per_shard
from minortom.io.artefact import artefact
from minortom.io.parse import parse_json
from minortom.io.up_to_date import status
from minortom.io.work_folder import delete_work_folder, work_folder
from minortom.progress import OnProgress, ignore_progress
from minortom.shards.codec import check_codec
from minortom.shards.formats import Codec, Format
from minortom.shards.layout import DATASET_FILE


@dataclass(frozen=True, kw_only=True)
class ExportResult(Result):
    """Counts of an export: what it wrote and what it left out."""

    out: Path
    status: str
    """``written`` or ``up to date``."""
    patches: int
    splits: dict[str, int]
    """Patches by split."""
    shards: int
    megabytes: float
    """Size of all shards."""
    tiles: int
    """Tiles with at least one valid patch."""
    cells_missing: int
    """Selected cells for which an archive has no tile."""
    tiles_replaced: dict[str, int]
    """Tiles that a reserve replaced, by reason: ``missing``, ``unreadable`` or ``no valid patch``.
    A reserve that is itself replaced counts too."""
    tiles_not_replaced: int
    """Selected tiles that gave no patch and were not replaced."""
    tiles_without_valid_patch: int
    patches_dropped: int
    """Patches of readable tiles with more invalid pixels than allowed."""
    patches_cloudy: int
    """Other patches with more cloud than allowed."""
    patches_filled: int
    """Patches with invalid pixels that were filled."""
    tiles_warped: int
    """Tiles whose Sentinel-1 was on another grid and has been resampled."""
    tiles_of_unknown_baseline: int
    """Tiles whose product name has no processing baseline; nothing was subtracted from them."""
    tiles_of_doubtful_offset: list[str]
    """Cells whose values contradict the offset that was subtracted."""
    tiles_unreadable: dict[str, str]
    """Cells whose tile could not be read, and why."""


def export(
    selection: str | Path,
    *,
    s2: str | Path,
    s1: str | Path,
    out: str | Path,
    missing: Literal["error", "skip"] = "error",
    patch_size: int = ExportOptions.patch_px,
    stride: int | None = None,
    origin: Literal["center", "topleft"] = "center",
    bands: str | Sequence[str] | None = None,
    max_invalid: float = ExportOptions.max_invalid,
    max_cloud: float | None = None,
    resampling: Literal["nearest", "bilinear"] = "nearest",
    strict_grid: bool = False,
    codec: Literal["none", "blosc2"] = "none",
    format: Literal["parquet", "webdataset"] = "parquet",  # noqa: A002  (the option's name)
    columns: str | Sequence[str] | None = None,
    dry_run: bool = False,
    rate_mb_s: float | None = None,
    seed: int = 0,
    workers: int | None = None,
    engine: Engine = "local",
    scheduler: str | None = None,
    overwrite: bool = False,
    on_progress: OnProgress = ignore_progress,
) -> ExportResult | ExportForecast:
    """Cut the selected tiles of two archives into shards of Sentinel-2 and Sentinel-1 patches.

    Reserves in the selection replace tiles that are missing, unreadable or without a valid patch.
    Where the selection names products, those are used; otherwise the tiles of both sensors are
    paired here. An interrupted export resumes from ``<out>.partial`` when it is called again with
    the same arguments.

    Example:
        >>> result = minortom.export("sel.parquet", s2="Core-S2L2A", s1="Core-S1RTC", out="shards")
        >>> result.patches, result.splits
        (12288, {'train': 11072, 'val': 1216})

    Args:
        selection: Output of ``minortom.sample``.
        s2: Sentinel-2 archive, such as Core-S2L2A, in Major TOM's layout: a folder, an ``http(s)``
            address, or ``hf://datasets/OWNER/NAME``.
        s1: Sentinel-1 archive, such as Core-S1RTC, as for ``s2``.
        out: Folder to write; ``<out>.run.json`` beside it is the run record.
        missing: What to do about selected cells for which an archive has no tile and no reserve is
            left: fail (``error``) or leave them out (``skip``).
        patch_size: Side of a patch in 10 m pixels; even.
        stride: Distance from one patch to the next in 10 m pixels; even. ``patch_size`` when None;
            smaller values overlap, larger ones leave gaps.
        origin: Where patches lie in a tile: in the middle, or from its north-west corner.
        bands: Bands to store, some of each sensor, as a list or as text (``"B02,B03,vv"``); all
            twelve when None.
        max_invalid: Maximum share of a sensor's values in a patch, in percent, that were not
            measured; they are filled.
        max_cloud: Maximum cloud cover of a patch by the archive's ``cloud_mask``, in percent; no
            limit when None.
        resampling: Resampling of Sentinel-1 that lies on another grid than Sentinel-2.
        strict_grid: Do not resample Sentinel-1; tiles on another grid count as unreadable.
        codec: Compression of each tensor. ``blosc2`` is smaller and slower to read.
        format: File format of the shards. ``webdataset`` writes tars, which this package does not
            read.
        columns: Columns of the selection that become metadata columns of the shards, as a list or
            as text (``"elevation,ecoregion"``): numbers and classes.
        dry_run: Write nothing; return a forecast of what would be read and written.
        rate_mb_s: Reading speed that the forecast assumes, in MB/s (1e6 bytes); 100 when None. Only
            with ``dry_run``.
        seed: Seed of the order of the patches, and of the split where the selection has none.
        workers: Processes; all cores when None. With a scheduler, the number of workers to wait
            for.
        engine: Where the work is done; the shards do not depend on it. Workers of a Dask cluster
            must see the folder above ``out``.
        scheduler: Address of a running Dask scheduler; only with the engine ``dask``.
        overwrite: Replace shards, or unfinished work, of other inputs or options.
        on_progress: Called with (tiles done, tiles in total).

    Returns:
        Counts of patches and tiles; with ``dry_run`` the forecast.

    Raises:
        UsageError: If ``rate_mb_s`` is given without ``dry_run``.
        InputError: If an argument is invalid, the file is not a selection, or no patch is in the
            split ``train``.
        ArchiveError: If an archive is not in Major TOM's layout, has no tile for a selected cell,
            or gives no valid patch.
        RemoteError: If a download fails. The same call resumes.
        OutputExistsError: If ``out`` or ``<out>.partial`` has other inputs or options.
    """
    options = ExportOptions(
        missing=Missing(one_of("missing", missing, list(Missing))),
        patch_px=whole_number("patch_size", patch_size, minimum=2),
        stride_px=None if stride is None else whole_number("stride", stride, minimum=2),
        origin=Origin(one_of("origin", origin, list(Origin))),
        bands=_names("bands", bands, example="B02,B03,B04"),
        max_invalid=number("max_invalid", max_invalid),
        max_cloud=None if max_cloud is None else number("max_cloud", max_cloud),
        resampling=Resampling(one_of("resampling", resampling, list(Resampling))),
        strict_grid=flag("strict_grid", strict_grid),
        codec=Codec(one_of("codec", codec, list(Codec))),
        format=Format(one_of("format", format, list(Format))),
        seed=whole_number("seed", seed, minimum=0),
    )
    if workers is not None:
        workers = whole_number("workers", workers, minimum=1)
    where = EngineOptions(engine=engine, scheduler=scheduler, workers=workers)
    target, dry_run = path_of("out", out), flag("dry_run", dry_run)
    if rate_mb_s is not None and not dry_run:
        raise UsageError("rate_mb_s (--rate-mb-s) needs dry_run (--dry-run)")
    path_of("s2", s2), path_of("s1", s1)  # addresses stay text
    names = _names("columns", columns, example="elevation,ecoregion") or ()
    inputs = ExportInputs.open(path_of("selection", selection), s2, s1, columns=names)
    options = replace(options, columns=inputs.tiles.further)
    if dry_run:
        rate = DEFAULT_RATE_MB_S if rate_mb_s is None else number("rate_mb_s", rate_mb_s)
        return forecast(inputs, target, options=options, rate_mb_s=rate, on_progress=on_progress)
    return write_export(
        inputs, target, options=options, engine=where, overwrite=overwrite, on_progress=on_progress
    )


def write_export(
    inputs: ExportInputs,
    out: Path,
    *,
    options: ExportOptions,
    engine: EngineOptions,
    overwrite: bool = False,
    on_progress: OnProgress = ignore_progress,
) -> ExportResult:
    """Write the shards of opened inputs; see `export`.

    Finished shards are collected in ``<out>.partial``, which becomes ``out`` at the end.
    """
    provenance = inputs.provenance(options)
    work = work_folder(out.absolute())  # workers of a cluster have another working directory
    with artefact(
        out, provenance, inputs=inputs.local_paths, overwrite=overwrite, record=DATASET_FILE,
        is_whole=lambda: _is_whole(out), in_place=True,
    ) as made:  # fmt: skip
        if made.up_to_date:
            delete_work_folder(work, provenance)  # killed after the shards were in place
        else:
            job = ExportJob(
                work=work, archives=inputs.archives, options=options, provenance=provenance,
                plan=inputs.plan(options),
            )  # fmt: skip
            _run(job, out, engine, overwrite=overwrite, on_progress=on_progress)
            places = {archive.sensor: archive.place for archive in inputs.archives}  # no secrets
            made.run_details.update(asdict(engine) | places)
    return _result(out, up_to_date=made.up_to_date)


def _run(
    job: ExportJob, out: Path, engine: EngineOptions, *, overwrite: bool, on_progress: OnProgress
) -> None:
    # Too many patches a tile, a missing package and a missing scheduler are errors before anything
    # is written.
    tiles_per_shard(job.options)
    check_codec(job.options.codec)
    try:
        with opened_executor(engine) as executor:
            job.open_work_folder(overwrite=overwrite)
            job.write_shards(executor, on_progress)
    except OSError as error:
        raise InputError(
            f"cannot write to {job.work}: {error.strerror or error}; solve this, then run the "
            "same command again to resume"
        ) from None
    job.finish(out)


def _names(
    option: str, value: str | Sequence[str] | None, *, example: str
) -> tuple[str, ...] | None:
    """Return names, as a list or as text with commas, as a tuple; None stays None."""
    if value is None:
        return None
    names = value.split(",") if isinstance(value, str) else value
    if not isinstance(names, Sequence) or not all(isinstance(name, str) for name in names):
        raise InputError(
            f"{option} must be names of {option}, such as {example}, found {shown(value)}"
        )
    return tuple(name.strip() for name in names)


def _result(out: Path, *, up_to_date: bool) -> ExportResult:
    """Return the counts that the record of a finished export holds."""
    record = parse_json((out / DATASET_FILE).read_text(encoding="utf-8"))
    tally, entries = record["export"], record["shards"]
    replaced = dict(Counter(entry["reason"] for entry in record.get("replaced", [])))
    unusable = tally["tiles_without_valid_patch"] + len(tally["tiles_unreadable"])
    return ExportResult(
        out=out,
        status=status(up_to_date),
        splits=record["splits"],
        shards=len(entries),
        megabytes=round(sum(entry["bytes"] for entry in entries) / 1e6, 1),
        cells_missing=record["cells_missing"],
        tiles_replaced=replaced,
        tiles_not_replaced=record["cells_missing"] + unusable - sum(replaced.values()),
        **tally,
    )


def _is_whole(out: Path) -> bool:
    """Check that the record of an export can be read and that all its shards exist.

    Otherwise the export is made again, which replaces nothing of value.
    """
    try:
        _result(out, up_to_date=True)
        shards = parse_json((out / DATASET_FILE).read_text(encoding="utf-8"))["shards"]
        return all((out / entry["file"]).is_file() for entry in shards)
    except (ValueError, LookupError, TypeError, AttributeError):
        return False
