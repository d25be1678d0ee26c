"""Options of the commands that divide a scene into tiles."""

from pathlib import Path
from typing import Annotated

import typer

SceneS1 = Annotated[
    Path | None,
    typer.Option(
        help="Scene only: GeoTIFF with Sentinel-1 on the same pixels as SCENE.",
        show_default="none",
    ),
]
Overlap = Annotated[
    float | None,
    typer.Option(
        help="Scene only: part of a tile's side that the next tile covers again, from 0 to "
        "below 1. Only 0 for an extractor without patch tokens.",
        show_default="0.5, or 0 without patch tokens",
    ),
]
TilePx = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="Scene (and points of `embed`): side of a tile, in pixels of the scene.",
        show_default="120, for pixels of 10 m",
    ),
]
