"""``minortom report``: how good a selection is, as a page, pictures and numbers."""

from pathlib import Path
from typing import Annotated

import typer

from minortom_cli.console import Json, Overwrite, Seed, emit, progress, say


def report(
    selection: Annotated[Path, typer.Argument(help="Chosen tiles, from `sample`.")],
    annotated: Annotated[Path, typer.Option(help="The tiles they were chosen from.")],
    out: Annotated[Path, typer.Option(help="Folder for report.html, metrics.json and PNGs.")],
    draws: Annotated[int, typer.Option(min=1, help="Random draws that it is held against.")] = 20,
    seed: Seed = 0,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Measure and map a selection, beside the full set, a random draw and farthest point."""
    from minortom.reporting.report import report_folder

    with progress("sets") as advance:
        found = report_folder(
            selection, annotated, out, draws=draws, seed=seed, overwrite=overwrite,
            on_progress=advance,
        )  # fmt: skip
    say(f"{found['report']}: {found['status']}")
    emit(found if as_json else found["rows"], as_json=as_json)
