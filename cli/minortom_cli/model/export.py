"""The command `csmoe export`."""

from pathlib import Path
from typing import Annotated

import typer

from csmoe_model.choices import ExportFormat, SensorChoice
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
    format: Annotated[  # noqa: A002  # named as the option
        ExportFormat,
        typer.Option(
            help="File format: `safetensors` for this package; `onnx` or `torch-export` for a "
            "graph of one sensor for other runtimes."
        ),
    ] = "safetensors",
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Write the encoder of one sensor, to deploy or to share."""
    # Imported here so that `csmoe --help` does not load torch.
    from csmoe_model.inference.export_encoder import export as run

    result = run(checkpoint, out=out, sensor=sensor, format=format, overwrite=overwrite)
    emit(result, as_json=as_json)
