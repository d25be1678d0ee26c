"""``minortom report``: the quality of a selection, as a page, pictures and numbers."""

from pathlib import Path
from typing import Annotated

import typer

import minortom
from minortom_cli.console import Json, Overwrite, Seed, emit, progress, say


def report(
    selection: Annotated[Path, typer.Argument(help="Selected tiles, from `sample`.")],
    *,
    annotated: Annotated[Path, typer.Option(help="Tiles that the selection was made from.")],
    out: Annotated[Path, typer.Option(help="Folder for report.html, metrics.json and PNG files.")],
    draws: Annotated[
        int, typer.Option(min=1, help="Random draws that the selection is compared with.")
    ] = 20,
    held_out: Annotated[
        list[str] | None,
        typer.Option(
            help="Raster that the selection did not use, and a name for it, to measure how well "
            "the selection represents it. Repeat the option for several rasters.",
            metavar="NAME=RASTER[:BAND]",
            show_default="none",
        ),
    ] = None,
    held_out_legend: Annotated[
        list[str] | None,
        typer.Option(
            help="Legend of a held-out raster of classes: its name, such as igbp, or a YAML file.",
            metavar="NAME=LEGEND",
            show_default="continuous values",
        ),
    ] = None,
    seed: Seed = 0,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Measure and map a selection, beside the full set, random draws and the other baselines."""
    with progress("sets") as advance:
        result = minortom.report(
            selection, annotated=annotated, out=out, draws=draws, held_out=held_out,
            held_out_legend=held_out_legend, seed=seed, overwrite=overwrite, on_progress=advance,
        )  # fmt: skip
    say(f"{result.report}: {result.status}")
    emit(result, as_json=as_json)
