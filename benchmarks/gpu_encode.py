"""Images encoded per second: our encoder, the same with soft-moe-pytorch's layers, a ViT-B."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from gpu_timing import median_ms, start_afresh
from torch import Tensor, nn

from csmoe_model.config import ModelConfig
from csmoe_model.distributed.device import fast_inference, weights_to_bfloat16
from csmoe_model.nn.backbone import Backbone
from csmoe_model.nn.layers import sincos_positions
from csmoe_model.nn.soft_moe import SoftMoE
from csmoe_model.training.compile import compiled
from minortom.sensors import MODEL_BANDS

BANDS = len(MODEL_BANDS["s2"])
Attempt = Callable[[str, Callable[[], "EncodeTime"]], "EncodeTime | None"]


@dataclass(frozen=True, kw_only=True)
class EncodeTime:
    """Time and memory of encoding a batch."""

    name: str
    how: str
    batch_size: int
    ms: float

    @property
    def images_per_s(self) -> float:
        """Return the images encoded per second."""
        return self.batch_size / self.ms * 1e3


class ViT(nn.Module):
    """Vision transformer of torch's own layers; returns the [CLS] of images."""

    def __init__(self, config: ModelConfig) -> None:
        """Build the model with the sizes of the configuration (those of ViT-B for csmoe-b*)."""
        super().__init__()
        width, patch = config.width, config.patch_size
        self.embed = nn.Conv2d(BANDS, width, patch, stride=patch)
        self.cls = nn.Parameter(torch.zeros(1, 1, width))
        side = config.grid_size
        self.register_buffer("position", sincos_positions((side, side), width))
        layer = nn.TransformerEncoderLayer(
            width, config.num_heads, config.hidden_width, dropout=0.0, activation="gelu",
            batch_first=True, norm_first=True,
        )  # fmt: skip
        depth = 2 * (config.sensor_layers + config.shared_layers)  # 12, as of ViT-B
        self.layers = nn.TransformerEncoder(layer, depth, enable_nested_tensor=False)
        self.norm = nn.LayerNorm(width)

    def forward(self, image: Tensor) -> Tensor:
        """Return the [CLS] of each image."""
        tokens = self.embed(image).flatten(2).transpose(1, 2) + self.position
        tokens = torch.cat([self.cls.expand(len(image), -1, -1), tokens], dim=1)
        return self.norm(self.layers(tokens))[:, 0]


class Theirs(nn.Module):
    """Layer of soft-moe-pytorch with the interface of ours."""

    def __init__(self, layer: SoftMoE) -> None:
        """Build the layer with the same sizes and its own initial weights."""
        super().__init__()
        from soft_moe_pytorch import DynamicSlotsSoftMoE

        experts, width, hidden = layer.experts.up_EDH.shape
        self.layer = DynamicSlotsSoftMoE(width, num_experts=experts, expert_mult=hidden // width)

    def forward(self, x_BND: Tensor, conditions: object = ()) -> tuple[Tensor, None]:
        """Compute the layer; it returns no routing."""
        del conditions
        return self.layer(x_BND), None


def encoders(config: ModelConfig) -> dict[str, tuple[nn.Module, Callable[[Tensor], Tensor]]]:
    """Build the encoders, by name."""
    ours = Backbone(config, sensors=("s2",))
    found = {"ours": (ours, lambda image: ours(s2=image)["s2"])}
    if config.num_experts and config.slots == "dynamic":
        theirs = Backbone(config, sensors=("s2",))
        try:
            for block in (*theirs.sensors["s2"].trunk.blocks, *theirs.shared.trunk.blocks):
                block.soft_moe = Theirs(block.soft_moe)
        except ImportError:
            pass  # named in the report
        else:
            found["soft-moe-pytorch"] = (theirs, lambda image: theirs(s2=image)["s2"])
    vit = ViT(config)
    return found | {"ViT-B": (vit, vit)}


def measure(
    config: ModelConfig, *, batch_size: int, device: torch.device, compile_it: bool, repeats: int,
    attempt: Attempt,
) -> list[EncodeTime]:  # fmt: skip
    """Measure all encoders on images of the same size, plain and compiled; ours on one image too.

    `attempt` calls each of them and returns None if it fails.
    """
    start_afresh(device)
    found = []
    for name, call, image in _ready(config, batch_size, device):
        for how, count in _ways(name, len(image), compile_it=compile_it, device=device):
            part = image if count == len(image) else image[:count].clone()
            found.append(attempt(
                f"encoding by {name}, {how}, {count} at once",
                lambda part=part, how=how, name=name, call=call: _time(
                    name, call, part, how, device, repeats
                ),
            ))  # fmt: skip
    return [time for time in found if time is not None]


def first_calls(
    config: ModelConfig, *, batch_size: int, device: torch.device
) -> list[Callable[[], object]]:
    """Return the calls that `measure` compiles, for `gpu_warm.compile_only`."""

    def first_call(call: Callable[[Tensor], Tensor], how: str, image: Tensor) -> None:
        run = _compiled(call, how, device)
        with fast_inference(device):
            run(image)

    return [
        lambda call=call, how=how, part=image[:count]: first_call(call, how, part)
        for name, call, image in _ready(config, batch_size, device)
        for how, count in _ways(name, len(image), compile_it=True, device=device)
        if how != "plain"
    ]


def _ways(
    name: str, count: int, *, compile_it: bool, device: torch.device
) -> list[tuple[str, int]]:
    """Return the ways to time an encoder, with their batch sizes."""
    ways = [("plain", count)] + ([("compiled", count)] if compile_it else [])
    if name == "ours" and count > 1:
        ways.append(("plain", 1))
        if device.type == "cuda" and compile_it:
            ways.append(("CUDA graph", 1))
    return ways


def _ready(
    config: ModelConfig, batch_size: int, device: torch.device
) -> list[tuple[str, Callable[[Tensor], Tensor], Tensor]]:
    """Build the encoders on the device, with an input for each."""
    with torch.device(device):
        built = encoders(config)
        side = config.image_size
        image = torch.randn(batch_size, BANDS, side, side)
    for model, _ in built.values():
        model.eval()
        if device.type == "cuda":
            narrow(model)
    return [(name, call, image) for name, (_, call) in built.items()]


def _time(
    name: str, call: Callable[[Tensor], Tensor], image: Tensor, how: str, device: torch.device,
    repeats: int,
) -> EncodeTime:  # fmt: skip
    run = call if how == "plain" else _compiled(call, how, device)
    with fast_inference(device):
        ms = median_ms(lambda: run(image), device=device, repeats=repeats)
    return EncodeTime(name=name, how=how, batch_size=len(image), ms=ms)


def _compiled(
    call: Callable[[Tensor], Tensor], how: str, device: torch.device
) -> Callable[[Tensor], Tensor]:
    graphs = how == "CUDA graph"
    return compiled(call, wanted=True, device=device, cuda_graphs=graphs) or call


def narrow(model: nn.Module) -> None:
    """Convert the matrices of all encoders to bfloat16, so that no call converts them."""
    if isinstance(model, ViT):
        model.bfloat16()
    else:
        weights_to_bfloat16(model)
