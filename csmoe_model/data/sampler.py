"""Order of the samples: a function of (seed, epoch, step).

No state is kept between steps. A run that resumes, or that runs on another number of processes,
sees the same global batches.
"""

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from minortom.errors import InputError

Samples = NDArray[np.int64]


class Batches(Protocol):
    """A finite sequence of global batches."""

    def __len__(self) -> int:
        """Return the number of batches."""
        ...

    def at(self, step: int) -> tuple[int, Samples]:
        """Return the epoch and the sample numbers of one batch."""
        ...


@dataclass(frozen=True, kw_only=True)
class ShuffledBatches:
    """Training batches: a new permutation of all samples in each epoch, without incomplete batches.

    Raises:
        InputError: If there are fewer samples than one batch holds.
    """

    samples: Samples
    batch_size: int
    """Samples per batch, over all processes."""
    num_steps: int
    seed: int

    def __post_init__(self) -> None:
        steps_per_epoch(len(self.samples), self.batch_size)

    def __len__(self) -> int:
        return self.num_steps

    def at(self, step: int) -> tuple[int, Samples]:
        """Return the epoch and the sample numbers of batch ``step``, counted over all epochs."""
        epoch, place = divmod(step, steps_per_epoch(len(self.samples), self.batch_size))
        order = permutation(len(self.samples), self.seed, epoch)
        first = place * self.batch_size
        return epoch, self.samples[order[first : first + self.batch_size]]


@dataclass(frozen=True, kw_only=True)
class OrderedBatches:
    """Every sample once, in the given order; batch sizes differ by at most one.

    No batch is left with a single pair, which would have no negatives in the loss, unless
    `batch_size` is 1 or there is one pair in all.
    """

    samples: Samples
    batch_size: int
    """Maximum number of samples in a batch. With 2, one batch of an odd number has 3."""

    def __len__(self) -> int:
        count = len(self.samples)
        most = max(1, count // 2) if self.batch_size > 1 else count
        return min(math.ceil(count / self.batch_size), most)

    def at(self, step: int) -> tuple[int, Samples]:
        """Return epoch 0 and the sample numbers of batch ``step``."""
        return 0, rank_share(self.samples, rank=step, world_size=len(self))


@dataclass(frozen=True, kw_only=True)
class MicroBatches:
    """Batches split into equal parts, one after the other."""

    batches: Batches
    parts: int

    def __len__(self) -> int:
        return len(self.batches) * self.parts

    def at(self, step: int) -> tuple[int, Samples]:
        """Return the epoch and the sample numbers of one part."""
        whole, part = divmod(step, self.parts)
        epoch, samples = self.batches.at(whole)
        return epoch, rank_share(samples, rank=part, world_size=self.parts)


@dataclass(frozen=True, kw_only=True)
class EveryNth:
    """A subset of batches: from `first` on, with a stride."""

    batches: Batches
    first: int
    stride: int

    def __len__(self) -> int:
        return len(range(self.first, len(self.batches), self.stride))

    def at(self, step: int) -> tuple[int, Samples]:
        """Return the epoch and the sample numbers of one batch."""
        return self.batches.at(self.first + step * self.stride)


def steps_per_epoch(num_samples: int, batch_size: int) -> int:
    """Return the number of complete batches in an epoch.

    Raises:
        InputError: If there is no complete batch.
    """
    if batch_size > num_samples:
        raise InputError(
            f"batch_size must be at most the number of pairs in the split `train`, {num_samples}, "
            f"found {batch_size}; give a smaller --batch-size or export more patches"
        )
    return num_samples // batch_size


def rank_share(samples: Samples, *, rank: int, world_size: int) -> Samples:
    """Return the part of a global batch for one process; the parts are contiguous."""
    first, last = (len(samples) * part // world_size for part in (rank, rank + 1))
    return samples[first:last]


@lru_cache(maxsize=2)  # the end of an epoch and the start of the next are read at the same time
def permutation(count: int, seed: int, epoch: int) -> Samples:
    """Return a permutation of the numbers below ``count``: a function of (seed, epoch)."""
    order: Samples = np.random.default_rng([seed, epoch]).permutation(count)
    order.flags.writeable = False
    return order
