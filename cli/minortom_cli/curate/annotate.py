"""``minortom annotate``: tiles with climate, land cover and stratum."""

from pathlib import Path
from typing import Annotated

import typer

from minortom.api.choices import MapMode, MissingCells, VariableMode
from minortom.grid.bbox import BBox
from minortom_cli.console import (
    Engine,
    Json,
    Overwrite,
    RegionLayer,
    Scheduler,
    Workers,
    emit,
    parse_bbox,
    progress,
)
from minortom_cli.help_text.option_panels import panel

_map_option = panel("Maps")
_table_option = panel("Tables of cells")
_number_option = panel("Numbers")
_archive_option = panel("Archives")


def annotate(
    cells: Annotated[
        list[str] | None,
        typer.Argument(
            help="Text file with one cell name per line, Parquet or CSV file with a grid_cell "
            "column, or the word grid for the whole 10 km grid. Several lists are merged, each "
            "cell once. With archives, only cells in both are used.",
            show_default="all cells of the archives",
        ),
    ] = None,
    *,
    climate: Annotated[str, _map_option("Climate map: a raster, or the NAME of a data set.")],
    landcover: Annotated[
        str, _map_option("Land-cover map: a raster, a folder of tiles, or the NAME of a data set.")
    ],
    out: Annotated[Path, typer.Option(help="GeoParquet file for the annotated tiles.")],
    s2: Annotated[
        str | None,
        _archive_option(
            "Sentinel-2 archive: a folder, http(s)://… or hf://datasets/OWNER/NAME.",
            default="none",
        ),
    ] = None,
    s1: Annotated[
        str | None, _archive_option("Sentinel-1 archive, such as Core-S1RTC.", default="none")
    ] = None,
    max_cloud: Annotated[
        float | None,
        _archive_option("Maximum cloud cover of Sentinel-2, in percent.", default="no limit"),
    ] = None,
    max_nodata: Annotated[
        float | None,
        _archive_option(
            "Maximum share of nodata pixels in either product, in percent.", default="no limit"
        ),
    ] = None,
    max_dt: Annotated[
        float | None,
        _archive_option("Maximum number of days between the two products.", default="no limit"),
    ] = None,
    same_crs: Annotated[
        bool,
        _archive_option("Require one coordinate system for both products.", names=("--same-crs",)),
    ] = False,
    since: Annotated[
        str | None,
        _archive_option(
            "First day or time of Sentinel-2 in UTC, such as 2020-12-31 or 2020-12-31T10:00.",
            default="no limit",
        ),
    ] = None,
    until: Annotated[
        str | None,
        _archive_option("Last day or time of Sentinel-2 in UTC.", default="no limit"),
    ] = None,
    require_known: Annotated[
        bool,
        _archive_option(
            "Remove rows without a value that a rule needs.", names=("--require-known",)
        ),
    ] = False,
    bbox: Annotated[
        BBox | None,
        typer.Option(
            parser=parse_bbox,
            metavar="W,S,E,N",
            help="Keep cells whose centre lies in this box, in degrees. W > E crosses the "
            "antimeridian.",
            show_default="no box",
        ),
    ] = None,
    region: Annotated[
        Path | None,
        typer.Option(
            help="Keep cells that overlap the polygons of this vector file, in any CRS.",
            show_default="no region",
        ),
    ] = None,
    region_layer: RegionLayer = None,
    climate_legend: Annotated[
        str | None,
        _map_option("Legend of a climate raster: its NAME, or a YAML file.", default="koppen"),
    ] = None,
    landcover_legend: Annotated[
        str | None,
        _map_option(
            "Legend of a land-cover raster: worldcover, igbp, dynamic-world, esri-lulc, cci-lc, "
            "corine, nlcd, or a YAML file.",
            default="worldcover",
        ),
    ] = None,
    climate_mode: Annotated[
        MapMode,
        _map_option("Climate of a cell, in the modes of --landcover-mode."),
    ] = "center",
    landcover_mode: Annotated[
        MapMode,
        _map_option(
            "Land cover of a cell: class of the pixel at its centre (center), most frequent class "
            "(majority), or most frequent class and share of each class (fractions)."
        ),
    ] = "center",
    landcover_resolution: Annotated[
        float,
        _map_option("Largest pixel to count for majority and fractions, in metres, in every map."),
    ] = 40.0,
    descriptor: Annotated[
        list[str] | None,
        _map_option(
            "Additional map and the name of its column. Repeat the option for several maps.",
            metavar="NAME=MAP",
            default="none",
        ),
    ] = None,
    manifest: Annotated[
        list[Path] | None,
        _map_option(
            "Manifest of an additional map, or its legend, in the order of --descriptor.",
            default="the manifest NAME",
        ),
    ] = None,
    descriptor_mode: Annotated[
        list[str] | None,
        _map_option(
            "Mode of an additional map, as for --landcover-mode. Repeat the option for several.",
            metavar="NAME=MODE",
            default="center",
        ),
    ] = None,
    keep_unmapped: Annotated[
        bool, _map_option("Keep tiles without a class, as `unmapped`.", names=("--keep-unmapped",))
    ] = False,
    table: Annotated[
        list[str] | None,
        _table_option(
            "Table of cells, Parquet or CSV, with a column grid_cell or id: a path, http(s)://… or "
            "hf://datasets/OWNER/NAME/FILE. COLUMNS are separated by commas; all columns without "
            "them. Text becomes classes, numbers stay numbers. Repeat the option for several.",
            metavar="FILE[:COLUMNS]",
            default="none",
        ),
    ] = None,
    class_column: Annotated[
        list[str] | None,
        _table_option(
            "Column of a table whose whole numbers are names of classes. Repeat the option for "
            "several.",
            metavar="NAME",
            default="none",
        ),
    ] = None,
    table_missing: Annotated[
        MissingCells,
        _table_option(
            "Keep cells that a table lacks, without a value and as `unmapped` (unmapped), or drop "
            "them (drop)."
        ),
    ] = "unmapped",
    variable: Annotated[
        list[str] | None,
        _number_option(
            "Continuous raster and the name of its column of numbers. Repeat the option for "
            "several rasters or bands.",
            metavar="NAME=RASTER[:BAND]",
            default="none",
        ),
    ] = None,
    variable_mode: Annotated[
        VariableMode,
        _number_option(
            "Value of a cell in the rasters of --variable: the pixel at its centre (center), or "
            "the mean over the cell, weighted by area (mean)."
        ),
    ] = "center",
    bins: Annotated[
        list[str] | None,
        _number_option(
            "Divide a column of numbers into classes by ascending edges, such as "
            "elevation=0,500,1500, or into N quantiles of the tiles, such as rain=quantiles:5. "
            "The column of classes is NAME_bin.",
            metavar="NAME=EDGES|quantiles:N",
            default="none",
        ),
    ] = None,
    engine: Engine = "local",
    scheduler: Scheduler = None,
    workers: Workers = None,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Look up climate and land cover of each cell; drop cells without a class in either map."""
    from minortom.annotation.annotate import annotate as look_up

    with progress("look-ups") as advance:
        result = look_up(
            cells, climate=climate, landcover=landcover, out=out, s2=s2, s1=s1,
            max_cloud=max_cloud, max_nodata=max_nodata, max_dt=max_dt, same_crs=same_crs,
            since=since, until=until, require_known=require_known, bbox=bbox, region=region,
            region_layer=region_layer,
            climate_legend=climate_legend, landcover_legend=landcover_legend,
            climate_mode=climate_mode, landcover_mode=landcover_mode,
            landcover_resolution=landcover_resolution, descriptor=descriptor, manifest=manifest,
            descriptor_mode=descriptor_mode, keep_unmapped=keep_unmapped,
            table=table, class_column=class_column, table_missing=table_missing,
            variable=variable, variable_mode=variable_mode, bins=bins,
            engine=engine, scheduler=scheduler, workers=workers, overwrite=overwrite,
            on_progress=advance,
            on_fetch=lambda done, total: advance(done, total, "bytes downloaded"),
        )  # fmt: skip
    emit(result, as_json=as_json)
