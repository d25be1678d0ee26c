"""Files of a head beside the weights of its encoder: `head.safetensors` and `head.json`."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, get_args

import torch
from torch import Tensor, nn

from csmoe_model.checkpoints.hub import CARD
from csmoe_model.checkpoints.weights import write_tensors
from csmoe_model.choices import Pooling
from csmoe_model.csmoe import CSMoE
from csmoe_model.datasets.base import Task
from csmoe_model.finetuning.network import FineTuned
from csmoe_model.nn.backbone import SENSORS
from csmoe_model.probing.dense_heads import UPerNet
from minortom.errors import InputError
from minortom.io.atomic_write import write_json, write_text
from minortom.io.markdown import markdown_text
from minortom.io.parse import parse_json
from minortom.io.schema import list_of, record, text
from minortom.sensors import SensorName

HEAD = "head.safetensors"
RECORD = "head.json"

_RECORD = record(
    task=text, classes=list_of(text), sensors=list_of(text), pooling=text,
)  # fmt: skip

_CARD = """
## Head

`{head}` holds a head that was trained together with the encoder: {kind} for the {count} classes
{classes}.

```
csmoe predict FOLDER images/ --out predictions.parquet
```
"""


@dataclass(frozen=True, kw_only=True)
class HeadRecord:
    """Description of a head."""

    task: Task
    classes: tuple[str, ...]
    sensors: tuple[SensorName, ...]
    """Sensors whose images the head needs, all together."""
    pooling: Pooling
    """Feature that a linear layer takes; without effect for segmentation."""

    @property
    def is_dense(self) -> bool:
        """Return whether the head classifies pixels."""
        return self.task == "segmentation"

    @property
    def name(self) -> str:
        """Return the name of the kind of head."""
        return "UPerNet" if self.is_dense else "linear layer"

    def width(self, encoder_width: int) -> int:
        """Return the length of the feature that the head takes; of a pixel for segmentation."""
        if self.is_dense:
            return encoder_width
        return encoder_width * len(self.sensors) * (2 if self.pooling == "both" else 1)

    def head(self, encoder_width: int) -> nn.Module:
        """Return a head with random weights from torch's global generator.

        Raises:
            InputError: If it is for segmentation, and TerraTorch is not installed.
        """
        if self.is_dense:
            seed = int(torch.randint(2**31, ()))
            return UPerNet(encoder_width, len(self.classes), seed=seed)
        return nn.Linear(self.width(encoder_width), len(self.classes))


def write_head(folder: Path, network: FineTuned, head: HeadRecord) -> None:
    """Write the files of a head into the folder of its encoder, and name it in the card."""
    write_tensors(folder, network.head.state_dict(), name=HEAD)
    write_json(folder / RECORD, asdict(head))
    card = folder / CARD
    names = ", ".join(markdown_text(name) for name in head.classes)
    section = _CARD.format(
        head=HEAD, kind=f"{'' if head.is_dense else 'a '}{head.name}",
        count=len(head.classes), classes=names,
    )  # fmt: skip
    write_text(card, card.read_text(encoding="utf-8") + section)


def read_head(folder: Path) -> HeadRecord:
    """Read the description of the head of a checkpoint.

    Raises:
        InputError: If the checkpoint has no head, or the file is damaged.
    """
    file = folder / RECORD
    if not file.is_file():
        raise InputError(
            f"expected a checkpoint with a head, found no {RECORD} in {folder}; make one with "
            "`csmoe finetune`"
        )
    try:
        found: dict[str, Any] = parse_json(file.read_text(encoding="utf-8"))
        _RECORD(found, "")
        sensors = tuple(name for name in SENSORS if name in found["sensors"])
        if found["task"] not in get_args(Task) or found["pooling"] not in get_args(Pooling):
            raise ValueError(f"unknown task {found['task']} or pooling {found['pooling']}")
        if not sensors or len(sensors) != len(found["sensors"]):
            raise ValueError(f"sensors are {found['sensors']}")
        return HeadRecord(
            task=found["task"], classes=tuple(found["classes"]), sensors=sensors,
            pooling=found["pooling"],
        )  # fmt: skip
    except (OSError, ValueError) as error:
        raise InputError(
            f"{file} is damaged ({error}); copy the folder of the checkpoint again"
        ) from None


def load_network(folder: Path, encoder: CSMoE) -> tuple[FineTuned, HeadRecord]:
    """Load the head of a checkpoint and put it on its encoder, in evaluation mode.

    Raises:
        InputError: If the checkpoint has no head, a file is damaged, or the head does not fit.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    record = read_head(folder)
    missing = [sensor for sensor in record.sensors if sensor not in encoder.sensors]
    if missing:
        raise InputError(
            f"{folder / RECORD} needs an encoder of {', '.join(missing)}, found encoders of "
            f"{', '.join(encoder.sensors)}; copy the folder of the checkpoint again"
        )
    with torch.random.fork_rng(devices=[]):
        head = record.head(encoder.config.width)
    try:
        weights = load_file(folder / HEAD)
        _check_classes(folder, head, weights, record)
        head.load_state_dict(weights)
    except (OSError, SafetensorError, RuntimeError) as error:
        raise InputError(
            f"{folder / HEAD} does not hold the head of {RECORD} "
            f"({' '.join(str(error).split())[:200]}); copy the folder of the checkpoint again"
        ) from None
    network = FineTuned(encoder, head, sensors=record.sensors, pooling=record.pooling)
    return network.to(next(encoder.parameters()).device).eval(), record


def _check_classes(
    folder: Path, head: nn.Module, weights: Mapping[str, Tensor], record: HeadRecord
) -> None:
    """Check that the weights of a linear head have a row for each class."""
    if isinstance(head, nn.Linear) and "weight" in weights:
        rows = len(weights["weight"])
        if rows != len(record.classes):
            raise InputError(
                f"{folder / HEAD} must be a head for the {len(record.classes)} classes of "
                f"{RECORD}, found {rows}; copy the folder of the checkpoint again"
            )
