"""Nearest vectors by cosine: by an exact search, or by an index for millions of vectors.

Axes, as name suffixes:
    q  queries    n  vectors of the archive    k  nearest of each    D  width
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from csmoe_model.choices import IndexKind
from minortom.api.faiss_library import load_faiss
from minortom.api.packages import require_package

_NEEDED_BY, _EXTRA = "a search among vectors", "evaluate"
_POINTS_A_CELL = 39
"""Minimum number of vectors from which faiss computes the centre of a cell."""
_FAISS_SEEDS = 2**31
"""Number of seeds that faiss tells apart."""
_SEARCHED_SHARE = 1 / 16
"""Share of the cells that are searched."""


def nearest(
    query_qD: NDArray[np.float32],
    archive_nD: NDArray[np.float32],
    count: int,
    *,
    index: IndexKind = "exact",
    seed: int = 0,
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return the nearest vectors of each query, nearest first.

    Args:
        query_qD: Queries; they need not be unit vectors.
        archive_nD: Vectors to search.
        count: Vectors for each query, k; all vectors where the archive is smaller.
        index: See `IndexKind`.
        seed: Seed of the cells of `ivf`.

    Returns:
        Their numbers and cosines, [q, k].

    Raises:
        InputError: If faiss is missing.
    """
    faiss = load_faiss(needed_by=_NEEDED_BY, extra=_EXTRA)
    archive_nD, count = unit(archive_nD), min(count, len(archive_nD))
    searched: Any = faiss.IndexFlatIP(archive_nD.shape[1])
    num_cells = min(round(4 * math.sqrt(len(archive_nD))), len(archive_nD) // _POINTS_A_CELL)
    if index == "ivf" and num_cells > 1:
        searched = faiss.IndexIVFFlat(
            searched, archive_nD.shape[1], num_cells, faiss.METRIC_INNER_PRODUCT
        )
        searched.cp.seed, searched.cp.niter = seed % _FAISS_SEEDS, 10
        searched.nprobe = max(1, math.ceil(num_cells * _SEARCHED_SHARE))
        searched.train(archive_nD)
    searched.add(archive_nD)
    query_qD = unit(query_qD)
    cosine_qk, number_qk = searched.search(query_qD, count)
    short = (number_qk < 0).any(1)
    if short.any():  # the searched cells hold fewer vectors than `count`
        searched.nprobe = num_cells
        cosine_qk[short], number_qk[short] = searched.search(query_qD[short], count)
    return number_qk, cosine_qk


def check_faiss() -> None:
    """Check that faiss, which searches vectors, is installed.

    Raises:
        InputError: If it is missing.
    """
    require_package("faiss", needed_by=_NEEDED_BY, extra=_EXTRA)


def unit(vector_nD: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return vectors scaled to length 1; a vector of zeros stays as it is."""
    norm = np.linalg.norm(vector_nD, axis=1, keepdims=True)
    return np.ascontiguousarray(vector_nD / np.maximum(norm, 1e-12), np.float32)
