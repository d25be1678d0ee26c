"""Values of options with a few choices. Light: the command line reads them for `--help`."""

from typing import Literal

from minortom.sensors import MODEL_BANDS, SensorName

SensorChoice = Literal["s2", "s1", "both"]
"""Sentinel-2, Sentinel-1, or both."""

BOTH: Literal["both"] = "both"
"""Name of the vector of both sensors."""

GraphFormat = Literal["onnx", "torch-export"]
"""Graph of an encoder for other runtimes: onnxruntime, or torch without this package."""

ExportFormat = Literal["safetensors", "onnx", "torch-export"]
"""Format of an exported encoder: weights for this package, or a graph."""

Pooling = Literal["cls", "mean", "both"]
"""`cls`: the [CLS] vector; `mean`: the mean of the patch tokens; `both`: the two concatenated."""

ClassWeights = Literal["none", "balanced"]
"""Weights of the classes in the loss of fine-tuning."""

Protocol = Literal["standard", "paper"]
"""Protocol of a probe: ours, or that of the paper."""

IndexKind = Literal["exact", "ivf"]
"""`exact` compares all vectors; `ivf` (inverted file) those of the cells nearest to the query."""

ArchName = Literal["convnextv2-atto", "convnextv2-femto", "convnextv2-pico", "convnextv2-nano"]
"""Architecture of a specialist: a size of ConvNeXt V2."""

MemberChoice = Literal["greedy", "all"]
"""Members of an ensemble: selected one after the other by labels, or all that are given."""

Criterion = Literal["reap", "usage", "norm", "ablation", "greedy"]
"""Score by which `csmoe prune` removes experts."""


def sensors_of(choice: SensorChoice) -> tuple[SensorName, ...]:
    """Return the sensors of a choice, in the order of the model."""
    return tuple(name for name in MODEL_BANDS if choice in (name, BOTH))
