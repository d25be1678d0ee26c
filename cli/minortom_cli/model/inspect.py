"""The command `csmoe inspect`."""

from pathlib import Path
from typing import Annotated

import typer

from minortom_cli.console import Json, Overwrite, Workers, emit, progress
from minortom_cli.model.checkpoint_argument import Checkpoint


def inspect(
    checkpoint: Checkpoint,
    shards: Annotated[Path, typer.Argument(help="Folder of shards, from `minortom export`.")],
    *,
    out: Annotated[Path, typer.Option(help="HTML file to write.")],
    samples: Annotated[
        int, typer.Option(min=1, help="Patches to count in the tables, evenly over the shards.")
    ] = 1000,
    patches: Annotated[
        int, typer.Option(min=0, help="Patches to draw maps of, from each stratum in turn.")
    ] = 6,
    workers: Workers = None,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Show which tokens each expert reads, and its use by sensor, climate and land cover."""
    # Imported here so that `csmoe --help` does not load torch.
    from csmoe_model.analysis.inspect import inspect as run

    with progress("patches") as on_progress:
        result = run(
            checkpoint, shards, out=out, samples=samples, patches=patches, workers=workers,
            overwrite=overwrite, on_progress=on_progress,
        )  # fmt: skip
    emit(result, as_json=as_json)
