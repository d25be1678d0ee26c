"""``minortom export``: selected tiles to shards of patches."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from minortom.extraction.options import ExportOptions
from minortom_cli.console import (
    Engine,
    Json,
    Overwrite,
    Scheduler,
    Seed,
    Workers,
    emit,
    progress,
)


def export(
    selection: Annotated[Path, typer.Argument(help="Selected tiles, from `minortom sample`.")],
    *,
    s2: Annotated[
        str,
        typer.Option(
            help="Sentinel-2 archive, such as Core-S2L2A: folder, http(s):// or hf:// address."
        ),
    ],
    s1: Annotated[
        str,
        typer.Option(
            help="Sentinel-1 archive, such as Core-S1RTC: folder, http(s):// or hf:// address."
        ),
    ],
    out: Annotated[Path, typer.Option(help="Output folder for the shards.")],
    missing: Annotated[
        Literal["error", "skip"],
        typer.Option(
            help="What to do about selected cells without a tile in an archive and without a "
            "reserve: fail, or leave them out."
        ),
    ] = "error",
    patch_size: Annotated[
        int, typer.Option(min=2, help="Side of a patch in 10 m pixels; even.")
    ] = ExportOptions.patch_px,
    stride: Annotated[
        int | None,
        typer.Option(
            metavar="PX",
            help="Distance from one patch to the next in 10 m pixels; even. Smaller than "
            "--patch-size: patches overlap. Larger: gaps between patches.",
            show_default="--patch-size",
        ),
    ] = None,
    origin: Annotated[
        Literal["center", "topleft"],
        typer.Option(
            help="Position of the patches: in the middle of a tile, or from its north-west corner."
        ),
    ] = "center",
    bands: Annotated[
        str | None,
        typer.Option(
            metavar="B02,…,vv",
            help="Bands to store, separated by commas; at least one of each sensor.",
            show_default="all twelve",
        ),
    ] = None,
    max_invalid: Annotated[
        float,
        typer.Option(
            metavar="PERCENT",
            help="Maximum share of a sensor's values in a patch, in percent, that were not "
            "measured. They are filled; s2_invalid and s1_invalid store their share.",
        ),
    ] = ExportOptions.max_invalid,
    max_cloud: Annotated[
        float | None,
        typer.Option(
            metavar="PERCENT",
            help="Maximum cloud cover of a patch, in percent, by the archive's cloud_mask.",
            show_default="no limit",
        ),
    ] = None,
    resampling: Annotated[
        Literal["nearest", "bilinear"],
        typer.Option(help="Resampling of Sentinel-1 that lies on another grid than Sentinel-2."),
    ] = "nearest",
    strict_grid: Annotated[
        bool,
        typer.Option("--strict-grid", help="Skip tiles whose Sentinel-1 lies on another grid."),
    ] = False,
    codec: Annotated[
        Literal["none", "blosc2"],
        typer.Option(help="Compression of each tensor; `blosc2` is smaller and slower to read."),
    ] = "none",
    format: Annotated[  # noqa: A002  (the option's name)
        Literal["parquet", "webdataset"],
        typer.Option(
            help="File format of the shards; `webdataset` writes tars, which csmoe-train cannot "
            "read."
        ),
    ] = "parquet",
    columns: Annotated[
        str | None,
        typer.Option(
            metavar="NAME,…",
            help="Columns of the selection that become metadata columns of the shards, separated "
            "by commas: numbers and classes.",
            show_default="none",
        ),
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run", help="Write nothing; print what the export would read and write."
        ),
    ] = False,
    rate_mb_s: Annotated[
        float | None,
        typer.Option(
            "--rate-mb-s", help="Reading speed that --dry-run assumes, in MB/s.", show_default="100"
        ),
    ] = None,
    seed: Seed = 0,
    workers: Workers = None,
    engine: Engine = "local",
    scheduler: Scheduler = None,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Cut the selected tiles into pairs of Sentinel-2 and Sentinel-1 patches for training.

    Reserves in the selection replace tiles that turn out unusable. An interrupted export resumes
    when the same command is run again.
    """
    # Imported here so that `minortom --help` does not load rasterio.
    from minortom.extraction.export import export as run

    with progress("parts" if dry_run else "tiles") as advance:
        result = run(
            selection, s2=s2, s1=s1, out=out, missing=missing, patch_size=patch_size,
            stride=stride, origin=origin, bands=bands, max_invalid=max_invalid,
            max_cloud=max_cloud, resampling=resampling, strict_grid=strict_grid, codec=codec,
            format=format, columns=columns, dry_run=dry_run, rate_mb_s=rate_mb_s, seed=seed,
            workers=workers,
            engine=engine, scheduler=scheduler, overwrite=overwrite, on_progress=advance,
        )  # fmt: skip
    emit(result, as_json=as_json)
