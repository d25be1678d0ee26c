"""A run -> the encoder of one sensor alone: what is deployed."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Literal, get_args

from csmoe_model.checkpoints.hub import CARD, CONFIG, WEIGHTS, find_checkpoint
from csmoe_model.checkpoints.weights import Stored, read_model, write_model
from csmoe_model.nn.backbone import SENSORS
from minortom.errors import InputError
from minortom.io.atomic_write import whole_folder
from minortom.io.provenance import Provenance
from minortom.io.up_to_date import is_up_to_date, now, status, write_run_record
from minortom.sensors import SensorName

Sensors = Literal["s2", "s1", "both"]
"""Whose encoder to keep."""

_ENCODER = "backbone."


def export_encoder(
    checkpoint: str | Path, out: Path, *, sensor: Sensors, overwrite: bool = False
) -> dict[str, object]:
    """Write a folder with the encoder of one sensor, or of both without the decoders.

    It is loaded as every other checkpoint, and encodes bit for bit as the whole model does.

    Args:
        checkpoint: As `CSMoE.from_pretrained` takes it.
        out: Folder to write.
        sensor: `s2`, `s1` or `both`.
        overwrite: Whether another export in `out` may be replaced.

    Returns:
        What there is to tell, for people.

    Raises:
        InputError: If there is no checkpoint, or it lacks the sensor.
        OutputExistsError: If `out` is something else.
    """
    started, folder = now(), find_checkpoint(checkpoint)
    whole = read_model(folder)
    provenance = Provenance(
        command="export-encoder", options={"sensor": sensor},
        inputs={"weights": whole.origin.weights_sha256}, licences=whole.origin.licences,
    )  # fmt: skip
    part = _part(whole, sensor, provenance)
    done = is_up_to_date(out, provenance, inputs=[folder], overwrite=overwrite, record=CONFIG)
    if not done:
        with whole_folder(out) as temporary:
            write_model(temporary, part)
        write_run_record(out, started)
    return {
        "status": status(done),
        "out": str(out),
        "sensor": sensor,
        "params": sum(tensor.numel() for tensor in part.tensors.values()),
        "params_of_checkpoint": sum(tensor.numel() for tensor in whole.tensors.values()),
        "files": [WEIGHTS, CONFIG, CARD],
    }


def _part(whole: Stored, sensor: Sensors, provenance: Provenance) -> Stored:
    """Take what the encoder of a sensor needs, and say where it is from."""
    if sensor not in get_args(Sensors):
        raise InputError(f"sensor must be one of {', '.join(get_args(Sensors))}; it is {sensor!r}")
    kept: tuple[SensorName, ...] = SENSORS if sensor == "both" else (sensor,)
    there = whole.encoder_of or SENSORS
    missing = [name for name in kept if name not in there]
    if missing:
        raise InputError(
            f"the checkpoint has no {' or '.join(missing)} path to export; it has "
            f"{', '.join(there)}"
        )
    dropped = tuple(f"{_ENCODER}sensors.{name}." for name in SENSORS if name not in kept)
    tensors = {
        name: tensor for name, tensor in whole.tensors.items()
        if name.startswith(_ENCODER) and not name.startswith(dropped)
    }  # fmt: skip
    origin = replace(
        whole.origin, record=json.loads(provenance.to_json()),
        history=(whole.origin.record, *whole.origin.history), weights_sha256="",
    )  # fmt: skip
    return replace(whole, encoder_of=kept, origin=origin, tensors=tensors)
