"""The path of one sensor: its steps in order, which can be run from any of them.

Axes, as name suffixes:
    B  images in a batch    C  bands    H W  pixel rows and columns
    T  tokens of an image: [CLS] and its patches    D  token width
"""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from csmoe_model.csmoe import CSMoE
from csmoe_model.kept_experts import SHARED
from csmoe_model.nn.encoder import RoutedBlock, Trunk
from csmoe_model.nn.layers import patchify
from minortom.sensors import SensorName


@dataclass(frozen=True, kw_only=True)
class Step:
    """Encoder layer, or the LayerNorm at the end of some layers."""

    layer: str
    """Name of the layer, such as `s2.0`; empty for a norm."""
    module: nn.Module

    def __call__(self, x_BTD: Tensor) -> Tensor:
        """Return the tokens after the step."""
        return apply(self.module, x_BTD)


def path_of(model: CSMoE, sensor: SensorName) -> list[Step]:
    """Return the steps from the embedded tokens of a sensor to the encoded ones."""
    own, shared = model.backbone.encoder_of(sensor).trunk, model.backbone.shared.trunk
    return [*_steps(own, model.config.layers(sensor)), *_steps(shared, model.config.layers(SHARED))]


def embedded(model: CSMoE, sensor: SensorName, image_BCHW: Tensor) -> Tensor:
    """Return the tokens [B, T, D] that the first step reads."""
    size = model.config.patch_size
    grid = (image_BCHW.shape[2] // size, image_BCHW.shape[3] // size)
    return model.backbone.encoder_of(sensor).embedded(patchify(image_BCHW, size), grid)


def apply(module: nn.Module, x_BTD: Tensor) -> Tensor:
    """Return the tokens after a layer or a norm, without the routing."""
    out = module(x_BTD)
    tokens: Tensor = out[0] if isinstance(module, RoutedBlock) else out
    return tokens


def run(steps: Sequence[Step], x_BTD: Tensor) -> Tensor:
    """Return the tokens after several steps."""
    for step in steps:
        x_BTD = step(x_BTD)
    return x_BTD


def _steps(trunk: Trunk, layers: Sequence[str]) -> list[Step]:
    blocks = zip(layers, trunk.blocks, strict=True)
    steps = [Step(layer=layer, module=block) for layer, block in blocks]
    return [*steps, Step(layer="", module=trunk.norm)]
