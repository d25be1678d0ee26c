"""`csmoe export`: write the encoder of one sensor, or of both without the decoders."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import get_args

from csmoe_model.checkpoints.card_usage import GRAPH_FILES
from csmoe_model.checkpoints.hub import CARD, CONFIG, find_checkpoint
from csmoe_model.checkpoints.weight_files import WEIGHTS
from csmoe_model.checkpoints.weights import Origin, StoredModel, read_model, write_model
from csmoe_model.choices import ExportFormat, SensorChoice, sensors_of
from csmoe_model.inference.export_graph import check_graph_packages, write_graph
from csmoe_model.nn.backbone import SENSORS
from minortom.api.arguments import one_of, path_of
from minortom.api.results import Result
from minortom.errors import InputError
from minortom.io.artefact import artefact
from minortom.io.provenance import Provenance
from minortom.io.up_to_date import now
from minortom.sensors import SensorName

_ENCODER = "backbone."


@dataclass(frozen=True, kw_only=True)
class ExportResult(Result):
    """Result of `csmoe export`."""

    status: str
    """`written`, or `up to date`."""
    out: Path
    """Folder of the encoder."""
    sensor: str
    params: int
    """Parameters of the encoder."""
    params_of_checkpoint: int
    files: tuple[str, ...]
    """Names of the files in `out`."""


def export(
    checkpoint: str | Path,
    *,
    out: str | Path,
    sensor: SensorChoice,
    format: ExportFormat = "safetensors",  # noqa: A002  # named as the option
    overwrite: bool = False,
) -> ExportResult:
    """Write the encoder of one sensor, to deploy or to share.

    In the format `safetensors` it loads as every other checkpoint does, and its vectors equal
    those of the whole model bit for bit. A graph needs neither this package nor, as ONNX, torch.
    It takes measured pixels of the model's image size, any number of images.

    Args:
        checkpoint: Folder of a run, folder of a model, or a repository of the hub (`user/name`).
        out: Folder for the encoder and its card.
        sensor: Sensor to keep: `s2`, `s1`, or `both`, which removes only the decoders.
        format: `safetensors`; or a graph of one sensor, `onnx` or `torch-export`.
        overwrite: Whether to replace an output that was made otherwise.

    Raises:
        InputError: If the checkpoint does not exist or has no encoder of the sensor, the format is
            for one sensor only, or its packages are not installed.
        OutputExistsError: If `out` was made from something else.
    """
    out = path_of("out", out)
    one_of("sensor", sensor, get_args(SensorChoice))
    one_of("format", format, get_args(ExportFormat))
    if format != "safetensors":
        check_graph_packages(format)
        if sensor == "both":
            raise InputError(f"--format {format} is for one sensor, found both; give s2 or s1")
    started, folder = now(), find_checkpoint(checkpoint)
    whole = read_model(folder)
    part = encoder_part(whole, sensors_of(sensor))
    graph = {} if format == "safetensors" else {"format": format}
    provenance = Provenance(
        command="export-encoder", options={"sensor": sensor, **graph},
        inputs={"weights": whole.origin.weights_sha256}, licences=whole.origin.licences,
    )  # fmt: skip
    part = replace(part, origin=made_from(whole, provenance))
    with artefact(
        out, provenance, inputs=[folder], overwrite=overwrite, record=CONFIG, started=started
    ) as made:
        if not made.up_to_date:
            _write(made.path, part, format)
    return ExportResult(
        status=made.status, out=out, sensor=sensor,
        params=sum(tensor.numel() for tensor in part.tensors.values()),
        params_of_checkpoint=sum(tensor.numel() for tensor in whole.tensors.values()),
        files=(WEIGHTS if format == "safetensors" else GRAPH_FILES[format], CONFIG, CARD),
    )  # fmt: skip


def _write(folder: Path, part: StoredModel, form: ExportFormat) -> None:
    if form == "safetensors":
        write_model(folder, part)
        return
    (sensor,) = part.encoder_of or ()
    write_graph(folder, part, sensor=sensor, form=form)


def encoder_part(whole: StoredModel, kept: Sequence[SensorName]) -> StoredModel:
    """Return the encoder of some sensors without the rest; its provenance is that of the whole.

    Raises:
        InputError: If the model has no encoder of a sensor.
    """
    existing = whole.encoder_of or SENSORS
    missing = [name for name in kept if name not in existing]
    if missing:
        raise InputError(
            f"expected a checkpoint with an encoder of {' and '.join(missing)}, found encoders "
            f"of {', '.join(existing)}; give another --sensor"
        )
    gone = [name for name in SENSORS if name not in kept]
    dropped = tuple(f"{_ENCODER}sensors.{name}." for name in gone)
    vectors = tuple(f".condition_vectors.{name}" for name in gone)
    tensors = {
        name: tensor for name, tensor in whole.tensors.items()
        if name.startswith(_ENCODER) and not name.startswith(dropped) and not name.endswith(vectors)
    }  # fmt: skip
    return replace(whole, encoder_of=tuple(kept), tensors=tensors)


def made_from(whole: StoredModel, provenance: Provenance) -> Origin:
    """Return the origin of weights that a command makes from a model, which goes to the history."""
    return replace(
        whole.origin, record=provenance.as_dict(),
        history=(whole.origin.record, *whole.origin.history), weights_sha256="",
    )  # fmt: skip
