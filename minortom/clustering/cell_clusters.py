"""Clusters of cells, from those of their vectors.

Axes, as name suffixes:
    n  vectors    c  cells
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from minortom.clustering.cell_vectors import CellVectors
from minortom.clustering.levels import Assigned, Level, labels_of_levels
from minortom.clustering.vectors import IntArray
from minortom.io.covering import spatial_order


@dataclass(frozen=True, kw_only=True, eq=False)
class CellClusters:
    """Clusters of cells on all levels, and how near the cells are to the centres."""

    table: pa.Table
    """``grid_cell``, ``lat``, ``lon`` (degrees), ``cluster_1`` …, in spatial order."""
    labels: tuple[IntArray, ...]
    """Cluster of each row of the table, by level."""
    distance_c: NDArray[np.float64]
    """Squared distance from each cell to the centre of its finest cluster."""


def column_of(level: int) -> str:
    """Return the name of the column of a level, from 1."""
    return f"cluster_{level}"


def cell_clusters(
    gathered: CellVectors, assigned: Assigned, levels: Sequence[Level]
) -> CellClusters:
    """Return the clusters of cells: each has that of most of its vectors.

    Of two with as many vectors, the larger one wins, which has the smaller number.
    """
    label_c, distance_c = _voted(gathered.cell_n, assigned, len(levels[0]))
    lon_deg, lat_deg = gathered.cells.centres()
    order = spatial_order(lon_deg, lat_deg)
    labels = tuple(label[order] for label in labels_of_levels(levels, label_c))
    columns = {
        "grid_cell": pa.array(gathered.cells.take(order).names()),
        "lat": lat_deg[order], "lon": lon_deg[order],
    } | {
        column_of(level): label.astype(np.int32) for level, label in enumerate(labels, start=1)
    }  # fmt: skip
    return CellClusters(table=pa.table(columns), labels=labels, distance_c=distance_c[order])


def _voted(
    cell_n: IntArray, assigned: Assigned, count: int
) -> tuple[IntArray, NDArray[np.float64]]:
    """Return the cluster [c] of most vectors of each cell, and the distance of the nearest one."""
    pair, votes = np.unique(cell_n * count + assigned.label_n, return_counts=True)
    cell, label = np.divmod(pair, count)
    order = np.lexsort((label, -votes, cell))
    first = order[np.unique(cell[order], return_index=True)[1]]
    label_c = label[first]
    distance_c = np.full(len(label_c), np.inf)
    wins_n = assigned.label_n == label_c[cell_n]
    np.minimum.at(distance_c, cell_n[wins_n], assigned.distance_n[wins_n])
    return label_c, distance_c
