"""``minortom annotate``: cells and two maps -> one row a tile with its stratum."""

from pathlib import Path
from typing import Annotated

import typer

from minortom.bbox import BBox
from minortom.errors import InputError
from minortom_cli.console import Json, Overwrite, emit, progress


def _bbox(text: str) -> BBox:
    try:
        return BBox.parse(text)
    except InputError as error:
        raise typer.BadParameter(str(error)) from None


def annotate(
    cells: Annotated[
        list[str],
        typer.Argument(
            help="Text file with a cell name a line, Parquet or CSV file with a grid_cell column, "
            "or the word grid for the whole 10 km grid. Several are merged, each cell once.",
        ),
    ],
    climate: Annotated[Path, typer.Option(help="Raster of climate classes, any CRS.")],
    landcover: Annotated[Path, typer.Option(help="Raster of land-cover classes, any CRS.")],
    out: Annotated[Path, typer.Option(help="GeoParquet file for the annotated tiles.")],
    climate_legend: Annotated[
        str, typer.Option(help="What the climate map's values mean.")
    ] = "koppen",
    landcover_legend: Annotated[
        str, typer.Option(help="What the land-cover map's values mean: worldcover or igbp.")
    ] = "worldcover",
    bbox: Annotated[
        BBox | None,
        typer.Option(
            parser=_bbox,
            metavar="W,S,E,N",
            help="Keep cells whose centre lies in this box, degrees; W > E: across the "
            "antimeridian.",
        ),
    ] = None,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Look up climate and land cover at the centre of each cell; drop cells without either."""
    from minortom.annotate import annotate_file

    with progress("look-ups") as advance:
        summary = annotate_file(
            cells, climate, landcover, out, climate_legend=climate_legend,
            landcover_legend=landcover_legend, bbox=bbox, overwrite=overwrite,
            on_progress=advance,
        )  # fmt: skip
    emit(summary.as_dict(), as_json=as_json)
