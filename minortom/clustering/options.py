"""Options of ``minortom cluster``."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import get_args

from minortom.api.arguments import keep_whole, one_of, several, whole_number
from minortom.api.choices import CellRows, Metric
from minortom.errors import InputError, UsageError

DEFAULT_METRIC: Metric = "spherical"
DEFAULT_ROWS: CellRows = "mean"
DEFAULT_ITERATIONS = 25
DEFAULT_PER_CLUSTER = 256
_EXPECTED = "numbers of clusters, the largest first, such as 5000,200"


@dataclass(frozen=True, kw_only=True)
class ClusterOptions:
    """Options of new clusters.

    Raises:
        InputError: If the numbers of clusters do not descend, or a value is out of range.
    """

    k: tuple[int, ...]
    """Number of clusters of each level, the finest level first."""
    metric: Metric = DEFAULT_METRIC
    rows: CellRows = DEFAULT_ROWS
    """Rule for several rows of a cell."""
    iterations: int = DEFAULT_ITERATIONS
    """Maximum number of iterations of each level."""
    vectors_per_cluster: int = DEFAULT_PER_CLUSTER
    """Training vectors for each cluster of the finest level, on average; the rest is drawn out."""
    seed: int = 0

    def __post_init__(self) -> None:
        one_of("metric", self.metric, get_args(Metric))
        one_of("rows", self.rows, get_args(CellRows))
        keep_whole(self, {"iterations": 1, "vectors_per_cluster": 1, "seed": 0})
        if any(fine <= coarse for fine, coarse in pairwise(self.k)):
            raise InputError(
                f"expected --k with {_EXPECTED}, found {','.join(map(str, self.k))}, which does "
                "not descend; a level has fewer clusters than the one before"
            )

    @classmethod
    def of(
        cls,
        *,
        k: str | int | Sequence[int] | None,
        metric: Metric | None,
        rows: CellRows | None,
        iterations: int | None,
        vectors_per_cluster: int | None,
        seed: int,
    ) -> "ClusterOptions":
        """Return the options with the defaults in the place of None.

        Raises:
            UsageError: If ``k`` is None.
            InputError: If a value is invalid.
        """
        if k is None:
            raise UsageError(f"expected --k with {_EXPECTED}, or --centroids, found neither")
        per_cluster = vectors_per_cluster
        return cls(
            k=parse_k(k),
            metric=DEFAULT_METRIC if metric is None else metric,
            rows=DEFAULT_ROWS if rows is None else rows,
            iterations=DEFAULT_ITERATIONS if iterations is None else iterations,
            vectors_per_cluster=DEFAULT_PER_CLUSTER if per_cluster is None else per_cluster,
            seed=seed,
        )

    def as_options(self) -> dict[str, object]:
        """Return the options that change the result, for the provenance."""
        return {
            "k": list(self.k), "metric": self.metric, "rows": self.rows,
            "iterations": self.iterations, "vectors_per_cluster": self.vectors_per_cluster,
        }  # fmt: skip


def refuse_options_of_new_clusters(
    *, k: object, metric: object, iterations: object, vectors_per_cluster: object
) -> None:
    """Check that no option is given that only new clusters need.

    Raises:
        UsageError: If one is not None.
    """
    options = {
        "--k": k, "--metric": metric, "--iterations": iterations,
        "--vectors-per-cluster": vectors_per_cluster,
    }  # fmt: skip
    for name, value in options.items():
        if value is not None:
            raise UsageError(f"{name} makes new clusters, which --centroids does not; leave it out")


def parse_k(k: str | int | Sequence[int]) -> tuple[int, ...]:
    """Return the numbers of clusters from text such as ``5000,200``, a number, or numbers.

    Raises:
        InputError: If it is something else, or a number is below 1.
    """
    words = k.split(",") if isinstance(k, str) else k
    values = [words] if isinstance(words, int) else several("k", words, expected=_EXPECTED)
    try:
        found = [int(value) if isinstance(value, str) else value for value in values]
    except ValueError:
        raise InputError(f"expected --k with {_EXPECTED}, found {k!r}") from None
    if not found:
        raise InputError(f"expected --k with {_EXPECTED}, found none")
    return tuple(whole_number("k", value, minimum=1) for value in found)
