"""Search for the nearest centre of each vector, with the same bits for any number of threads.

Axes, as name suffixes:
    n  vectors    k  centres    D  width
"""

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from minortom.api.choices import Metric
from minortom.api.faiss_library import load_faiss
from minortom.api.packages import require_package
from minortom.clustering.vectors import FloatArray, IntArray, Vectors, blocks

Found = TypeVar("Found")

_NEEDED_BY, _EXTRA = "minortom cluster", "cluster"
_AHEAD = 2
"""Blocks that wait for the caller, beyond those that threads work on."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Block:
    """Successive vectors with their nearest centres."""

    first: int
    """Row of the first vector."""
    vector_nD: FloatArray
    label_n: IntArray
    """Number of the nearest centre."""
    distance_n: FloatArray
    """Squared Euclidean distance to it. For unit vectors it is 2 − 2 × cosine."""

    @property
    def rows(self) -> slice:
        """Rows of the block."""
        return slice(self.first, self.first + len(self.label_n))


class Search:
    """Searches with a number of threads.

    A block has a fixed size and is searched by one thread, and blocks are yielded in order, so
    that no sum depends on the number of threads.
    """

    def __init__(self, threads: ThreadPoolExecutor, workers: int, metric: Metric) -> None:
        """Use `open_search`."""
        self._threads, self._workers, self.metric = threads, workers, metric
        self._faiss = load_faiss(needed_by=_NEEDED_BY, extra=_EXTRA)

    def blocks(self, vectors: Vectors, centre_kD: FloatArray) -> Iterator[Block]:
        """Yield all blocks of some vectors with their nearest centres, in their order."""
        flat = self._faiss.IndexFlatIP if self._is_spherical else self._faiss.IndexFlatL2
        index = flat(vectors.width)
        index.add(np.ascontiguousarray(centre_kD, np.float32))

        def searched(first: int, last: int) -> Block:
            vector_nD = vectors.read(first, last)
            score_n1, label_n1 = index.search(vector_nD, 1)
            distance_n = self._as_distance(score_n1[:, 0])
            return Block(
                first=first, vector_nD=vector_nD, label_n=label_n1[:, 0], distance_n=distance_n
            )

        return self._in_order(searched, len(vectors))

    def distances(
        self, vectors: Vectors, other_kD: FloatArray
    ) -> Iterator[tuple[slice, FloatArray]]:
        """Yield the rows of each block and its squared distances to some others, [n, k]."""
        kind = self._faiss.METRIC_INNER_PRODUCT if self._is_spherical else self._faiss.METRIC_L2

        def measured(first: int, last: int) -> tuple[slice, FloatArray]:
            score_nk = self._faiss.pairwise_distances(vectors.read(first, last), other_kD, kind)
            return slice(first, last), self._as_distance(score_nk)

        return self._in_order(measured, len(vectors))

    @property
    def _is_spherical(self) -> bool:
        return self.metric == "spherical"

    def _as_distance(self, score: FloatArray) -> FloatArray:
        return np.maximum(2 - 2 * score if self._is_spherical else score, 0)

    def _in_order(self, function: Callable[[int, int], Found], count: int) -> Iterator[Found]:
        """Yield the results of all blocks in their order, a few of them ahead of the caller."""

        def call(first: int, last: int) -> Found:
            self._faiss.omp_set_num_threads(1)  # of this thread, which is one of the workers
            return function(first, last)

        waiting: deque[Future[Found]] = deque()
        for first, last in blocks(count):
            waiting.append(self._threads.submit(call, first, last))
            if len(waiting) >= self._workers + _AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


@contextmanager
def open_search(metric: Metric, workers: int) -> Iterator[Search]:
    """Yield a search with some threads, which end with the block."""
    with ThreadPoolExecutor(workers) as threads:
        yield Search(threads, workers, metric)


def check_faiss() -> None:
    """Check that faiss is installed.

    Raises:
        InputError: If it is not.
    """
    require_package("faiss", needed_by=_NEEDED_BY, extra=_EXTRA)
