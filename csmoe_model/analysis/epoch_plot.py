"""Picture of scores over epochs: one line for each run, and horizontal lines for baselines."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from csmoe_model.probing.feature_sources import MODEL, UNTRAINED

Point = Mapping[str, Any]

_STYLES = {"band statistics": ":", "random convolutions": "-.", UNTRAINED: "--"}


def epoch_picture(points: Sequence[Point]) -> Figure:
    """Draw the points of `csmoe plot epochs`: of every epoch and every baseline."""
    figure = Figure(figsize=(7.5, 4.6), layout="constrained")
    axes = figure.subplots()
    runs = list(dict.fromkeys(point["from"] for point in points if point["features"] == MODEL))
    colours = {run: f"C{number}" for number, run in enumerate(runs)}
    for run, colour in colours.items():
        _draw_run(axes, run, points, colour=colour)
    _draw_baselines(axes, points, colours)
    first = points[0]
    axes.set(
        title=f"{first['data']}, {first['probe']} probe on {' and '.join(first['sensors'])}",
        xlabel="epochs of pretraining", ylabel=f"{first['score']} (%)",
    )  # fmt: skip
    axes.set_xlim(left=0)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
    return figure


def _draw_run(axes: Axes, run: str, points: Sequence[Point], *, colour: str) -> None:
    """Draw the line of a run with its interval."""
    line = [point for point in points if (point["from"], point["features"]) == (run, MODEL)]
    epochs = [point["epochs"] for point in line]
    low, high = ([point[name] for point in line] for name in ("low", "high"))
    axes.plot(epochs, [point["percent"] for point in line], "o-", color=colour, label=run)
    axes.fill_between(epochs, low, high, color=colour, alpha=0.15, linewidth=0)


def _draw_baselines(axes: Axes, points: Sequence[Point], colours: Mapping[str, str]) -> None:
    """Draw horizontal lines for the baselines.

    Where runs differ in their architecture, each has an untrained model of its own, which is
    drawn in the colour of the run.
    """
    others = [point for point in points if point["features"] != MODEL]
    several = sum(point["features"] == UNTRAINED for point in others) > 1
    for point in others:
        own = several and point["features"] == UNTRAINED
        axes.axhline(
            point["percent"], linestyle=_STYLES[point["features"]],
            color=colours[point["from"]] if own else "0.4",
            label=f"{UNTRAINED} ({point['from']})" if own else point["features"],
        )  # fmt: skip
