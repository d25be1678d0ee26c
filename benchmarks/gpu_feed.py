"""Training from shards: how much of the time the device waits for the loader."""

import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from gpu_training import Training

from csmoe_model.data import Loader, reader_threads
from csmoe_model.order import ShuffledBatches
from minortom.shards import ShardSet


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
    sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
    from shard_maker import write_made_up_shards

    write_made_up_shards(folder, num_patches=num_pairs, patch_px=patch_px, num_val=0,
                         rows_per_shard=num_pairs // 2)  # fmt: skip
    return ShardSet.open(folder)


def measure(
    shards: ShardSet, training: Training, *, batch_size: int, steps: int, step_ms: float
) -> Feed:
    """Train on some batches from shards whose pages are in memory; the first few warm up."""
    device, threads, warm_up = training.device, reader_threads(None), 4
    loader = _loader(shards, batch_size, steps + warm_up, device, threads)
    started = time.perf_counter()
    seen = sum(len(batch.samples) for batch in loader)
    alone = seen / (time.perf_counter() - started)
    loader = _loader(shards, batch_size, steps + warm_up, device, threads)
    waited = 0.0
    for step, batch in enumerate(loader):
        if step == warm_up:
            _finish(device)
            started, waited = time.perf_counter(), loader.waited_s
        training.step(batch)
    _finish(device)
    spent = time.perf_counter() - started
    return Feed(
        pairs=len(shards), threads=threads, alone_pairs_per_s=alone, step_ms=step_ms,
        fed_step_ms=spent / steps * 1e3, loader_waits=(loader.waited_s - waited) / spent,
    )  # fmt: skip


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
