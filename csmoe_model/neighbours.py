"""Which patches are alike to the model: a sheet of patches with their nearest neighbours."""

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from minortom.outputs import whole_file
from minortom.sensors import S1, S2_10M
from minortom.shards import ShardSet

Pixels = NDArray[np.float32]
"""Red, green and blue from 0 to 1, [row, column, 3]."""

_NUM_QUERIES = 10
_NUM_NEIGHBOURS = 5
_REFLECTANCE_WHITE = 0.35
"""Brighter is white; what a bright field or dry sand reflects. Snow and cloud are beyond."""
_GAMMA = 1.8
"""Lifts water and forest out of the dark, as the eye does."""
_VV_DB, _VH_DB, _RATIO_DB = (-20.0, 0.0), (-27.0, -5.0), (2.0, 14.0)
"""What is drawn as 0 and as 1 in red (VV), green (VH) and blue (VV over VH)."""


def nearest(
    vectors: NDArray[np.float32], queries: NDArray[np.int64], count: int
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Find each query's nearest other vectors by cosine, nearest first.

    Vectors are compared after their common mean is taken away, which all [CLS] vectors share
    and which would make everything alike.

    Args:
        vectors: [sample, width].
        queries: Numbers of samples.
        count: Neighbours of each; fewer if there are fewer samples.

    Returns:
        Numbers and cosines, [query, neighbour].
    """
    centred = vectors - vectors.mean(0)
    unit = centred / np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), 1e-12)
    cosine = unit[queries] @ unit.T
    cosine[np.arange(len(queries)), queries] = -np.inf
    order = np.argsort(-cosine, axis=1, kind="stable")[:, : min(count, len(vectors) - 1)]
    return order, np.take_along_axis(cosine, order, axis=1)


def choose_queries(groups: list[str], count: int) -> NDArray[np.int64]:
    """Choose samples by turns from each group, so that every group is shown before any twice."""
    turns: dict[str, int] = {}
    keys = []
    for number, group in enumerate(groups):
        turn = turns[group] = turns.get(group, -1) + 1
        keys.append((turn, number))
    order = sorted(range(len(groups)), key=lambda number: keys[number])
    return np.array(sorted(order[:count], key=lambda number: (groups[number], number)), np.int64)


def draw_neighbours(data: ShardSet, vectors: NDArray[np.float32], out: Path) -> None:
    """Draw some patches, one a row, and their nearest neighbours, as a PNG.

    Each patch is shown in true colour above and as radar (VV, VH, VV - VH) below, under its
    cell, place in the cell, land cover and climate.

    Args:
        data: The shards that the vectors are of.
        vectors: [sample, width], in order of the shards.
        out: PNG to write.
    """
    columns = ("grid_cell", "patch_row", "patch_col", "landcover", "climate", "stratum")
    rows = data.metadata(columns).to_pylist()
    queries = choose_queries([row["stratum"] for row in rows], _NUM_QUERIES)
    found, cosine = nearest(vectors, queries, _NUM_NEIGHBOURS)
    figure = Figure(figsize=(1.75 * (1 + found.shape[1]), 3.9 * len(queries)), layout="constrained")
    axes = figure.subplots(2 * len(queries), 1 + found.shape[1], squeeze=False)
    for number, query in enumerate(queries):
        for place, sample in enumerate((query, *found[number])):
            above, below = axes[2 * number, place], axes[2 * number + 1, place]
            true_colour, radar = _pictures(data, int(sample))
            _show(above, true_colour)
            _show(below, radar)
            above.set_title(_caption(rows[sample], query=not place), fontsize=7)
            likeness = "query" if not place else f"cosine {cosine[number, place - 1]:.2f}"
            below.set_xlabel(likeness, fontsize=7)
    with whole_file(out) as temporary:
        figure.savefig(temporary, format="png", dpi=90, metadata={"Software": None})


def _caption(row: dict[str, object], *, query: bool) -> str:
    place = f"{row['grid_cell']}\nrow {row['patch_row']}, column {row['patch_col']}"
    kind = f"{row['climate']}, {row['landcover']}".replace("_", " ")
    return f"{'Query: ' if query else ''}{place}\n{kind}"


def _show(axes: Axes, pixels: Pixels) -> None:
    axes.imshow(pixels, interpolation="nearest")
    axes.set_xticks([])
    axes.set_yticks([])


def _pictures(data: ShardSet, sample: int) -> tuple[Pixels, Pixels]:
    """Read one sample as a true-colour and a radar picture."""
    buffers = {
        column: array for column, array in data.buffers(1).items()
        if column in (S2_10M.column, S1.column)
    }  # fmt: skip
    data.read_into(sample, buffers, 0)
    s2 = buffers[S2_10M.column][0].astype(np.float32) * S2_10M.scale
    s1 = buffers[S1.column][0].astype(np.float32) * S1.scale
    red, green, blue = (s2[S2_10M.bands.index(band)] for band in ("B04", "B03", "B02"))
    true_colour = np.stack([red, green, blue], axis=2) / _REFLECTANCE_WHITE
    vv, vh = (s1[S1.bands.index(band)] for band in ("vv", "vh"))
    stretched = [
        (values - low) / (high - low)
        for values, (low, high) in ((vv, _VV_DB), (vh, _VH_DB), (vv - vh, _RATIO_DB))
    ]
    radar = np.stack(stretched, axis=2)
    eye = np.clip(true_colour, 0, 1) ** (1 / _GAMMA)
    return eye.astype(np.float32), np.clip(radar, 0, 1).astype(np.float32)
