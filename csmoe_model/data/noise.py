"""Counter-based random numbers: a function of (seed, epoch, sample, stream) only.

Every sample has its own numbers. They do not depend on the rank, the worker, the batch or the
order of the samples.
"""

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def uniform_noise(
    samples: Sequence[int] | NDArray[np.int64], count: int, *, seed: int, epoch: int, stream: str
) -> NDArray[np.float64]:
    """Draw `count` uniform numbers in [0, 1) for each sample.

    Args:
        samples: Number of each sample in its data set.
        count: Numbers per sample.
        seed: Seed of the run.
        epoch: Number of the epoch; each has its own numbers.
        stream: Name of the use, such as `flips`; each has its own numbers.

    Returns:
        Numbers [B, count].
    """
    use = int.from_bytes(hashlib.blake2b(stream.encode(), digest_size=8).digest())
    key = np.zeros(1, np.uint64)
    for word in (use, seed, epoch):
        key = _mix((key ^ np.uint64(word)) + _GOLDEN)
    key_B = _mix(key ^ np.asarray(samples, dtype=np.int64).astype(np.uint64))
    counter = np.arange(1, count + 1, dtype=np.uint64)
    bits = _mix(key_B[:, None] + counter * _GOLDEN)
    return (bits >> np.uint64(11)).astype(np.float64) * 2.0**-53


def _mix(bits: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Hash 64 bits with the output function of SplitMix64 (Steele et al. 2014)."""
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return bits ^ (bits >> np.uint64(31))
