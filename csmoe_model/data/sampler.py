"""Which samples come when: arithmetic on (seed, epoch, step), so that any step can be the next.

Nothing is remembered between steps. A run that goes on after an interruption, or on another
number of processes, sees the same global batches.
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
        """Count the batches."""
        ...

    def at(self, step: int) -> tuple[int, Samples]:
        """Give the epoch and the sample numbers of one batch."""
        ...


@dataclass(frozen=True, kw_only=True)
class ShuffledBatches:
    """Training batches: each epoch a new permutation of all samples, its incomplete end dropped.

    Raises:
        InputError: If there are fewer samples than one batch holds.
    """

    samples: Samples
    batch_size: int
    """Samples of a batch, over all processes."""
    num_steps: int
    seed: int

    def __post_init__(self) -> None:
        steps_per_epoch(len(self.samples), self.batch_size)

    def __len__(self) -> int:
        return self.num_steps

    def at(self, step: int) -> tuple[int, Samples]:
        """Give the epoch and the sample numbers of batch ``step``, counted over all epochs."""
        epoch, place = divmod(step, steps_per_epoch(len(self.samples), self.batch_size))
        order = permutation(len(self.samples), self.seed, epoch)
        first = place * self.batch_size
        return epoch, self.samples[order[first : first + self.batch_size]]


@dataclass(frozen=True, kw_only=True)
class OrderedBatches:
    """Every sample once, in the given order; batch sizes differ by at most one.

    So that no batch is left with a single pair, which has nothing to be compared with.
    """

    samples: Samples
    batch_size: int
    """The most that a batch may hold."""

    def __len__(self) -> int:
        return math.ceil(len(self.samples) / self.batch_size)

    def at(self, step: int) -> tuple[int, Samples]:
        """Give epoch 0 and the sample numbers of batch ``step``."""
        return 0, rank_share(self.samples, rank=step, world_size=len(self))


@dataclass(frozen=True, kw_only=True)
class MicroBatches:
    """Each batch of others in equal parts, one after the other."""

    batches: Batches
    parts: int

    def __len__(self) -> int:
        return len(self.batches) * self.parts

    def at(self, step: int) -> tuple[int, Samples]:
        """Give the epoch and the sample numbers of one part."""
        whole, part = divmod(step, self.parts)
        epoch, samples = self.batches.at(whole)
        return epoch, rank_share(samples, rank=part, world_size=self.parts)


@dataclass(frozen=True, kw_only=True)
class EveryNth:
    """Some of the batches of others: from the first one on, with a stride."""

    batches: Batches
    first: int
    stride: int

    def __len__(self) -> int:
        return len(range(self.first, len(self.batches), self.stride))

    def at(self, step: int) -> tuple[int, Samples]:
        """Give the epoch and the sample numbers of one batch."""
        return self.batches.at(self.first + step * self.stride)


def steps_per_epoch(num_samples: int, batch_size: int) -> int:
    """Count the whole batches in an epoch.

    Raises:
        InputError: If there is none.
    """
    if batch_size > num_samples:
        raise InputError(
            f"a batch of {batch_size} pairs is larger than the split `train`, which has "
            f"{num_samples}; give a smaller --batch-size or export more patches"
        )
    return num_samples // batch_size


def rank_share(samples: Samples, *, rank: int, world_size: int) -> Samples:
    """Cut a process's part out of a global batch: contiguous, and all parts make the batch."""
    first, last = (len(samples) * part // world_size for part in (rank, rank + 1))
    return samples[first:last]


@lru_cache(maxsize=2)  # the end of one epoch is read ahead with the beginning of the next
def permutation(count: int, seed: int, epoch: int) -> Samples:
    """Shuffle the numbers below ``count``: a function of (seed, epoch)."""
    order: Samples = np.random.default_rng([seed, epoch]).permutation(count)
    order.flags.writeable = False
    return order
