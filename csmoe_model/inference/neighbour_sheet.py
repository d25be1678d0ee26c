"""Which patches are alike to the model: a sheet of patches with their nearest neighbours."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from minortom.io.atomic_write import whole_file
from minortom.plotting.patch_pictures import Pixels, patch_pictures
from minortom.shards.shard_set import ShardSet

Metadata = Mapping[str, object]

_NUM_QUERIES = 10
_NUM_NEIGHBOURS = 5
_DPI = 100
_PICTURE_INCHES = 1.0
_PLACE_WIDTH, _LINE_HEIGHT = 2.2, 1.6
"""Room for a patch, in sides of a picture: two pictures and the caption above."""


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

    Each patch is shown in true colour and, to its right, as radar (red VV, green VH, blue their
    difference), under its cell, its place in the cell, its climate and its land cover.

    Args:
        data: The shards that the vectors are of.
        vectors: [sample, width], in order of the shards.
        out: PNG to write.
    """
    columns = ("grid_cell", "patch_row", "patch_col", "landcover", "climate", "stratum")
    rows = data.metadata(columns).to_pylist()
    queries = choose_queries([row["stratum"] for row in rows], _NUM_QUERIES)
    found, cosine = nearest(vectors, queries, _NUM_NEIGHBOURS)
    sheet = _Sheet(len(queries), 1 + found.shape[1])
    for line, query in enumerate(queries):
        sheet.show(line, 0, patch_pictures(data, int(query)), "query", rows[query])
        for place, sample in enumerate(found[line]):
            likeness = f"cosine {cosine[line, place]:.2f}"
            sheet.show(line, place + 1, patch_pictures(data, int(sample)), likeness, rows[sample])
    with whole_file(out) as temporary:
        sheet.figure.savefig(temporary, format="png", dpi=_DPI, metadata={"Software": None})


class _Sheet:
    """Pictures in lines and places on one pair of axes: a hundred axes would take seconds."""

    def __init__(self, num_lines: int, num_places: int) -> None:
        """Make an empty sheet; its unit is the side of a picture."""
        width, height = num_places * _PLACE_WIDTH, num_lines * _LINE_HEIGHT
        inches = _PICTURE_INCHES
        self.figure = Figure(figsize=(width * inches, height * inches))
        self._axes = self.figure.add_axes((0, 0, 1, 1))
        self._axes.set_axis_off()
        self._limits = (0, width), (height, 0)

    def show(
        self, line: int, place: int, pictures: tuple[Pixels, Pixels], text: str, row: Metadata
    ) -> None:
        """Put a patch's two pictures side by side, under its caption."""
        left, top = place * _PLACE_WIDTH + 0.1, (line + 1) * _LINE_HEIGHT - 1.05
        for number, pixels in enumerate(pictures):
            side = left + number * 1.02
            extent = (side, side + 1, top + 1, top)
            self._axes.imshow(pixels, extent=extent, interpolation="nearest", aspect="equal")
        where = f"{row['grid_cell']}, row {row['patch_row']}, column {row['patch_col']}"
        caption = f"{text}\n{where}\n{row['climate']}, {row['landcover']}"
        self._axes.text(left, top - 0.04, caption, fontsize=7, va="bottom")
        # Every picture moves the limits.
        self._axes.set_xlim(*self._limits[0])
        self._axes.set_ylim(*self._limits[1])
