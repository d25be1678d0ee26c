"""The path of one sensor: its steps in order, which can be run from any of them.

Axes, as name suffixes:
    B  images in a batch    C  bands    H W  pixel rows and columns
    T  tokens of an image: [CLS] and its patches    D  token width
"""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from csmoe_model.csmoe import CSMoE
from csmoe_model.experts.kept_experts import SHARED
from csmoe_model.nn.encoder import RoutedBlock, Trunk
from csmoe_model.nn.layers import patchify
from minortom.sensors import SensorName


@dataclass(frozen=True, kw_only=True)
class Step:
    """Encoder layer, or the LayerNorm at the end of some layers."""

    layer: str
    """Name of the layer, such as `s2.0`; empty for a norm."""
    module: nn.Module
    sensor: SensorName
    """Sensor of the path: the condition of conditioned layers, for whole images."""

    def __call__(self, x_BTD: Tensor) -> Tensor:
        """Return the tokens after the step."""
        if not isinstance(self.module, RoutedBlock):
            plain: Tensor = self.module(x_BTD)
            return plain
        routed: Tensor = self.module(x_BTD, [(self.sensor, "whole")])[0]
        return routed


def path_of(model: CSMoE, sensor: SensorName) -> list[Step]:
    """Return the steps from the embedded tokens of a sensor to the encoded ones."""
    own, shared = model.backbone.encoder_of(sensor).trunk, model.backbone.shared.trunk
    layers = model.config.layers
    return [*_steps(own, layers(sensor), sensor), *_steps(shared, layers(SHARED), sensor)]


def embedded(model: CSMoE, sensor: SensorName, image_BCHW: Tensor) -> Tensor:
    """Return the tokens [B, T, D] that the first step reads."""
    size = model.config.patch_size
    grid = (image_BCHW.shape[2] // size, image_BCHW.shape[3] // size)
    return model.backbone.encoder_of(sensor).embedded(patchify(image_BCHW, size), grid)


def run(steps: Sequence[Step], x_BTD: Tensor) -> Tensor:
    """Return the tokens after several steps."""
    for step in steps:
        x_BTD = step(x_BTD)
    return x_BTD


def _steps(trunk: Trunk, layers: Sequence[str], sensor: SensorName) -> list[Step]:
    modules = zip((*layers, ""), (*trunk.blocks, trunk.norm), strict=True)
    return [Step(layer=layer, module=module, sensor=sensor) for layer, module in modules]
