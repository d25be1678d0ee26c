"""Random numbers that are a function of (seed, epoch, sample, use), of nothing else.

A counter-based generator gives every sample its own numbers, so they do not depend on the rank,
the worker, the batch or the order in which samples come.
"""

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def uniform_noise(
    samples: Sequence[int] | NDArray[np.int64], count: int, *, seed: int, epoch: int, stream: str
) -> NDArray[np.float64]:
    """Draw `count` numbers in [0, 1) for each sample, shape [B, count].

    Args:
        samples: Index of each sample in its dataset.
        count: Numbers for each sample.
        seed: Of the run.
        epoch: Every epoch draws anew.
        stream: What the numbers are for; different uses get unrelated numbers.
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
    """Scramble 64 bits: the output function of SplitMix64 (Steele et al. 2014)."""
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return bits ^ (bits >> np.uint64(31))
