"""Numba kernels of the genetic operators on subsets, which are index arrays.

A subset of the whole numbers ``low <= x < high`` is a row [width]: its members in ascending order,
with -1 as padding in front. Copying, comparing and repairing a mask over a stratum of 145,000
tiles would take a thousand times as long. The caller draws the random numbers: uniforms in [0, 1).
"""

import numpy as np
from numpy.typing import NDArray

from minortom.engine.numba_jit import compiled

EMPTY = -1
"""Padding of a row, in front of its members."""

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@compiled
def members_of(row: IntArray) -> IntArray:
    """Return the members of a row, without padding."""
    start = 0
    while start < len(row) and row[start] == EMPTY:
        start += 1
    return row[start:]


@compiled
def draw(width: int, size: int, low: int, high: int, uniforms: FloatArray) -> IntArray:
    """Draw ``size`` members, all subsets equally likely. Needs [size] uniforms."""
    values = np.empty(size, np.int64)
    for i in range(size):
        _insert(values, i, low, high, uniforms[i])
    return _padded(values, width)


@compiled
def recombine(first: IntArray, second: IntArray, uniforms: FloatArray) -> IntArray:
    """Return two children [2, width]: each has the shared members and half of the others.

    This is the uniform crossover of masks, with one difference: parents of equal size have
    children of that size. Needs [2 * width] uniforms.
    """
    a, b = members_of(first), members_of(second)
    shared, rest = np.empty(len(first), np.int64), np.empty(len(a) + len(b), np.int64)
    num_shared, num_rest, i, k = 0, 0, 0, 0
    while i < len(a) or k < len(b):
        if k == len(b) or (i < len(a) and a[i] < b[k]):
            rest[num_rest] = a[i]
            num_rest, i = num_rest + 1, i + 1
        elif i == len(a) or b[k] < a[i]:
            rest[num_rest] = b[k]
            num_rest, k = num_rest + 1, k + 1
        else:
            shared[num_shared] = a[i]
            num_shared, i, k = num_shared + 1, i + 1, k + 1
    _shuffle(rest[:num_rest], uniforms)
    half = (num_rest + 1) // 2
    children = np.empty((2, len(first)), np.int64)
    both = shared[:num_shared]
    children[0] = _padded(np.concatenate((both, rest[:half])), len(first))
    children[1] = _padded(np.concatenate((both, rest[half:num_rest])), len(first))
    return children


@compiled
def mutate(
    row: IntArray, rate: float, low: int, high: int, exact: bool, uniforms: FloatArray
) -> IntArray:
    """Remove each member with probability ``rate`` and add as many new members.

    With ``exact`` the size stays the same, otherwise it stays the same on average and within the
    row's width. New members are drawn from the numbers outside the subset. Needs [3, width]
    uniforms.
    """
    old = members_of(row)
    size, free = len(old), high - low - len(old)
    leaves = uniforms[0, :size] < rate
    requested = leaves.sum() if exact else (uniforms[1, :size] < rate).sum()
    num_new = min(requested, free)
    if exact:
        for i in range(size):  # without a replacement the last ones stay
            if leaves[i] and leaves[:i].sum() >= num_new:
                leaves[i] = False
    num_new = min(num_new, len(row) - size + leaves.sum())
    values = np.empty(size + num_new, np.int64)
    values[:size] = old
    for i in range(num_new):
        _insert(values, size + i, low, high, uniforms[2, i])
    stays = np.ones(len(values), np.bool_)
    gone = old[leaves]
    for i in range(len(gone)):
        stays[np.searchsorted(values, gone[i])] = False
    return _padded(values[stays], len(row))


@compiled
def fit(
    row: IntArray,
    min_size: int,
    size: int,
    max_size: int,
    low: int,
    high: int,
    uniforms: FloatArray,
) -> IntArray:
    """Reduce or fill a row to ``size`` members at random if its size is out of range.

    The paper's adaptive constraint (Section II-C, 90 to 110 %). Needs [width] uniforms.
    """
    old = members_of(row)
    if len(old) > max_size:
        shuffled = old.copy()
        _shuffle(shuffled, uniforms)
        return _padded(shuffled[:size], len(row))
    if len(old) < min_size:
        values = np.empty(size, np.int64)
        values[: len(old)] = old
        for i in range(len(old), size):
            _insert(values, i, low, high, uniforms[i])
        return _padded(values, len(row))
    return row


@compiled
def recombine_all(first: IntArray, second: IntArray, uniforms: FloatArray) -> IntArray:
    """Return the children [2, n, width] of couples [n, width]. Needs [n, 2 * width] uniforms."""
    children = np.empty((2, len(first), first.shape[1]), np.int64)
    for i in range(len(first)):
        children[:, i] = recombine(first[i], second[i], uniforms[i])
    return children


@compiled
def mutate_all(
    rows: IntArray, rate: float, low: int, high: int, exact: bool, uniforms: FloatArray
) -> IntArray:
    """Return mutations of the rows [n, width]. Needs [n, 3, width] uniforms."""
    mutants = np.empty_like(rows)
    for i in range(len(rows)):
        mutants[i] = mutate(rows[i], rate, low, high, exact, uniforms[i])
    return mutants


@compiled
def fit_all(
    rows: IntArray,
    min_size: int,
    size: int,
    max_size: int,
    low: int,
    high: int,
    uniforms: FloatArray,
) -> IntArray:
    """Apply :func:`fit` to the rows [n, width]. Needs [n, width] uniforms."""
    fitted = np.empty_like(rows)
    for i in range(len(rows)):
        fitted[i] = fit(rows[i], min_size, size, max_size, low, high, uniforms[i])
    return fitted


@compiled
def _insert(values: IntArray, size: int, low: int, high: int, uniform: float) -> None:
    """Insert one random number that is not among the first ``size``; the order stays ascending.

    All absent numbers are equally likely: the rank among them is drawn, and each present number
    below it raises the value by one.
    """
    absent = high - low - size
    value = low + min(int(uniform * absent), absent - 1)
    place = 0
    while place < size and values[place] <= value:
        value += 1
        place += 1
    for i in range(size, place, -1):
        values[i] = values[i - 1]
    values[place] = value


@compiled
def _shuffle(values: IntArray, uniforms: FloatArray) -> None:
    """Shuffle in place (Fisher and Yates)."""
    for i in range(len(values) - 1, 0, -1):
        k = min(int(uniforms[i] * (i + 1)), i)
        values[i], values[k] = values[k], values[i]


@compiled
def _padded(values: IntArray, width: int) -> IntArray:
    row = np.full(width, EMPTY, np.int64)
    row[width - len(values) :] = np.sort(values)
    return row
