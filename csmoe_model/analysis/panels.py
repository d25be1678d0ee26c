"""Panels of a picture, one for each labelled set."""

from collections.abc import Mapping
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

_MAX_COLUMNS = 3


def draw_panels(count: int) -> tuple[Figure, list[Axes]]:
    """Return a figure with empty panels, and its panels."""
    columns = min(count, _MAX_COLUMNS)
    rows = -(-count // columns)
    figure = Figure(figsize=(1 + 4.5 * columns, 3.6 * rows), layout="constrained")
    panels = list(figure.subplots(rows, columns, squeeze=False).flat)
    for axes in panels:
        axes.grid(alpha=0.3)
    for axes in panels[count:]:
        axes.remove()
    return figure, panels[:count]


def is_published(point: Mapping[str, Any]) -> bool:
    """Return whether a point is from the paper; such a point has no interval."""
    return str(point["from"]).startswith("paper")


def error_bars(point: Mapping[str, Any]) -> list[list[float]] | None:
    """Return the distances from a score to the ends of its interval; None without interval."""
    if is_published(point):
        return None
    return [[point["percent"] - point["low"]], [point["high"] - point["percent"]]]
