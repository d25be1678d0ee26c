"""``minortom locate``: the cells that contain points."""

from pathlib import Path
from typing import Annotated

import typer

from minortom_cli.console import Json, Overwrite, emit


def locate(
    *,
    lat: Annotated[
        float | None,
        typer.Option(help="Latitude of a point in degrees, -90 to 90.", show_default="none"),
    ] = None,
    lon: Annotated[
        float | None,
        typer.Option(help="Longitude of a point in degrees, -180 to 180.", show_default="none"),
    ] = None,
    points: Annotated[
        Path | None,
        typer.Option(
            help="CSV or Parquet file with the columns lat and lon in degrees, instead of a point.",
            show_default="none",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Output file for the points: Parquet (.parquet) or CSV (any other suffix).",
            show_default="CSV on stdout",
        ),
    ] = None,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Find the cell that contains a point, or add the column grid_cell to a table of points."""
    from minortom.grid.point_cells import locate as find_cells

    result = find_cells(lat=lat, lon=lon, points=points, out=out, overwrite=overwrite)
    emit(result, as_json=as_json)
