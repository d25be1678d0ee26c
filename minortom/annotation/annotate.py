"""Public function of ``minortom annotate``."""

from collections.abc import Sequence
from datetime import date
from pathlib import Path

import pyarrow as pa

from minortom.annotation.further_inputs import parse_further
from minortom.annotation.job import AnnotateJob
from minortom.annotation.modes import Modes, modes_of_descriptors
from minortom.annotation.options import AnnotateOptions, Maps, Sources, further_maps
from minortom.annotation.result import AnnotateResult
from minortom.annotation.table_choice import tables_of
from minortom.api.arguments import flag, number, path_of, several, whole_number
from minortom.api.choices import Engine, MapMode, MissingCells, VariableMode
from minortom.archive.pair_rules import PairRules, Time, parse_time
from minortom.downloads.open_map import MapChoice
from minortom.engine.executors import EngineOptions
from minortom.errors import InputError
from minortom.grid.bbox import BBoxLike, as_bbox
from minortom.grid.cell_lists import cell_sources
from minortom.grid.regions import region_of
from minortom.progress import OnProgress, ignore_progress


def annotate(
    cells: str | Path | pa.Table | Sequence[str | Path | pa.Table] | None = None,
    *,
    climate: str | Path,
    landcover: str | Path,
    out: str | Path | None = None,
    s2: str | Path | None = None,
    s1: str | Path | None = None,
    max_cloud: float | None = None,
    max_nodata: float | None = None,
    max_dt: float | None = None,
    same_crs: bool = False,
    since: str | Time | None = None,
    until: str | Time | None = None,
    require_known: bool = False,
    bbox: BBoxLike | None = None,
    region: str | Path | None = None,
    region_layer: str | None = None,
    climate_legend: str | Path | None = None,
    landcover_legend: str | Path | None = None,
    climate_mode: MapMode = "center",
    landcover_mode: MapMode = "center",
    landcover_resolution: float = 40.0,
    descriptor: str | Sequence[str] | None = None,
    manifest: str | Path | Sequence[str | Path] | None = None,
    descriptor_mode: str | Sequence[str] | None = None,
    keep_unmapped: bool = False,
    table: str | Path | Sequence[str | Path] | None = None,
    class_column: str | Sequence[str] | None = None,
    table_missing: MissingCells = "unmapped",
    variable: str | Sequence[str] | None = None,
    variable_mode: VariableMode = "center",
    bins: str | Sequence[str] | None = None,
    engine: Engine = "local",
    scheduler: str | None = None,
    workers: int | None = None,
    overwrite: bool = False,
    on_progress: OnProgress = ignore_progress,
    on_fetch: OnProgress = ignore_progress,
) -> AnnotateResult:
    """Look up climate and land cover of each cell; drop cells without a class in either map.

    The rows are in spatial order: near cells are in near rows.

    Example:
        ``annotate("grid", climate="koppen.tif", landcover="worldcover", bbox=(5, 45, 15, 50))``

    Args:
        cells: Text file with one cell name per line, Parquet or CSV file with the column
            ``grid_cell``, the word ``grid`` for the whole 10 km grid, a table in memory with the
            column ``grid_cell`` (``pyarrow.Table`` or data frame), or a list of these. Each cell
            is used once. A string is never the name of a cell: put names into a table,
            ``pyarrow.table({"grid_cell": names})``. With archives, only cells in both are used.
        climate: Climate map: a raster, or the NAME of a data set.
        landcover: Land-cover map: a raster, a folder of tiles, or the NAME of a data set.
        out: GeoParquet file to write. Nothing is written when None.
        s2: Sentinel-2 archive: a folder, ``http(s)://…`` or ``hf://datasets/OWNER/NAME``.
        s1: Sentinel-1 archive, such as Core-S1RTC.
        max_cloud: Maximum cloud cover of Sentinel-2, in percent.
        max_nodata: Maximum share of nodata pixels in either product, in percent.
        max_dt: Maximum number of days between the two products.
        same_crs: Whether both products must have the same coordinate system.
        since: First day or time of Sentinel-2, in UTC unless it has a time zone: ISO 8601 text,
            ``date`` or ``datetime``.
        until: Last day or time of Sentinel-2, in the same form.
        require_known: Whether a row without a value that a rule needs is removed.
        bbox: Keep cells whose centre lies in this box, in degrees: ``"W,S,E,N"``, four numbers
            or a ``BBox``.
        region: Keep cells that overlap the polygons of this vector file.
        region_layer: Layer of the region, for a file with several layers of polygons.
        climate_legend: Legend of a climate raster: its name, or the path of a YAML file;
            ``koppen`` when None.
        landcover_legend: Legend of a land-cover raster, in the same form; ``worldcover`` when
            None.
        climate_mode: ``center`` takes the pixel at the cell's centre, ``majority`` the class of
            most pixels of the cell, ``fractions`` adds the share of each class.
        landcover_mode: The same for land cover.
        landcover_resolution: Largest pixel to count for ``majority`` and ``fractions``, in
            metres, in every map.
        descriptor: Additional maps, each as ``NAME=MAP`` with the name of its column.
        manifest: Manifests of the additional maps, or files with their legends alone, in the
            order of ``descriptor``.
        descriptor_mode: Modes of additional maps, each as ``NAME=MODE``; ``center`` for others.
        keep_unmapped: Whether tiles without a class are kept, as ``unmapped``.
        table: Tables of cells, each as ``FILE`` or ``FILE:COLUMNS``: Parquet or CSV with the column
            ``grid_cell``, or ``id`` of the Major TOM index; a path, ``http(s)://…`` or
            ``hf://datasets/OWNER/NAME/FILE``. Text and booleans become classes, numbers stay
            numbers.
        class_column: Columns of tables whose whole numbers are names of classes.
        table_missing: What to do with cells that a table lacks: ``unmapped`` keeps them without a
            value, ``drop`` drops them.
        variable: Continuous rasters, each as ``NAME=RASTER`` or ``NAME=RASTER:BAND`` with the
            name of its column of numbers; a tile without a value has a null.
        variable_mode: ``center`` takes the pixel at the cell's centre, ``mean`` the mean of the
            cell, weighted by area.
        bins: Columns of numbers to divide into classes, each as ``NAME=EDGE,EDGE,…`` or
            ``NAME=quantiles:N``; the column of classes is ``NAME_bin``.
        engine: Where maps in many tiles are read: processes on this machine, or a Dask cluster.
        scheduler: Address of a running Dask scheduler.
        workers: Number of processes; all cores when None.
        overwrite: Whether to replace an output with another provenance.
        on_progress: Called with (look-ups done, look-ups in all).
        on_fetch: Called with (bytes done, bytes in all) while metadata or a map are downloaded.

    Returns:
        The counts that the command prints; ``table`` and ``to_geopandas()`` give the annotated
        tiles, with the same columns and metadata as the file.

    Raises:
        InputError: If a source, a map, a table or a region is unusable, an argument has another
            type, or no tile is left.
        ArchiveError: If an archive cannot be read.
        RemoteError: If a download fails.
        OutputExistsError: If ``out`` has another provenance and ``overwrite`` is false.
    """
    rules = PairRules(
        max_cloud=_number("max_cloud", max_cloud), max_nodata=_number("max_nodata", max_nodata),
        max_dt_days=_number("max_dt", max_dt), same_crs=flag("same_crs", same_crs),
        since=_time("since", since), until=_time("until", until),
        require_known=flag("require_known", require_known),
    )  # fmt: skip
    maps = Maps(
        climate=MapChoice(map=_text("climate", climate), legend=climate_legend),
        landcover=MapChoice(map=_text("landcover", landcover), legend=landcover_legend),
        further=further_maps(
            [
                _text("descriptor", text)
                for text in several("descriptor", descriptor, expected="NAME=MAP")
            ],
            [
                path_of("manifest", path)
                for path in several("manifest", manifest, expected="a path (str or Path)")
            ],
        ),
    )
    options = AnnotateOptions(
        bbox=as_bbox(bbox),
        region=region_of(region, region_layer),
        rules=rules,
        keep_unmapped=flag("keep_unmapped", keep_unmapped),
        modes=Modes(
            climate=climate_mode,
            landcover=landcover_mode,
            further=modes_of_descriptors(
                [
                    _text("descriptor_mode", text)
                    for text in several("descriptor_mode", descriptor_mode, expected="NAME=MODE")
                ],
                list(maps.further),
            ),
            resolution_m=number("landcover_resolution", landcover_resolution),
        ),
    )
    job = AnnotateJob(
        sources=Sources(cells=cell_sources(cells), s2=_place("s2", s2), s1=_place("s1", s1)),
        maps=maps,
        options=options,
        tables=tables_of(
            [
                _text("table", text)
                for text in several("table", table, expected="FILE or FILE:COLUMNS")
            ],
            class_columns=[
                _text("class_column", text)
                for text in several("class_column", class_column, expected="the name of a column")
            ],
            missing=table_missing,
        ),
        further=parse_further(
            several("variable", variable, expected="NAME=RASTER[:BAND]"),
            variable_mode,
            several("bins", bins, expected="NAME=EDGES or NAME=quantiles:N"),
        ),
        engine=EngineOptions(
            engine=engine,
            scheduler=scheduler,
            workers=None if workers is None else whole_number("workers", workers, minimum=1),
        ),
    )
    return job.run(
        None if out is None else path_of("out", out),
        overwrite=overwrite, on_fetch=on_fetch, on_progress=on_progress,
    )  # fmt: skip


def _text(name: str, value: object) -> str:
    """Return a path, a name or an address as text."""
    return value if isinstance(value, str) else str(path_of(name, value))


def _place(name: str, value: object) -> str | None:
    return None if value is None else _text(name, value)


def _number(name: str, value: object) -> float | None:
    return None if value is None else number(name, value)


def _time(name: str, value: object) -> Time | None:
    if value is None or isinstance(value, date):  # a datetime is a date
        return value
    if isinstance(value, str):
        return parse_time(f"--{name}", value)
    raise InputError(f"{name} must be ISO 8601 text, a date or a datetime, found {value!r}")
