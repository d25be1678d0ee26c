"""Charts of a selection and of clusters: tiles a stratum, distances, convergence, sizes.

All charts are PNG files as bytes; the same input gives the same bytes.
"""

from collections.abc import Mapping, Sequence
from itertools import cycle

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter
from numpy.typing import NDArray

from minortom.plotting.density_map import COLOURS, INK, png

_DPI = 280
_SIZE_IN = 4.6, 3.0
"""Small, so that text of 9 pt has 10 px on a page that is 400 px wide."""
_LOGARITHMIC_ABOVE = 50  # generations

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


def strata_chart(available: IntArray, chosen: IntArray) -> bytes:
    """Draw the annotated and the selected tiles of each stratum, largest stratum first.

    Args:
        available: [S] annotated tiles of each stratum.
        chosen: [S] selected tiles of each stratum.
    """
    order = np.argsort(-available, kind="stable")
    rank = np.arange(1, len(order) + 1)
    figure, ax = _chart()
    ax.bar(rank, available[order], width=1, color="#d5d8da", label="annotated")
    ax.bar(rank, chosen[order], width=1, color=COLOURS["selection"], label="selected")
    ax.set(yscale="log", xlim=(0.5, len(rank) + 0.5), ylim=(0.7, available.max() * 1.6))
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    ax.set_xlabel("stratum, by size", fontsize=9)
    ax.set_ylabel("tiles", fontsize=9)
    ax.legend(frameon=False, fontsize=9, loc="upper right")
    _plain(ax)
    return png(figure)


def distance_chart(distances_km: Mapping[str, FloatArray]) -> bytes:
    """Draw the cumulative distribution of the nearest distances of each set.

    Args:
        distances_km: Name of the set (as in ``COLOURS``) -> [n] distance from each tile to the
            nearest other tile of the set.
    """
    figure, ax = _chart()
    for name, values in distances_km.items():
        ordered = np.sort(values)
        share = np.arange(1, len(ordered) + 1) / len(ordered) * 100
        some = np.unique(np.linspace(0, len(ordered) - 1, 2000).astype(np.int64))
        ax.step(ordered[some], share[some], where="post", color=COLOURS[name], lw=2, label=name)
        ax.axvline(values.mean(), color=COLOURS[name], lw=1, ls=":")
    longest = max(float(np.quantile(values, 0.995)) for values in distances_km.values())
    ax.set(xlim=(0, max(longest, 1.0)), ylim=(0, 101))
    ax.set_xlabel("distance to the nearest other tile of the set, km\n(dotted: mean)", fontsize=9)
    ax.set_ylabel("share of tiles, %", fontsize=9)
    ax.legend(frameon=False, fontsize=9, loc="lower right")
    _plain(ax)
    return png(figure)


def convergence_chart(scores: Mapping[str, Sequence[float]]) -> bytes:
    """Draw the convergence of the search: last best score minus each best score before.

    Args:
        scores: Stratum -> score at the start and best score after each generation (nats, or km
            for a distance), at least one. If a search was cut short, its last score is repeated.
    """
    longest = max(len(values) for values in scores.values())
    padded = np.array([[*values, *[values[-1]] * (longest - len(values))]
                       for values in scores.values()])  # fmt: skip
    missing = padded[:, -1:] - padded
    generation = np.arange(1, longest + 1)
    figure, ax = _chart()
    some = np.unique(np.geomspace(1, longest, min(longest, 400)).round().astype(np.int64)) - 1
    ax.plot(generation[some], missing[:, some].T, color=COLOURS["full"], lw=0.5, alpha=0.35)
    low, middle, high = np.quantile(missing[:, some], [0.1, 0.5, 0.9], axis=0)
    colour = COLOURS["selection"]
    ax.fill_between(generation[some], low, high, color=colour, alpha=0.2, lw=0,
                    label="80 % of the strata")  # fmt: skip
    ax.plot(generation[some], middle, color=colour, lw=2, label="median stratum",
            marker="o" if longest <= _LOGARITHMIC_ABOVE else None, ms=4)  # fmt: skip
    ax.set(
        xlim=(1, max(longest, 2)),
        ylim=(min(float(missing.min()), 0.0) * 1.04, max(float(missing.max()), 1e-6) * 1.04),
    )
    if longest > _LOGARITHMIC_ABOVE:
        ax.set_xscale("log")
        ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    else:
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.set_xlabel("start and generations of all searches\n(grey: one line a stratum)", fontsize=9)
    ax.set_ylabel("last best score minus\nbest score (nats, or km)", fontsize=9)
    ax.legend(frameon=False, fontsize=9, loc="upper right")
    _plain(ax)
    return png(figure)


def size_chart(sizes: Mapping[str, IntArray]) -> bytes:
    """Draw the cells in each cluster, the largest first, one line for each level.

    Args:
        sizes: Name of the level -> [k] cells in each cluster; clusters without cells are left out.
    """
    figure, ax = _chart()
    for (name, values), colour in zip(sizes.items(), cycle(COLOURS.values()), strict=False):
        ordered = -np.sort(-values[values > 0])
        rank = np.arange(1, len(ordered) + 1)
        ax.step(rank, ordered, where="mid", color=colour, lw=2, label=name)
    ax.set(xscale="log", yscale="log")
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
        axis.set_minor_formatter(NullFormatter())
    ax.set_xlabel("cluster, by size", fontsize=9)
    ax.set_ylabel("cells", fontsize=9)
    ax.legend(frameon=False, fontsize=9, loc="upper right")
    _plain(ax)
    return png(figure)


def _chart() -> tuple[Figure, Axes]:
    figure = Figure(figsize=_SIZE_IN, dpi=_DPI, layout="constrained")
    return figure, figure.subplots()


def _plain(ax: Axes) -> None:
    ax.grid(axis="y", color="#e6e6e6", lw=0.8)
    ax.set_axisbelow(True)
    ax.tick_params(labelsize=9, colors=INK)
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)
