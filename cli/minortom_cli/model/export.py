"""The command `csmoe export`."""

from pathlib import Path
from typing import Annotated

import typer

from csmoe_model.choices import SensorChoice
from minortom_cli.console import Json, Overwrite, emit
from minortom_cli.model.checkpoint_argument import Checkpoint


def export(
    checkpoint: Checkpoint,
    *,
    out: Annotated[Path, typer.Option(help="Folder for the encoder and its card.")],
    sensor: Annotated[
        SensorChoice,
        typer.Option(
            help="Sensor to keep; `both` keeps both encoders and removes only the decoders."
        ),
    ],
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Write the encoder of one sensor, to deploy or to share."""
    # Imported here so that `csmoe --help` does not load torch.
    from csmoe_model.inference.export_encoder import export as run

    emit(run(checkpoint, out=out, sensor=sensor, overwrite=overwrite), as_json=as_json)
