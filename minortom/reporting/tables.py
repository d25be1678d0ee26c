"""The tables of a report: the paper's Table II, strata by class, and strata that are not full."""

import math
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from minortom.reporting.comparison import Comparison

IntArray = NDArray[np.int64]

PAPER = {
    # Table II of the CSMoE paper (arXiv 2509.14104): MTom, MTom_r, MTom_mu
    "Tiles": ("1,302,691", "18,785", "18,846"),
    "Tiles a climate zone": ("43,423", "626", "628"),
    "Tiles a land-cover class": ("118,426", "1,707", "1,713"),
    "Tiles a combination": ("7,434 σ 16,395", "98 σ 4", "100 σ 2"),
    "Average distance": ("6,737 km", "8,192 km", "8,648 km"),
    "Distance to the nearest tile": ("10 km", "32 km", "36 km"),
    "Distance within a stratum": ("2,748 km", "1,811 km", "5,106 km"),
}
"""The figures of the paper, which used another archive and other strata."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One row of the table of sets."""

    label: str
    note: str
    """Description of the statistic."""
    values: tuple[str, ...]
    """Value of each set, in the order of the sets."""
    paper: tuple[str, str, str]
    """The paper's values of full set, random draw and selection; a dash if the paper has none."""


def table_of_sets(compared: Comparison) -> list[Row]:
    """Return the rows of the paper's Table II and other statistics, one column a set.

    The column of the random draws has the mean over the draws, and their standard deviation
    after ±.
    """
    m, c, wanted = list(compared.metrics.values()), list(compared.counts.values()), compared.wanted
    alike = wanted.min() == wanted.max()
    filled = _number(0.9 * int(wanted[0])) if alike else "90 % of the requested tiles"
    lines = [
        ("Tiles", "", [_number(x.tiles) for x in m]),
        ("Tiles a climate zone", "mean over zones in the set",
         [_number(x.climate_mean) for x in c]),
        ("Tiles a land-cover class", "mean over classes in the set",
         [_number(x.landcover_mean) for x in c]),
        ("Tiles a combination", f"over strata with more than {filled}",
         [f"{_number(x.stratum_mean)} σ {_number(x.stratum_sd)}" for x in c]),
        ("Average distance", "between any two tiles", _measured(compared, "pairwise_km")),
        ("Distance to the nearest tile", "mean over tiles, the paper's “min. distance”",
         _measured(compared, "nn_km")),
        ("Distance within a stratum", "between any two of its tiles; mean over large strata",
         _measured(compared, "within_km")),
        ("Distance to a chosen tile", "from any tile of a large stratum, within that stratum",
         _measured(compared, "cover_km")),
        ("Spatial imbalance", "Voronoi balance of Stevens and Olsen; 0 is perfect",
         _measured(compared, "balance")),
        ("Strata taken whole", "fewer tiles than requested, all of them in the set",
         [_number(x.taken_whole) for x in m]),
        ("Strata with too few tiles", "fewer in the set than requested although there are more",
         [_number(x.underfull) for x in m]),
    ]  # fmt: skip
    dashes = ("–", "–", "–")
    return [
        Row(label=label, note=note, values=tuple(values), paper=PAPER.get(label, dashes))
        for label, note, values in lines
    ]


@dataclass(frozen=True, kw_only=True)
class TileCounts:
    """The numbers of tiles of one climate and one land cover."""

    available: int
    chosen: int
    shade: float
    """Shade of the cell: 0 for no chosen tile, 1 for the maximum."""


@dataclass(frozen=True, kw_only=True)
class Grid:
    """Strata as a table, one row a climate and one column a land cover; None without tiles."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[TileCounts | None, ...]], ...]


def grid_of_strata(annotated: pa.Table, mask: NDArray[np.bool_]) -> Grid:
    """Count annotated and chosen tiles by climate and land cover, classes sorted by code."""
    climates, zone = classes_of(annotated, "climate")
    covers, cover = classes_of(annotated, "landcover")
    index, shape = zone * len(covers) + cover, (len(climates), len(covers))
    size = len(climates) * len(covers)
    available = np.bincount(index, minlength=size).reshape(shape)
    chosen = np.bincount(index[mask], minlength=size).reshape(shape)
    top = max(int(chosen.max()), 1)
    rows = []
    for i, name in enumerate(climates):
        cells = [
            TileCounts(
                available=int(available[i, k]), chosen=int(chosen[i, k]),
                shade=round(math.log1p(chosen[i, k]) / math.log1p(top), 3),
            )
            if available[i, k] else None
            for k in range(len(covers))
        ]  # fmt: skip
        rows.append((name, tuple(cells)))
    return Grid(columns=tuple(covers), rows=tuple(rows))


@dataclass(frozen=True, kw_only=True)
class UnderfullStratum:
    """A stratum with fewer selected tiles than requested."""

    name: str
    chosen: int
    wanted: int
    available: int


def underfull_strata(compared: Comparison) -> list[UnderfullStratum]:
    """Return the strata with fewer selected tiles than requested, most selected tiles first."""
    strata = compared.tiles.strata
    found = [
        UnderfullStratum(name=name, chosen=int(held), wanted=int(wanted), available=int(size))
        for name, held, wanted, size in zip(
            strata.names, compared.held, compared.wanted, strata.sizes, strict=True
        )
        if held < wanted
    ]
    return sorted(found, key=lambda row: (-row.chosen, row.name))


def classes_of(annotated: pa.Table, name: str) -> tuple[list[str], IntArray]:
    """Return the classes of a column sorted by code, and the position of each row's class."""
    column = annotated[name].cast(pa.string()).combine_chunks().dictionary_encode()
    codes = annotated[f"{name}_code"].to_numpy()
    indices = column.indices.to_numpy()
    names = column.dictionary.to_pylist()
    _, first = np.unique(indices, return_index=True)
    order = np.argsort(codes[first], kind="stable")
    position = np.empty(len(names), np.int64)
    position[order] = np.arange(len(names))
    return [names[i] for i in order], position[indices]


def _number(value: float, digits: int = 0) -> str:
    return "–" if math.isnan(value) else f"{value:,.{digits}f}"


def _measured(compared: Comparison, name: str) -> list[str]:
    """Return a measure of each set as text; for random draws with the standard deviation."""
    shown = []
    for of, metrics in compared.metrics.items():
        value = getattr(metrics, name)
        digits = 3 if name == "balance" else 1 if value < 100 else 0
        text = _number(value, digits)
        if of == "random" and not math.isnan(compared.draws.sd[name]):
            text += f" ± {_number(compared.draws.sd[name], digits)}"
        shown.append(text + (" km" if name.endswith("_km") and not math.isnan(value) else ""))
    return shown
