"""``minortom show``: a page with patches of a data set."""

from pathlib import Path
from typing import Annotated

import typer

from minortom_cli.console import Json, Overwrite, Seed, emit, progress


def show(
    shards: Annotated[Path, typer.Argument(help="Folder of shards, from `minortom export`.")],
    *,
    out: Annotated[Path, typer.Option(help="HTML file to write.")],
    patches: Annotated[int, typer.Option(min=1, help="Number of random patches.")] = 24,
    seed: Seed = 0,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Draw random patches of both sensors, and a tile with its dropped patches, on one page."""
    # Imported here so that `minortom --help` does not load pyarrow.
    from minortom.dataset.gallery import show as run

    with progress("patches") as advance:
        result = run(
            shards, out=out, patches=patches, seed=seed, overwrite=overwrite, on_progress=advance
        )
    emit(result, as_json=as_json)
