"""Training step of a run on random stored values, and that of the plain model."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from gpu_plain import plain_twin
from gpu_timing import median_ms, peak_gb, start_afresh

from csmoe_model.config import ModelConfig
from csmoe_model.csmoe import CSMoE
from csmoe_model.data.loader import Batch
from csmoe_model.data.normalise import Normalise
from csmoe_model.distributed.device import tensor_cores
from csmoe_model.nn.cost import pretraining_cost
from csmoe_model.recipes import recipe
from csmoe_model.training.compile import compiled
from csmoe_model.training.config import TrainConfig
from csmoe_model.training.step import Objective, StepNumbers, adamw, numbers_of, pretrain_batch
from minortom.sensors import GROUPS

PATCH_PX = 120
RANGES = {"uint16": (1, 10_000), "int16": (-3000, 500)}
STATISTICS = {
    group.column: {
        "bands": group.bands,
        "mean": [float(np.mean(RANGES[group.dtype]))] * len(group.bands),
        "std": [float(np.ptp(RANGES[group.dtype])) / 12**0.5] * len(group.bands),
    }
    for group in GROUPS
}
"""Statistics of uniformly distributed numbers."""


def variants(name: str) -> dict[str, ModelConfig]:
    """Return the models to measure, beginning with the requested one."""
    main = recipe(name)
    fixed = replace(main, slots="fixed")
    if not name.startswith("csmoe-b"):
        plain = replace(main, num_experts=0, rep_weight=0.0, bal_weight=0.0)
        return {name: main, f"{name}, slots fixed": fixed, f"{name}, no experts": plain}
    others = {f"csmoe-b{size}": recipe(f"csmoe-b{size}") for size in (16, 32, 28, 14)}
    csmae = replace(recipe("csmae-b15"), patch_size=16, image_size=224)
    return {name: main} | {f"{name}, slots fixed": fixed} | others | {"csmae, 224 / 16": csmae}


@dataclass(frozen=True, kw_only=True)
class StepTime:
    """Time and memory of a training step."""

    name: str
    batch_size: int
    ms: float
    macs_per_pair: int
    """Multiply-adds of the forward pass: the full count of `csmoe_model.nn.cost`."""
    peak_gb: float | None

    @property
    def pairs_per_s(self) -> float:
        """Return the pairs trained per second."""
        return self.batch_size / self.ms * 1e3

    @property
    def tflops(self) -> float:
        """Return 10¹² operations per second: 2 per multiply-add, forward once, backward twice."""
        return 6 * self.macs_per_pair * self.pairs_per_s / 1e12


def step_table(
    times: Sequence[StepTime], rate_tflops: float
) -> tuple[Sequence[str], list[Sequence[object]]]:
    """Return headings and rows of a table of steps, with their share of a product's rate."""
    names = ("model", "pairs", "ms a step", "pairs/s", "GMAC a pair", "TFLOP/s",
             "of the product's rate", "peak GB")  # fmt: skip
    rows = [
        (t.name, t.batch_size, f"{t.ms:.1f}", f"{t.pairs_per_s:,.0f}",
         f"{t.macs_per_pair / 1e9:.2f}", f"{t.tflops:.3g}", f"{t.tflops / rate_tflops:.1%}",
         "-" if t.peak_gb is None else f"{t.peak_gb:.1f}")
        for t in times
    ]  # fmt: skip
    return names, rows


class Training:
    """A model, its optimiser, and batches used in turn."""

    def __init__(
        self,
        config: ModelConfig,
        *,
        batch_size: int,
        device: torch.device,
        compile_it: bool,
        plain: bool = False,
    ) -> None:
        """Initialise weights and batches; with `plain`, of the plain implementation."""
        torch.manual_seed(0)
        with torch.device(device):
            model = CSMoE(config)
        if plain:
            model = plain_twin(model)
        normalise = Normalise(STATISTICS, image_size=config.image_size).to(device)
        self.objective, self.device, self.plain = Objective(model, normalise), device, plain
        self.forward = compiled(self.objective, wanted=compile_it, device=device)
        self.config = TrainConfig()
        self.optimizer = adamw(model, self.config)
        if plain:
            groups = model.parameter_groups(self.config.weight_decay)
            self.optimizer = torch.optim.AdamW(groups, lr=self.config.lr)
        self.batches = [made_up_batch(batch_size, turn, device) for turn in range(2)]
        self.turn = 0
        self.unread: StepNumbers | None = None

    def step(self, batch: Batch | None = None) -> None:
        """Take a step as in a run; its numbers are read after the next step has started."""
        batch = batch or self.batches[self.turn % len(self.batches)]
        self.turn += 1
        output = pretrain_batch(self.objective, batch, seed=0, flip=True, forward=self.forward)
        names, numbers = numbers_of(output)
        output.loss.backward()
        gradients = [w.grad for w in self.objective.model.parameters() if w.grad is not None]
        norm = torch.nn.utils.get_total_norm(gradients)
        vector = torch.cat([numbers, norm[None]])
        found = StepNumbers(
            step=self.turn, names=[*names, "grad_norm"], everywhere=vector, here=vector,
            samples=[batch.samples],
        )  # fmt: skip
        if self.plain:
            found.read()
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        if self.unread is not None:
            self.unread.read()
        self.unread = None if self.plain else found


def made_up_batch(size: int, turn: int, device: torch.device) -> Batch:
    """Return random stored values on the device."""
    tensors = {}
    for group in GROUPS:
        low, high = RANGES[group.dtype]
        shape = (size, *group.shape(PATCH_PX))
        drawn = torch.randint(low, high, shape, dtype=torch.int16, device=device)
        tensors[group.column] = drawn.view(getattr(torch, group.dtype))
    return Batch(epoch=turn, samples=np.arange(size), tensors=tensors)


def measure(
    name: str,
    config: ModelConfig,
    *,
    batch_size: int,
    device: torch.device,
    compile_it: bool,
    plain: bool = False,
    repeats: int = 12,
    tell: Callable[[str], None] = print,
) -> tuple[StepTime, Training]:
    """Measure a step, halving the pairs until they fit; return the model too."""
    while True:
        start_afresh(device)
        try:
            with tensor_cores(torch.device("cpu") if plain else device):
                training = Training(
                    config, batch_size=batch_size, device=device, compile_it=compile_it,
                    plain=plain,
                )  # fmt: skip
                ms = median_ms(training.step, device=device, repeats=repeats)
        except torch.OutOfMemoryError:
            training = None
            if batch_size == 1:
                raise
            tell(f"{name}: {batch_size} pairs do not fit; trying {batch_size // 2}")
            batch_size //= 2
            continue
        found = StepTime(
            name=name, batch_size=batch_size, ms=ms, peak_gb=peak_gb(device),
            macs_per_pair=pretraining_cost(config).macs_full,
        )  # fmt: skip
        return found, training
