"""``minortom cells``: an area -> the cells that it overlaps."""

from pathlib import Path
from typing import Annotated

import typer

from minortom_cli.console import Box, Json, Overwrite, RegionFile, emit, emit_lines


def cells(
    region: RegionFile = None,
    bbox: Box = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="File for the cells: with their outlines as .parquet, as .csv, or a name a line; "
            "without it the names go to stdout."
        ),
    ] = None,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """List the cells whose area overlaps a region, a box, or both where both are given."""
    from minortom.grid.area_cells import cells_of_area, write_cells_of_area
    from minortom.grid.regions import Region

    if out is not None:
        summary = write_cells_of_area(out, region_path=region, bbox=bbox, overwrite=overwrite)
        emit(summary.as_dict(), as_json=as_json)
        return
    found = cells_of_area(region=Region.read(region) if region else None, bbox=bbox)
    emit_lines(found.names().tolist(), as_json=as_json)
