"""Activity of the experts: what hooks see while patches pass through a model.

Axes, as name suffixes:
    B  images in a batch    N  tokens of an image    E  experts    S  slots per expert
    D  token width
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from csmoe_model.csmoe import CSMoE
from csmoe_model.distributed.device import fast_inference
from csmoe_model.nn.encoder import RoutedBlock
from csmoe_model.nn.soft_moe import Routing
from csmoe_model.pruning.calibration import Patches
from csmoe_model.pruning.paths import path_of
from minortom.progress import OnProgress, ignore_progress
from minortom.sensors import SensorName


@dataclass(frozen=True, kw_only=True)
class Activity:
    """Means over patches and tokens of one layer, on the path of one sensor."""

    usage_E: Tensor
    """Share of each expert in the combine weights; sums to 1."""
    reap_E: Tensor
    """Sum over an expert's slots of combine weight × norm of the expert's output."""
    norm_E: Tensor
    """Norm of the expert's output, the mean over its slots."""


def measure_activity(
    model: CSMoE, patches: Patches, *, on_progress: OnProgress = ignore_progress
) -> dict[SensorName, dict[str, Activity]]:
    """Return the activity of the experts of each layer, on the path of each sensor."""
    device, done = next(model.parameters()).device, 0
    sums: dict[SensorName, dict[str, Tensor]] = {sensor: {} for sensor in model.sensors}
    for images in patches.batches(device):
        for sensor in model.sensors:
            with fast_inference(device), _recorded(model, sensor) as found:
                model.backbone.tokens(sensor, images[sensor])
            for layer, sum_3E in found.items():
                former = sums[sensor].get(layer, torch.zeros_like(sum_3E))
                sums[sensor][layer] = former + sum_3E
        done += len(images[model.sensors[0]])
        on_progress(done, len(patches))
    means = {
        sensor: {layer: (sum_3E / len(patches)).cpu() for layer, sum_3E in of_layer.items()}
        for sensor, of_layer in sums.items()
    }
    return {
        sensor: {
            layer: Activity(usage_E=usage_E, reap_E=reap_E, norm_E=norm_E)
            for layer, (usage_E, reap_E, norm_E) in of_layer.items()
        }
        for sensor, of_layer in means.items()
    }


@contextmanager
def _recorded(model: CSMoE, sensor: SensorName) -> Iterator[dict[str, Tensor]]:
    """Collect usage, REAP and norm [3, E] of each layer, summed over the images of a batch."""
    found: dict[str, Tensor] = {}
    handles = []
    for step in path_of(model, sensor):
        if isinstance(step.module, RoutedBlock):
            outputs: list[Tensor] = []
            recorder = _Recorder(layer=step.layer, found=found, outputs=outputs)
            layer = step.module.soft_moe
            handles += [
                layer.experts.register_forward_hook(recorder.keep_output),
                layer.register_forward_hook(recorder.add_layer),
            ]
    try:
        yield found
    finally:
        for handle in handles:
            handle.remove()


@dataclass(frozen=True, kw_only=True)
class _Recorder:
    """Forward hooks of one layer; that of the experts runs before that of the layer."""

    layer: str
    found: dict[str, Tensor]
    outputs: list[Tensor]

    def keep_output(self, experts: nn.Module, given: object, out_BSED: Tensor) -> None:
        del experts, given
        self.outputs.append(out_BSED)

    def add_layer(self, layer: nn.Module, given: object, out: tuple[Tensor, Routing]) -> None:
        del layer, given
        norm_BSE = self.outputs.pop().double().norm(dim=3)
        combine_BNES = out[1].combine_BNES.double()
        mean_BES = combine_BNES.mean(1)
        self.found[self.layer] = torch.stack(
            [
                mean_BES.sum((0, 2)),
                torch.einsum("bes,bse->e", mean_BES, norm_BSE),
                norm_BSE.mean(1).sum(0),
            ]
        )
