"""``minortom annotate``: cells or archives, and maps -> one row a tile with its stratum."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from minortom.grid.bbox import BBox
from minortom_cli.console import (
    Engine,
    Json,
    Overwrite,
    Scheduler,
    Workers,
    emit,
    parse_bbox,
    progress,
)


def _of_maps(text: str, *names: str, metavar: str | None = None) -> typer.models.OptionInfo:
    """Describe an option about maps; ``names`` where it is a flag without an opposite."""
    option: typer.models.OptionInfo = typer.Option(
        *names, help=text, metavar=metavar, rich_help_panel="Maps"
    )
    return option


def _of_archives(text: str, *names: str) -> typer.models.OptionInfo:
    """Describe an option about archives and their products; ``names`` as above."""
    option: typer.models.OptionInfo = typer.Option(*names, help=text, rich_help_panel="Archives")
    return option


def annotate(
    climate: Annotated[str, _of_maps("Climate classes: a raster, or the NAME of a manifest.")],
    landcover: Annotated[
        str, _of_maps("Land-cover classes: a raster, a folder of tiles, or a NAME.")
    ],
    out: Annotated[Path, typer.Option(help="GeoParquet file for the annotated tiles.")],
    cells: Annotated[
        list[str] | None,
        typer.Argument(
            help="Text file with a cell name a line, Parquet or CSV file with a grid_cell column, "
            "or the word grid for the whole 10 km grid. Several are merged, each cell once. With "
            "archives: only these of their cells.",
        ),
    ] = None,
    s2: Annotated[
        str | None, _of_archives("Sentinel-2: a folder, http(s)://… or hf://datasets/OWNER/NAME.")
    ] = None,
    s1: Annotated[str | None, _of_archives("Sentinel-1, as Core-S1RTC.")] = None,
    max_cloud: Annotated[float | None, _of_archives("Most cloud of Sentinel-2, per cent.")] = None,
    max_nodata: Annotated[float | None, _of_archives("Most nodata of either, 0 to 1.")] = None,
    max_dt: Annotated[float | None, _of_archives("Most days between the two.")] = None,
    same_crs: Annotated[
        bool, _of_archives("Only pairs in one coordinate system.", "--same-crs")
    ] = False,
    since: Annotated[str | None, _of_archives("First day, or moment, of Sentinel-2, UTC.")] = None,
    until: Annotated[str | None, _of_archives("Last day, or moment, of Sentinel-2, UTC.")] = None,
    require_known: Annotated[
        bool,
        _of_archives(
            "A value that a rule needs and the archive lacks removes the row.", "--require-known"
        ),
    ] = False,
    bbox: Annotated[
        BBox | None,
        typer.Option(
            parser=parse_bbox,
            metavar="W,S,E,N",
            help="Keep cells whose centre lies in this box, degrees; W > E: across the "
            "antimeridian.",
        ),
    ] = None,
    region: Annotated[
        Path | None, typer.Option(help="Keep cells that overlap this area: any vector file.")
    ] = None,
    climate_legend: Annotated[
        str | None, _of_maps("What a climate raster's values mean (koppen).")
    ] = None,
    landcover_legend: Annotated[
        str | None, _of_maps("What a land-cover raster's values mean: worldcover or igbp.")
    ] = None,
    landcover_mode: Annotated[
        Literal["center", "majority", "fractions"],
        _of_maps("The pixel at the cell's centre; most of the cell; or each class's share too."),
    ] = "center",
    landcover_resolution: Annotated[
        float, _of_maps("Pixels to count for majority and fractions, metres.")
    ] = 40.0,
    descriptor: Annotated[
        list[str] | None,
        _of_maps("A further map and its column; may be repeated.", metavar="NAME=MAP"),
    ] = None,
    manifest: Annotated[
        list[Path] | None, _of_maps("What that map's values mean, in the order of --descriptor.")
    ] = None,
    keep_unmapped: Annotated[
        bool, _of_maps("Keep tiles without a class, as `unmapped`.", "--keep-unmapped")
    ] = False,
    engine: Engine = "local",
    scheduler: Scheduler = None,
    workers: Workers = None,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Look up climate and land cover of each cell; drop cells without either."""
    from minortom.annotation.annotate import annotate_file
    from minortom.annotation.columns import LandcoverOptions
    from minortom.annotation.options import AnnotateOptions, Maps, Sources, further_maps
    from minortom.archive.pair_rules import PairRules, parse_time
    from minortom.downloads.open_map import MapChoice
    from minortom.engine.executors import EngineOptions
    from minortom.grid.regions import Region

    rules = PairRules(
        max_cloud=max_cloud, max_nodata=max_nodata, max_dt_days=max_dt, same_crs=same_crs,
        since=None if since is None else parse_time("--since", since),
        until=None if until is None else parse_time("--until", until), require_known=require_known,
    )  # fmt: skip
    maps = Maps(
        climate=MapChoice(map=climate, legend=climate_legend),
        landcover=MapChoice(map=landcover, legend=landcover_legend),
        further=further_maps(descriptor or [], manifest or []),
    )
    options = AnnotateOptions(
        bbox=bbox, region=Region.read(region) if region else None, rules=rules,
        keep_unmapped=keep_unmapped,
        landcover=LandcoverOptions(mode=landcover_mode, resolution_m=landcover_resolution),
    )  # fmt: skip
    with progress("look-ups") as advance:
        summary = annotate_file(
            Sources(cells=cells or [], s2=s2, s1=s1), maps, out, options=options,
            engine=EngineOptions(engine=engine, scheduler=scheduler, workers=workers),
            overwrite=overwrite, on_progress=advance,
            on_fetch=lambda done, total: advance(done, total, "bytes fetched"),
        )  # fmt: skip
    emit(summary, as_json=as_json)
