"""`minortom export`: chosen tiles to shards of patches."""

from pathlib import Path
from typing import Annotated

import typer

from minortom.extraction.options import (
    DEFAULT_RATE_MB_S,
    ExportOptions,
    Missing,
    Origin,
    Resampling,
)
from minortom.shards.formats import Codec, Format
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
    selection: Annotated[Path, typer.Argument(help="Chosen tiles, from `minortom sample`.")],
    s2: Annotated[
        str, typer.Option(help="Sentinel-2, as Core-S2L2A: a folder, http(s):// or hf://datasets/…")
    ],
    s1: Annotated[str, typer.Option(help="Sentinel-1, as Core-S1RTC: the same.")],
    out: Annotated[Path, typer.Option(help="Folder of shards to make.")],
    missing: Annotated[
        Missing,
        typer.Option(help="Of selected cells that an archive lacks and no reserve replaces."),
    ] = ExportOptions.missing,
    patch_size: Annotated[
        int, typer.Option(min=2, help="Side of a patch in 10 m pixels, even.")
    ] = ExportOptions.patch_px,
    stride: Annotated[
        int | None,
        typer.Option(
            metavar="PX",
            help="From a patch to the next in 10 m pixels, even: less than --patch-size overlaps, "
            "more leaves gaps. Default: --patch-size.",
        ),
    ] = None,
    origin: Annotated[
        Origin, typer.Option(help="Patches in the middle of a tile, or from its north-west corner.")
    ] = ExportOptions.origin,
    bands: Annotated[
        str | None,
        typer.Option(metavar="B02,…,vv", help="Store these bands alone, some of each sensor."),
    ] = None,
    max_invalid: Annotated[
        float,
        typer.Option(
            metavar="SHARE",
            help="Of a sensor's values in a patch, that may not have been measured; they are "
            "filled, and s2_invalid and s1_invalid tell their share.",
        ),
    ] = ExportOptions.max_invalid,
    max_cloud: Annotated[
        float | None,
        typer.Option(metavar="PERCENT", help="Of a patch, by the archive's cloud_mask."),
    ] = None,
    resampling: Annotated[
        Resampling, typer.Option(help="Of Sentinel-1 that lies on another grid.")
    ] = ExportOptions.resampling,
    strict_grid: Annotated[
        bool, typer.Option("--strict-grid", help="Refuse tiles whose Sentinel-1 lies on another.")
    ] = False,
    codec: Annotated[
        Codec,
        typer.Option(help="Packs each tensor: `blosc2` is smaller to publish, slower to read."),
    ] = ExportOptions.codec,
    format_: Annotated[
        Format,
        typer.Option(
            "--format",
            help="Of the shards: `webdataset` makes tars, which csmoe-train cannot read.",
        ),
    ] = ExportOptions.format,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what it would read, write and take.")
    ] = False,
    rate_mb_s: Annotated[
        float | None,
        typer.Option(
            "--rate-mb-s", help="Speed of reading that --dry-run reckons with; 100 MB/s by default."
        ),
    ] = None,
    seed: Seed = 0,
    workers: Workers = None,
    engine: Engine = "local",
    scheduler: Scheduler = None,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Cut the chosen tiles into pairs of Sentinel-2 and Sentinel-1 patches, ready to train on.

    Reserves in the selection stand in for tiles that turn out unusable. An export that was
    interrupted goes on where it stopped.
    """
    options = ExportOptions(
        missing=missing, patch_px=patch_size, stride_px=stride, origin=origin,
        bands=None if bands is None else tuple(band.strip() for band in bands.split(",")),
        max_invalid=max_invalid, max_cloud=max_cloud, resampling=resampling,
        strict_grid=strict_grid, codec=codec, format=format_, seed=seed,
    )  # fmt: skip
    from minortom.engine.executors import EngineOptions

    where = EngineOptions(engine=engine, scheduler=scheduler, workers=workers)
    if dry_run:
        from minortom.extraction.forecast import forecast_export

        with progress("parts") as advance:
            forecast = forecast_export(
                selection, s2, s1, out, options=options,
                rate_mb_s=DEFAULT_RATE_MB_S if rate_mb_s is None else rate_mb_s,
                on_progress=advance,
            )  # fmt: skip
        emit(forecast.as_dict(), as_json=as_json)
        return
    if rate_mb_s is not None:
        raise typer.BadParameter("--rate-mb-s goes with --dry-run")
    # Imported here so that `minortom --help` does not load rasterio.
    from minortom.extraction.export import export_selection

    with progress("tiles") as advance:
        summary = export_selection(
            selection, s2, s1, out, options=options, overwrite=overwrite, on_progress=advance,
            engine=where,
        )  # fmt: skip
    emit(summary.as_dict(), as_json=as_json)
