"""Result of ``minortom cluster``."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from minortom.io.table_result import TableResult


@dataclass(frozen=True, kw_only=True, eq=False)
class ClusterResult(TableResult):
    """Clusters of cells, with the figures of their training.

    Values that only a run knows are None if the output was up to date.
    """

    page: Path
    """HTML page with the sizes of the clusters and example cells."""
    centroids: Path
    """File with the centres of the clusters; the one that was given where no cluster is new."""
    cells: int
    clusters: Sequence[int]
    """Number of clusters of each level, the finest first."""
    embeddings: int | None = None
    """Rows that were read, of the chosen sensor."""
    width: int | None = None
    """Length of an embedding."""
    iterations: int | None = None
    """Iterations of the finest level; None where no cluster is new."""
    inertia: float | None = None
    """Sum of the squared distances of all vectors to the centres of the finest level."""
    empty: Sequence[int] | None = None
    """Number of clusters of each level without a cell."""

    def as_dict(self) -> dict[str, object]:
        """Return the values that are known, as JSON has them."""
        values: dict[str, object] = super().as_dict()
        return {name: value for name, value in values.items() if value is not None}
