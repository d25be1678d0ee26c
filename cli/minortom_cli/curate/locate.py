"""``minortom locate``: points -> the cells that hold them."""

from pathlib import Path
from typing import Annotated

import typer

from minortom.errors import InputError
from minortom_cli.console import Json, Overwrite, emit


def locate(
    lat: Annotated[float | None, typer.Option(help="Latitude, degrees.")] = None,
    lon: Annotated[float | None, typer.Option(help="Longitude, degrees, -180 to 180.")] = None,
    points: Annotated[
        Path | None,
        typer.Option(help="CSV or Parquet file with columns lat and lon, instead of one point."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="CSV or .parquet file for the points; without it, CSV on stdout."),
    ] = None,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Name the cell that holds a point; or add the column grid_cell to a table of points."""
    from minortom.grid.point_cells import locate_point, located_csv, located_rows, write_located

    if points is None and lat is not None and lon is not None and out is None:
        cell = locate_point(lon, lat)
        emit(cell if as_json else {key: str(value) for key, value in cell.items()}, as_json=as_json)
        return
    if points is None or lat is not None or lon is not None:
        raise InputError("wanted --lat and --lon, or --points FILE; --out goes with --points")
    if out is not None:
        emit(write_located(points, out, overwrite=overwrite), as_json=as_json)
    elif as_json:
        emit(located_rows(points), as_json=True)
    else:
        typer.echo(located_csv(points), nl=False)
