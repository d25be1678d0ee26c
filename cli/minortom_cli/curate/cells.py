"""``minortom cells``: the cells that overlap an area."""

from pathlib import Path
from typing import Annotated

import typer

from minortom_cli.console import Box, Json, Overwrite, RegionFile, RegionLayer, emit


def cells(
    *,
    region: RegionFile = None,
    region_layer: RegionLayer = None,
    bbox: Box = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Output file: GeoParquet with outlines (.parquet), CSV with centres (.csv), or "
            "text with one name per line (any other suffix).",
            show_default="names on stdout",
        ),
    ] = None,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """List the cells of the grid that overlap a region, a box, or both if both are given."""
    from minortom.grid.area_cells import cells as list_cells

    emit(
        list_cells(
            region=region, region_layer=region_layer, bbox=bbox, out=out, overwrite=overwrite
        ),
        as_json=as_json,
    )
