"""Training from shards: the time for which the device waits for the loader."""

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
"""Number of batches after which all buffers of the loader have been filled once."""


@dataclass(frozen=True, kw_only=True)
class Feed:
    """Speeds of training from shards."""

    pairs: int
    threads: int
    alone_pairs_per_s: float
    """Speed of the loader without training."""
    step_ms: float
    """Time of a step on batches on the device."""
    fed_step_ms: float
    """Time of a step on batches from the shards."""
    loader_waits: float
    """Fraction of the time in which the CPU waited for a batch."""

    @property
    def idle(self) -> float:
        """Return the fraction by which reading shards lengthens the steps."""
        return max(0.0, 1 - self.step_ms / self.fed_step_ms)


def make_shards(folder: Path, *, num_pairs: int, patch_px: int) -> ShardSet:
    """Write shards of noise with the helpers of the tests."""
    sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "support"))
    from shard_maker import write_made_up_shards

    write_made_up_shards(folder, num_patches=num_pairs, patch_px=patch_px, num_val=0,
                         rows_per_shard=num_pairs // 2)  # fmt: skip
    return ShardSet.open(folder)


def measure(shards: ShardSet, training: Training, *, batch_size: int, steps: int) -> Feed:
    """Train on batches from cached shards, and on batches that are already on the device.

    Both use the same clock and the same number of steps; the first few steps are not measured.
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
    """Use batches; return the seconds after the first few, and the seconds waited in them."""
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
