"""Picture of some patches with their nearest neighbours, `csmoe embed --neighbours`."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from minortom.io.atomic_write import atomic_file
from minortom.plotting.patch_pictures import Pixels, patch_pictures
from minortom.shards.shard_set import ShardSet

Metadata = Mapping[str, object]

_NUM_QUERIES = 10
_NUM_NEIGHBOURS = 5
_DPI = 100
_PICTURE_INCHES = 1.0
_PLACE_WIDTH, _LINE_HEIGHT = 2.2, 1.6
"""Space for a patch, in sides of a picture: two pictures and the caption above them."""


def nearest(
    vectors: NDArray[np.float32], queries: NDArray[np.int64], count: int
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return the nearest other vectors of each query by cosine, nearest first.

    The mean vector is subtracted first: all [CLS] vectors have it in common, so that all cosines
    would be near 1.

    Args:
        vectors: [sample, width].
        queries: Numbers of the samples to compare.
        count: Neighbours of each query; fewer where there are fewer samples.

    Returns:
        Numbers and cosines of the neighbours, [query, neighbour].
    """
    centred = vectors - vectors.mean(0)
    unit = centred / np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), 1e-12)
    cosine = unit[queries] @ unit.T
    cosine[np.arange(len(queries)), queries] = -np.inf
    order = np.argsort(-cosine, axis=1, kind="stable")[:, : min(count, len(vectors) - 1)]
    return order, np.take_along_axis(cosine, order, axis=1)


def choose_queries(groups: list[str], count: int) -> NDArray[np.int64]:
    """Return numbers of samples, taken from each group in turn until `count` are chosen."""
    turns: dict[str, int] = {}
    keys = []
    for number, group in enumerate(groups):
        turn = turns[group] = turns.get(group, -1) + 1
        keys.append((turn, number))
    order = sorted(range(len(groups)), key=lambda number: keys[number])
    return np.array(sorted(order[:count], key=lambda number: (groups[number], number)), np.int64)


def draw_neighbours(data: ShardSet, vectors: NDArray[np.float32], out: Path) -> None:
    """Draw some patches, one in each row, with their nearest neighbours, as a PNG.

    Each patch has a picture in true colour and, to its right, one of radar (red VV, green VH, blue
    their difference). The caption names its cell, its row and column, climate and land cover.

    Args:
        data: Shards that the vectors were made from.
        vectors: [sample, width], in the order of the shards.
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
            text = f"cosine {cosine[line, place]:.2f}"
            sheet.show(line, place + 1, patch_pictures(data, int(sample)), text, rows[sample])
    with atomic_file(out) as temporary:
        sheet.figure.savefig(temporary, format="png", dpi=_DPI, metadata={"Software": None})


class _Sheet:
    """Grid of pictures on one pair of axes, since a hundred pairs would take seconds to draw."""

    def __init__(self, num_lines: int, num_places: int) -> None:
        """Create an empty sheet; its unit of length is the side of a picture."""
        width, height = num_places * _PLACE_WIDTH, num_lines * _LINE_HEIGHT
        inches = _PICTURE_INCHES
        self.figure = Figure(figsize=(width * inches, height * inches))
        self._axes = self.figure.add_axes((0, 0, 1, 1))
        self._axes.set_axis_off()
        self._limits = (0, width), (height, 0)

    def show(
        self, line: int, place: int, pictures: tuple[Pixels, Pixels], text: str, row: Metadata
    ) -> None:
        """Draw the two pictures of a patch side by side, under its caption."""
        left, top = place * _PLACE_WIDTH + 0.1, (line + 1) * _LINE_HEIGHT - 1.05
        for number, pixels in enumerate(pictures):
            side = left + number * 1.02
            extent = (side, side + 1, top + 1, top)
            self._axes.imshow(pixels, extent=extent, interpolation="nearest", aspect="equal")
        where = f"{row['grid_cell']}, row {row['patch_row']}, column {row['patch_col']}"
        caption = f"{text}\n{where}\n{row['climate']}, {row['landcover']}"
        self._axes.text(left, top - 0.04, caption, fontsize=7, va="bottom")
        # imshow changes the limits.
        self._axes.set_xlim(*self._limits[0])
        self._axes.set_ylim(*self._limits[1])
