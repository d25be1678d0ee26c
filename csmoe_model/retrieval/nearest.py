"""Nearest vectors by cosine: exactly, or through an index for millions.

Axes, as name suffixes:
    q  queries    n  vectors of the archive    k  nearest of each    D  width
"""

import math
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from minortom.errors import InputError

IndexKind = Literal["exact", "ivf"]
"""Every vector is compared; or those of the cells nearest to the query (inverted file)."""

_POINTS_A_CELL = 39
"""The least that faiss wants to find a cell's centre from."""
_LOOKED_AT = 1 / 16
"""Share of the cells that are looked into."""


def nearest(
    query_qD: NDArray[np.float32],
    archive_nD: NDArray[np.float32],
    count: int,
    *,
    index: IndexKind = "exact",
    seed: int = 0,
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Find each query's nearest vectors, nearest first.

    Args:
        query_qD: Queries, of any length.
        archive_nD: What is searched.
        count: How many of each, k; all where the archive is smaller.
        index: See `IndexKind`.
        seed: Of the cells of `ivf`.

    Returns:
        Their numbers and cosines, [q, k].

    Raises:
        InputError: If faiss is missing.
    """
    try:
        import faiss
    except ImportError:
        raise InputError(
            "searching vectors needs the package faiss; install it by "
            "`pip install 'minortom[evaluate]'`"
        ) from None
    archive_nD, count = unit(archive_nD), min(count, len(archive_nD))
    searched: Any = faiss.IndexFlatIP(archive_nD.shape[1])
    num_cells = min(round(4 * math.sqrt(len(archive_nD))), len(archive_nD) // _POINTS_A_CELL)
    if index == "ivf" and num_cells > 1:
        searched = faiss.IndexIVFFlat(
            searched, archive_nD.shape[1], num_cells, faiss.METRIC_INNER_PRODUCT
        )
        searched.cp.seed, searched.cp.niter = seed, 10
        searched.nprobe = max(1, math.ceil(num_cells * _LOOKED_AT))
        searched.train(archive_nD)
    searched.add(archive_nD)
    query_qD = unit(query_qD)
    cosine_qk, number_qk = searched.search(query_qD, count)
    short = (number_qk < 0).any(1)
    if short.any():  # the cells looked into hold fewer than were asked for
        searched.nprobe = num_cells
        cosine_qk[short], number_qk[short] = searched.search(query_qD[short], count)
    return number_qk, cosine_qk


def unit(vector_nD: NDArray[np.float32]) -> NDArray[np.float32]:
    """Give vectors the length 1; one of zeros stays."""
    norm = np.linalg.norm(vector_nD, axis=1, keepdims=True)
    return np.ascontiguousarray(vector_nD / np.maximum(norm, 1e-12), np.float32)
