"""``csmoe embed``: the vectors of patches."""

from pathlib import Path
from typing import Annotated

import typer

from minortom_cli.checkpoint_argument import Checkpoint
from minortom_cli.console import Json, Overwrite, Workers, emit, progress


def embed(
    checkpoint: Checkpoint,
    shards: Annotated[Path, typer.Argument(help="Folder of shards, from `minortom export`.")],
    out: Annotated[Path, typer.Option(help="GeoParquet file for the vectors.")],
    neighbours: Annotated[
        Path | None, typer.Option(help="PNG of some patches with their nearest neighbours.")
    ] = None,
    workers: Workers = None,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Encode every patch: a vector for Sentinel-2, for Sentinel-1, and for both."""
    # Imported here so that `csmoe --help` does not load torch.
    from csmoe_model import embed as embedding

    with progress("patches") as on_progress:
        summary = embedding.embed(
            checkpoint, shards, out, neighbours=neighbours, overwrite=overwrite,
            workers=workers, on_progress=on_progress,
        )  # fmt: skip
    emit(summary, as_json=as_json)
