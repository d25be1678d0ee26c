"""Density maps and maps of classes of tiles, and coast lines.

All maps are PNG files as bytes; the same input gives the same bytes. No function opens a window
or uses matplotlib's global figure.
"""

import io
import json
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.colors import LinearSegmentedColormap, ListedColormap, LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
Points = tuple[FloatArray, FloatArray]
"""Longitude [n] and latitude [n] in degrees."""

COLOURS = {
    "full": "#9aa0a6", "random": "#d1495b", "farthest-point": "#edae49", "grts": "#7a5195",
    "k-means": "#66a182", "selection": "#00798c",
}  # fmt: skip
"""Set -> its colour in every picture."""

_LAND, _SHADE, _COAST = "#f3f2ee", "#dddad2", "#8d8a83"
INK = "#2b2b2b"
"""Colour of text in pictures."""
_DENSITY = LinearSegmentedColormap.from_list(  # light to dark, without grey, on light land
    "density", ["#fde28a", "#f6a13c", "#d8443c", "#8c1d5a", "#2d0b45"]
)
_DPI = 180
_PANEL_IN = 7.5
_CLASS_MAP_IN, _CLASS_MAP_DPI = 11.0, 120
_SQUARES: dict[str, Any] = {
    "origin": "lower", "extent": (-180, 180, -90, 90), "interpolation": "nearest"
}  # fmt: skip
"""Options of `imshow` for squares of 1° x 1°."""


def density_map(panels: Mapping[str, Points], *, annotated: Points) -> bytes:
    """Draw the number of tiles in squares of 1° x 1°, panels side by side (paper, Fig. 3).

    Args:
        panels: Title of each panel -> positions of its tiles.
        annotated: Positions of all annotated tiles; their squares are shaded.

    Returns:
        A PNG; all panels share one logarithmic colour scale.
    """
    counts = {title: density(*points) for title, points in panels.items()}
    candidates = np.ma.masked_equal(density(*annotated) > 0, False)
    west, south, east, north = extent(*annotated)
    top = max(2, *(int(count.max()) for count in counts.values()))
    map_in = min((_PANEL_IN - 0.4) * (north - south) / (east - west), 2 * _PANEL_IN)
    size = (len(panels) * _PANEL_IN, map_in + 1.1)
    figure = Figure(figsize=size, dpi=_DPI, layout="constrained")
    axes = figure.subplots(1, len(panels), squeeze=False, sharey=True)[0]
    land = on_earth(*annotated)
    for ax, (title, count) in zip(axes, counts.items(), strict=True):
        draw_background(ax, land=land)
        ax.imshow(candidates, cmap=ListedColormap([_SHADE]), zorder=2, **_SQUARES)
        picture = ax.imshow(
            np.ma.masked_equal(count, 0), cmap=_DENSITY, norm=LogNorm(1, top), zorder=3, **_SQUARES
        )
        ax.set(xlim=(west, east), ylim=(south, north), aspect="equal")
        ax.set_title(title, loc="left", fontsize=11, color=INK)
        _degrees(ax)
    bar = figure.colorbar(
        picture, ax=axes.tolist(), location="bottom", aspect=60, shrink=0.5, pad=0.02
    )
    ticks = [tick for tick in (1, 2, 5, 10, 20, 50, 100, 200) if tick <= top]
    bar.set_ticks(ticks, labels=[str(tick) for tick in ticks], minor=False)
    bar.ax.minorticks_off()
    bar.set_label("tiles in a square of 1° × 1°", fontsize=10, color=INK)
    bar.ax.tick_params(labelsize=9, colors=INK)
    return png(figure)


def class_map(
    lon_deg: FloatArray, lat_deg: FloatArray, classes: IntArray, colours: Sequence[str]
) -> bytes:
    """Draw the most frequent class in squares of 1° x 1°.

    Args:
        lon_deg: Longitude of each point, degrees.
        lat_deg: Latitude of each point, degrees.
        classes: Class of each point, from 0.
        colours: Colour of each class.

    Returns:
        A PNG.
    """
    west, south, east, north = extent(lon_deg, lat_deg)
    size = (_CLASS_MAP_IN, _CLASS_MAP_IN * (north - south) / (east - west) + 0.4)
    figure = Figure(figsize=size, dpi=_CLASS_MAP_DPI, layout="constrained")
    ax = figure.subplots()
    draw_background(ax, land=on_earth(lon_deg, lat_deg))
    most = np.ma.masked_less(_most_frequent(lon_deg, lat_deg, classes), 0)
    ax.imshow(
        most, cmap=ListedColormap(list(colours)), vmin=-0.5, vmax=len(colours) - 0.5, zorder=3,
        **_SQUARES,
    )  # fmt: skip
    ax.set(xlim=(west, east), ylim=(south, north), aspect="equal")
    _degrees(ax)
    return png(figure)


def _most_frequent(lon_deg: FloatArray, lat_deg: FloatArray, classes: IntArray) -> IntArray:
    """Return the most frequent class in each square [180, 360]; -1 where there is no point."""
    squares, count = _squares(lon_deg, lat_deg), int(classes.max()) + 1
    pairs, points = np.unique(squares * count + classes, return_counts=True)
    square, of_pair = np.divmod(pairs, count)
    order = np.lexsort((of_pair, -points, square))
    first = order[np.unique(square[order], return_index=True)[1]]
    found = np.full(180 * 360, -1, np.int64)
    found[square[first]] = of_pair[first]
    return found.reshape(180, 360)


def density(lon_deg: FloatArray, lat_deg: FloatArray) -> IntArray:
    """Count points in squares of 1° x 1°: [180, 360], from 90° S and 180° W."""
    squares = _squares(lon_deg, lat_deg)
    return np.bincount(squares, minlength=180 * 360).reshape(180, 360)


def _squares(lon_deg: FloatArray, lat_deg: FloatArray) -> IntArray:
    """Return the number of the square of 1° x 1° of each point, row by row."""
    row = np.clip(np.floor(lat_deg + 90), 0, 179).astype(np.int64)
    col = np.floor(lon_deg + 180).astype(np.int64) % 360
    return row * 360 + col


def on_earth(lon_deg: FloatArray, lat_deg: FloatArray) -> bool:
    """Return whether most points lie on the Earth's land, so that coast lines make sense."""
    return share_on_land(lon_deg, lat_deg) > 0.5


def share_on_land(lon_deg: FloatArray, lat_deg: FloatArray) -> float:
    """Return the share of points on the Earth's land, from at most a thousand points.

    Tiles of the synthetic planet lie anywhere; the Earth's coast lines would mislead there.
    """
    import shapely

    some = np.linspace(0, len(lon_deg) - 1, min(len(lon_deg), 1000)).astype(np.int64)
    # A buffer of half a degree: the coarse coast lines omit islands and parts of the shore.
    land = shapely.buffer(shapely.union_all([shapely.polygons(r) for r in coast_lines()]), 0.5)
    return float(np.mean(shapely.contains_xy(land, lon_deg[some], lat_deg[some])))


def draw_background(ax: Axes, *, land: bool) -> None:
    """Draw land and coast lines (Natural Earth, 1:110 m) over longitude and latitude."""
    ax.set_facecolor("#fbfcfd")
    if land:
        ax.add_collection(
            PolyCollection(coast_lines(), facecolors=_LAND, edgecolors="none", zorder=1)
        )
        ax.add_collection(LineCollection(coast_lines(), colors=_COAST, linewidths=0.5, zorder=4))


@cache
def coast_lines() -> tuple[FloatArray, ...]:
    """Read the rings of the coast lines, each [points, 2] with longitude and latitude (degrees)."""
    text = (files("minortom.plotting") / "coast_lines.json").read_text(encoding="utf-8")
    return tuple(np.array(ring, dtype=np.float64) for ring in json.loads(text))


def coast_lines_near(lon_deg: FloatArray, lat_deg: FloatArray) -> tuple[FloatArray, ...]:
    """Return the coast lines for a map of points; none where most points do not lie on land."""
    return coast_lines() if on_earth(lon_deg, lat_deg) else ()


def png(figure: Figure) -> bytes:
    """Return a figure as PNG, without matplotlib's version in its metadata."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()


def extent(lon: FloatArray, lat: FloatArray) -> tuple[float, float, float, float]:
    """Return west, south, east and north of points with a margin of 3°.

    The extent has the full width of the globe if the points are wider than 250°.
    """
    west, east = max(float(lon.min()) - 3, -180.0), min(float(lon.max()) + 3, 180.0)
    south, north = max(float(lat.min()) - 3, -90.0), min(float(lat.max()) + 3, 90.0)
    if east - west > 250:
        west, east = -180.0, 180.0
    if north - south < (east - west) / 4:  # a minimum height for tiles along one parallel
        middle, half = (north + south) / 2, (east - west) / 8
        south, north = max(middle - half, -90.0), min(middle + half, 90.0)
    return west, south, east, north


def _degrees(ax: Axes) -> None:
    ax.xaxis.set_major_formatter(FuncFormatter(lambda lon, _: _degree(lon, "E", "W")))
    ax.yaxis.set_major_formatter(FuncFormatter(lambda lat, _: _degree(lat, "N", "S")))
    west, east = ax.get_xlim()
    south, north = ax.get_ylim()
    step = next(s for s in (1, 2, 5, 10, 30, 60) if (east - west) / s <= 12)
    ax.set_xticks(np.arange(np.ceil(west / step) * step, east + 0.01, step))
    ax.set_yticks(np.arange(np.ceil(south / step) * step, north + 0.01, step))
    ax.tick_params(labelsize=7, length=2, colors="#6b6b6b")
    for spine in ax.spines.values():
        spine.set_color("#c9c9c9")


def _degree(value: float, positive: str, negative: str) -> str:
    return f"{abs(value):.0f}°{positive if value > 0 else negative if value < 0 else ''}"
