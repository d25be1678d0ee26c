"""Score over epoch, as a picture: a line a run, and what needs no training across."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from csmoe_model.probe_features import MODEL, UNTRAINED

Point = Mapping[str, Any]

_STYLES = {"band statistics": ":", "random convolutions": "-."}


def epoch_picture(points: Sequence[Point]) -> Figure:
    """Draw the points of `csmoe plot epochs`: of every epoch, and of every baseline."""
    figure = Figure(figsize=(7.5, 4.6), layout="constrained")
    axes = figure.subplots()
    runs = list(dict.fromkeys(point["from"] for point in points if point["features"] == MODEL))
    for number, run in enumerate(runs):
        _draw_run(axes, run, points, colour=f"C{number}")
    for point in points:
        if point["from"] is None:
            style = _STYLES.get(point["features"], "--")
            axes.axhline(point["percent"], linestyle=style, color="0.4", label=point["features"])
    first = points[0]
    axes.set(
        title=f"{first['data']}, {first['probe']} probe on {' and '.join(first['sensors'])}",
        xlabel="epochs of pretraining", ylabel=f"{first['score']} (%)",
    )  # fmt: skip
    axes.set_xlim(left=0)
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
    return figure


def _draw_run(axes: Axes, run: str, points: Sequence[Point], *, colour: str) -> None:
    """Draw a run's line with its interval; its untrained model is where the line begins."""
    mine = [point for point in points if point["from"] == run]
    line = [point for point in mine if point["features"] == MODEL]
    epochs = [point["epochs"] for point in line]
    low, high = ([point[name] for point in line] for name in ("low", "high"))
    axes.plot(epochs, [point["percent"] for point in line], "o-", color=colour, label=run)
    axes.fill_between(epochs, low, high, color=colour, alpha=0.15, linewidth=0)
    for point in mine:
        if point["features"] == UNTRAINED:
            label = f"{UNTRAINED} ({run})"
            axes.axhline(point["percent"], linestyle="--", color=colour, label=label)
