"""``csmoe export``: one sensor's path alone."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from minortom_cli.console import Json, Overwrite, emit
from minortom_cli.model.checkpoint_argument import Checkpoint


def export(
    checkpoint: Checkpoint,
    out: Annotated[Path, typer.Option(help="Folder for the encoder, with its card.")],
    sensor: Annotated[
        Literal["s2", "s1", "both"], typer.Option(help="Whose encoder; both: without decoders.")
    ],
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Write the encoder of one sensor alone, to deploy or to share."""
    # Imported here so that `csmoe --help` does not load torch.
    from csmoe_model.inference.export_encoder import export_encoder

    emit(export_encoder(checkpoint, out, sensor=sensor, overwrite=overwrite), as_json=as_json)
