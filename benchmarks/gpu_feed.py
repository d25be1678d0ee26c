"""Training from shards: how much of the time the device waits for the loader."""

import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from gpu_training import Training

from csmoe_model.data.loader import Batch, Loader, reader_threads
from csmoe_model.data.sampler import ShuffledBatches
from minortom.shards.shard_set import ShardSet

_WARM_UP = 8
"""Batches after which every buffer of the loader has been made and filled before."""


@dataclass(frozen=True, kw_only=True)
class Feed:
    """How a stretch of training from shards went."""

    pairs: int
    threads: int
    alone_pairs_per_s: float
    """Of the loader, with nobody training."""
    step_ms: float
    """Of a step on batches that lie on the device."""
    fed_step_ms: float
    """Of a step on batches from the shards."""
    loader_waits: float
    """Part of the time in which the CPU waited for a batch."""

    @property
    def idle(self) -> float:
        """Part of the time by which shards made the steps longer."""
        return max(0.0, 1 - self.step_ms / self.fed_step_ms)


def make_shards(folder: Path, *, num_pairs: int, patch_px: int) -> ShardSet:
    """Write shards of noise, with the makers of the tests."""
    sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "support"))
    from shard_maker import write_made_up_shards

    write_made_up_shards(folder, num_patches=num_pairs, patch_px=patch_px, num_val=0,
                         rows_per_shard=num_pairs // 2)  # fmt: skip
    return ShardSet.open(folder)


def measure(shards: ShardSet, training: Training, *, batch_size: int, steps: int) -> Feed:
    """Train on batches from shards whose pages are in memory, and on what lies on the device.

    Both by the same clock, over as many steps; the first few warm up.
    """
    device, threads = training.device, reader_threads(None)

    def loader() -> Loader:
        return _loader(shards, batch_size, steps + _WARM_UP, device, threads)

    alone_s, _ = _seconds(loader(), lambda _: None, device)
    step_s, _ = _seconds([None] * (steps + _WARM_UP), training.step, device)
    fed = loader()
    fed_s, waited_s = _seconds(fed, training.step, device, waited_s=lambda: fed.waited_s)
    return Feed(
        pairs=len(shards), threads=threads, alone_pairs_per_s=steps * batch_size / alone_s,
        step_ms=step_s / steps * 1e3, fed_step_ms=fed_s / steps * 1e3,
        loader_waits=waited_s / fed_s,
    )  # fmt: skip


def _seconds(
    batches: Iterable[Batch | None], use: Callable[[Batch | None], None], device: torch.device,
    *, waited_s: Callable[[], float] = lambda: 0.0,
) -> tuple[float, float]:  # fmt: skip
    """Use batches; give the seconds since the first few, and those that were waited in them."""
    started = waited = 0.0
    for number, batch in enumerate(batches):
        use(batch)
        if number == _WARM_UP - 1:
            _finish(device)
            started, waited = time.perf_counter(), waited_s()
    _finish(device)
    return time.perf_counter() - started, waited_s() - waited


def _loader(
    shards: ShardSet, batch_size: int, steps: int, device: torch.device, threads: int
) -> Loader:
    batches = ShuffledBatches(
        samples=np.arange(len(shards)), batch_size=batch_size, num_steps=steps, seed=0
    )
    return Loader(shards, batches, workers=threads, device=device)


def _finish(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()
