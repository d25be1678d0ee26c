"""Parts of a model's card that differ between a checkpoint and a graph for other runtimes."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from csmoe_model.choices import GraphFormat
from csmoe_model.data.preprocess import UNITS
from minortom.sensors import MODEL_BANDS, SensorName


@dataclass(frozen=True, kw_only=True)
class Usage:
    """Texts of a card about its use."""

    code: str
    """Packages to install, and an example in Python."""
    images: str
    """Requirements on the images: units, bands, grid."""
    resize: str
    """How to resize images as in training."""
    file: str
    """Name of the file of weights."""


GRAPH_FILES: dict[GraphFormat, str] = {"onnx": "encoder.onnx", "torch-export": "encoder.pt2"}
"""Name of the file of each format of graphs."""

_CHECKPOINT = """\
With minortom and its extra `train` installed:

```python
from csmoe_model.csmoe import CSMoE

model = CSMoE.from_pretrained({name})
{code}
```"""

_CHECKPOINT_IMAGES = """\
`prepare` takes NumPy arrays or tensors and normalises them with the statistics of the training
data. Bands are selected by name and may be in any order. All bands must be on one 10 m grid;
resample the 20 m bands of Sentinel-2 by nearest neighbour."""

_ONNX = """\
With onnxruntime, without minortom and torch:

```python
import onnxruntime

session = onnxruntime.InferenceSession("encoder.onnx")
{comment}
# vectors [batch, width], tokens of the patches [batch, patches, width]
vectors, tokens = session.run(None, {{"{sensor}": {sensor}}})
```"""

_PT2 = """\
With torch, without minortom:

```python
import torch

encoder = torch.export.load("encoder.pt2").module()
{comment}
# vectors [batch, width], tokens of the patches [batch, patches, width]
vectors, tokens = encoder({sensor})
```"""

_GRAPH_IMAGES = """\
The graph takes measured values in float32, any number of images of {size} × {size} pixels, and
normalises them itself with the statistics of the training data. Bands are in the order of the
table, all on one 10 m grid; resample the 20 m bands of Sentinel-2 by nearest neighbour. All pixels
must be finite."""


def checkpoint_usage(name: str, sensors: Sequence[SensorName], *, image_size: int) -> Usage:
    """Return the texts for a checkpoint.

    Args:
        name: Argument of `from_pretrained` in the example.
        sensors: Sensors that the model encodes.
        image_size: Side of the images in training (pixels).
    """
    lines = [_comment(sensor, "height, width") for sensor in sensors]
    given = ", ".join(f"{sensor}={sensor}" for sensor in sensors)
    lines += [
        f"images = model.prepare({given})",
        "vectors = model.encode(**images)  # by sensor, [batch, width]",
    ]
    lines += [f'maps_{s} = model.features({s}=images["{s}"], layers=(-1,))' for s in sensors]
    quoted = json.dumps(name, ensure_ascii=False)
    return Usage(
        code=_CHECKPOINT.format(name=quoted, code="\n".join(lines)),
        images=_CHECKPOINT_IMAGES,
        resize=f"`prepare(…, image_size={image_size})` resizes your images in the\nsame way.",
        file="model.safetensors",
    )


def graph_usage(form: GraphFormat, sensor: SensorName, *, image_size: int) -> Usage:
    """Return the texts for a graph of one sensor's encoder."""
    template = _ONNX if form == "onnx" else _PT2
    comment = _comment(sensor, f"{image_size}, {image_size}")
    return Usage(
        code=template.format(comment=comment, sensor=sensor),
        images=_GRAPH_IMAGES.format(size=image_size),
        resize="resize yours in\nthe same way: bilinear, with antialiasing where they shrink.",
        file=GRAPH_FILES[form],
    )


def _comment(sensor: SensorName, size: str) -> str:
    """Return the line of code that says what the images of a sensor are."""
    bands = MODEL_BANDS[sensor]
    return f"# {sensor}: [batch, {len(bands)}, {size}], {UNITS[sensor][0]}; bands {' '.join(bands)}"
