"""Levels of clusters: those of vectors, and clusters of these clusters.

Axes, as name suffixes:
    n  vectors    k  clusters    D  width
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from minortom.clustering.arrays_file import read_arrays, write_arrays
from minortom.clustering.kmeans import State, WeightArray, assign, draw_start, lloyd
from minortom.clustering.nearest import Search
from minortom.clustering.options import ClusterOptions
from minortom.clustering.vectors import (
    ArrayVectors,
    FloatArray,
    IntArray,
    VectorFile,
    Vectors,
    blocks,
    rows_of,
)  # fmt: skip

_SAMPLE, _STATE = "sample.f32", "state.npz"


@dataclass(frozen=True, kw_only=True, eq=False)
class Level:
    """Clusters of one level, the largest first."""

    centre_kD: FloatArray
    size_k: IntArray
    """Number of vectors in each cluster."""
    parent_k: IntArray | None = None
    """Number of the cluster of the next level that contains each one; None on the last level."""

    def __len__(self) -> int:
        return len(self.size_k)


@dataclass(frozen=True, kw_only=True, eq=False)
class Assigned:
    """Nearest clusters of vectors, on the finest level."""

    label_n: IntArray
    distance_n: NDArray[np.float64]
    """Squared distance of each vector to its centre."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Training:
    """Training of all levels, in a folder from which it resumes."""

    vectors: Vectors
    options: ClusterOptions
    search: Search
    work: Path
    on_vectors: Callable[[int], None]

    def run(self) -> tuple[tuple[Level, ...], Assigned, State]:
        """Train all levels, and assign the vectors to the finest one.

        Returns:
            The levels, the clusters of the vectors, and the last state of the finest level.
        """
        state = self._finest()
        ones = np.ones(len(self.vectors))
        found = assign(self.vectors, state.centre_kD, self.search, ones, self.on_vectors)
        order = largest_first(found.total_k)
        number_k = np.argsort(order)
        level = Level(
            centre_kD=state.centre_kD[order], size_k=found.total_k[order].astype(np.int64)
        )
        levels = self._coarser(level, found.weights(self.search.metric)[order])
        assigned = Assigned(label_n=number_k[found.label_n], distance_n=found.distance_n)
        return levels, assigned, state

    def _finest(self) -> State:
        """Train the finest level on all vectors, or on a part of them."""
        k, path = self.options.k[0], self.work / _STATE
        generator = np.random.default_rng([self.options.seed, 1])
        trained_on = self._sample(k * self.options.vectors_per_cluster)
        ones = np.ones(len(trained_on))
        if path.exists():
            stored = read_arrays(path)
            state = State(centre_kD=stored["centre_kD"], inertia=tuple(stored["inertia"].tolist()))
            self.on_vectors(len(trained_on) * len(state.inertia))
        else:
            state = draw_start(
                trained_on, k, search=self.search, weight_n=ones, generator=generator
            )
            _store(path, state)
        return lloyd(
            trained_on, state, search=self.search, weight_n=ones,
            iterations=self.options.iterations, on_state=lambda state: _store(path, state),
            on_vectors=self.on_vectors,
        )  # fmt: skip

    def _sample(self, count: int) -> Vectors:
        """Return random vectors in a file of their own, or all of them if there are fewer."""
        if count >= len(self.vectors):
            return self.vectors
        generator = np.random.default_rng([self.options.seed, 0])
        rows = np.sort(generator.choice(len(self.vectors), count, replace=False))
        file = VectorFile(self.work / _SAMPLE, self.vectors.width)
        if len(file) < count:
            for first, last in blocks(count):
                file.write(first, rows_of(self.vectors, rows[first:last]))
        return file

    def _coarser(self, finest: Level, weight_k: WeightArray) -> tuple[Level, ...]:
        """Cluster the centres of each level to those of the next one.

        A centre weighs as much as its vectors, so that the inertia is that of the vectors but for
        a constant.
        """
        levels = [finest]
        for number, k in enumerate(self.options.k[1:], start=2):
            below = levels[-1]
            level, parent_k, weight_k = cluster_centres(
                below, weight_k, k, search=self.search, iterations=self.options.iterations,
                generator=np.random.default_rng([self.options.seed, number]),
            )  # fmt: skip
            levels[-1] = replace(below, parent_k=parent_k)
            levels.append(level)
        return tuple(levels)


def cluster_centres(
    below: Level,
    weight_k: WeightArray,
    count: int,
    *,
    search: Search,
    iterations: int,
    generator: np.random.Generator,
) -> tuple[Level, IntArray, WeightArray]:
    """Cluster the centres of a level.

    Args:
        below: The level.
        weight_k: Weight of each of its centres.
        count: Number of clusters of the new level.
        search: Search for the nearest centre.
        iterations: Maximum number of iterations.
        generator: Draws the start.

    Returns:
        The new level, the number of its cluster that contains each centre, and the weights of its
        centres.
    """
    centres = ArrayVectors(below.centre_kD)
    start = draw_start(centres, count, search=search, weight_n=weight_k, generator=generator)
    state = lloyd(
        centres, start, search=search, weight_n=weight_k, iterations=iterations,
        on_state=lambda _: None, on_vectors=lambda _: None,
    )  # fmt: skip
    found = assign(centres, state.centre_kD, search, weight_k, lambda _: None)
    size_k = np.bincount(found.label_n, below.size_k, count).astype(np.int64)
    order = largest_first(size_k)
    level = Level(centre_kD=state.centre_kD[order], size_k=size_k[order])
    return level, np.argsort(order)[found.label_n], found.weights(search.metric)[order]


def largest_first(size_k: NDArray[np.generic]) -> IntArray:
    """Return the order of clusters from the largest to the smallest."""
    return np.argsort(-size_k.astype(np.float64), kind="stable")


def labels_of_levels(levels: Sequence[Level], label_n: IntArray) -> list[IntArray]:
    """Return the cluster of each vector on all levels, by that on the finest one."""
    found = [label_n]
    for level in levels[:-1]:
        assert level.parent_k is not None
        found.append(level.parent_k[found[-1]])
    return found


def _store(path: Path, state: State) -> None:
    write_arrays(path, {"centre_kD": state.centre_kD, "inertia": np.array(state.inertia)})
