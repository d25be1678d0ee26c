"""Page of clusters: their sizes, where they lie, and example cells of each."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from minortom.clustering.cell_clusters import CellClusters
from minortom.clustering.levels import Level
from minortom.clustering.vectors import IntArray
from minortom.io.provenance import Provenance
from minortom.plotting.charts import size_chart
from minortom.plotting.density_map import class_map
from minortom.plotting.html_page import page_template, png_uri
from minortom.plotting.interactive_map import palette

_MAX_COLOURS = 251
"""Clusters of different colours, a prime number, so that steps reach each colour once."""
_STEP = 97
_EXAMPLES = 6
_MAX_ROWS = 1000
"""Clusters in the table of the page."""


@dataclass(frozen=True, kw_only=True, eq=False)
class PageContent:
    """The content of the page."""

    cells: CellClusters
    levels: Sequence[Level]
    vectors: int
    """Vectors that were clustered or assigned."""
    rows: int
    """Rows of embeddings."""


@dataclass(frozen=True, kw_only=True)
class Example:
    """A cell near the centre of its finest cluster."""

    name: str
    lat: float
    lon: float


@dataclass(frozen=True, kw_only=True)
class Row:
    """A cluster of the last level, as the page shows it."""

    number: int
    cells: int
    share: float
    """Share of all cells."""
    finest: int
    """Number of its clusters on the finest level that have cells."""
    examples: Sequence[Example]


def clusters_page(content: PageContent, provenance: Provenance) -> str:
    """Return the page as HTML: one file that needs no network."""
    cells = content.cells
    sizes = [
        np.bincount(labels, minlength=len(level))
        for labels, level in zip(cells.labels, content.levels, strict=True)
    ]
    lon_deg, lat_deg = (cells.table[name].to_numpy() for name in ("lon", "lat"))
    pictures = {
        "map": class_map(lon_deg, lat_deg, cells.labels[-1] % _MAX_COLOURS, _colours(sizes[-1])),
        "sizes": size_chart({f"cluster_{n}": size for n, size in enumerate(sizes, start=1)}),
    }
    return page_template("minortom.clustering", "clusters.html.j2").render(
        content=content,
        sizes=sizes,
        table=table_rows(cells, sizes)[:_MAX_ROWS],
        pictures={name: png_uri(png) for name, png in pictures.items()},
        record=provenance.as_dict(),
    )


def _colours(sizes: IntArray) -> list[str]:
    """Return a colour for each cluster, unlike that of the next larger one."""
    colours = palette(min(len(sizes), _MAX_COLOURS))
    return [colours[n * _STEP % len(colours)] for n in range(len(colours))]


def table_rows(cells: CellClusters, sizes: Sequence[IntArray]) -> list[Row]:
    """Return the clusters of the last level that have cells, the largest first."""
    finest, last = cells.labels[0], cells.labels[-1]
    examples = _examples(cells, sizes[0])
    names, lat, lon = (cells.table[name] for name in ("grid_cell", "lat", "lon"))
    pairs = np.unique(np.stack([last, finest]), axis=1)
    finest_of = np.bincount(pairs[0], minlength=len(sizes[-1]))
    order = np.argsort(-sizes[-1], kind="stable")
    return [
        Row(
            number=int(number), cells=int(sizes[-1][number]),
            share=float(sizes[-1][number] / len(last)), finest=int(finest_of[number]),
            examples=[
                Example(name=names[i].as_py(), lat=lat[i].as_py(), lon=lon[i].as_py())
                for i in examples.get(int(number), [])
            ],
        )
        for number in order if sizes[-1][number]
    ]  # fmt: skip


def _examples(cells: CellClusters, size_k: IntArray) -> dict[int, list[int]]:
    """Return rows of some cells of each cluster of the last level.

    The cells nearest to the centres of its largest finest clusters come first, then the second
    nearest ones, and so on, so that examples are typical and differ.
    """
    finest, last = cells.labels[0], cells.labels[-1]
    by_distance = np.lexsort((cells.distance_c, finest))
    first = np.searchsorted(finest[by_distance], np.arange(len(size_k)))
    rank: NDArray[np.int64] = np.empty(len(finest), np.int64)
    rank[by_distance] = np.arange(len(finest)) - first[finest[by_distance]]
    order = np.lexsort((finest, -size_k[finest], rank, last))
    begins = np.flatnonzero(np.diff(last[order], prepend=-1))
    return {
        int(last[order[begin]]): order[begin:end][:_EXAMPLES].tolist()
        for begin, end in zip(begins, [*begins[1:], len(order)], strict=True)
    }
