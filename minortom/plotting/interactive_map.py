"""A map to zoom into, hover over and filter, for a page that needs no network.

Bokeh draws it in the reader's browser, by WebGL where there is one. This gives the data, the
library's own scripts and the controls; ``templates/map.html.j2`` and ``templates/map.js`` put
them together. Same input, same bytes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

TARGET = "map"
"""Id of the element that the map is drawn into."""

_LAND, _COAST, _SEA, _GRID = "#f3f2ee", "#8d8a83", "#fbfcfd", "#e9ecee"
_FEW = (
    "#1b7837", "#e6a817", "#8c510a", "#c51b7d", "#2166ac", "#d6604d", "#762a83", "#35978f",
    "#4d4d4d", "#80b918", "#6baed6", "#f46d43",
)  # fmt: skip

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
Extent = tuple[float, float, float, float]
"""West, south, east, north, degrees."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Classes:
    """One class a point, of some."""

    names: tuple[str, ...]
    codes: IntArray
    """[n] position in ``names``."""


@dataclass(frozen=True, kw_only=True, eq=False)
class MapPoints:
    """What the map shows: n tiles."""

    cells: Sequence[str]
    lon_deg: FloatArray
    lat_deg: FloatArray
    nearest_km: FloatArray
    """[n] to the nearest other chosen tile; NaN where there is none."""
    strata: Classes
    """Shown on hover."""
    filters: Mapping[str, Classes]
    """What can be filtered by and coloured by, by the name that the reader sees."""
    at_first: Mapping[str, str]
    """Filter -> the one class that it lets through at first; the others let all through."""

    @property
    def shown_at_first(self) -> IntArray:
        """Rows that the map shows before the reader filters."""
        shown = np.ones(len(self.cells), np.bool_)
        for name, only in self.at_first.items():
            classes = self.filters[name]
            shown &= classes.codes == classes.names.index(only)
        return np.flatnonzero(shown)


@dataclass(frozen=True, kw_only=True)
class Choice:
    """One class of a filter, as a box to tick."""

    name: str
    colour: str
    tiles: int
    ticked: bool


def controls(points: MapPoints) -> dict[str, list[Choice]]:
    """Give the boxes of each filter; a filter without a ticked box lets all through."""
    return {
        name: [
            Choice(name=of, colour=colour, tiles=tiles, ticked=of == points.at_first.get(name))
            for of, colour, tiles in zip(
                classes.names,
                palette(len(classes.names)),
                np.bincount(classes.codes, minlength=len(classes.names)).tolist(),
                strict=True,
            )
        ]
        for name, classes in points.filters.items()
    }


def map_item(points: MapPoints, coast: Sequence[FloatArray], extent: Extent) -> dict[str, Any]:
    """Describe the map for ``Bokeh.embed.embed_item``, which draws it into ``TARGET``.

    Args:
        points: What to show.
        coast: Rings of coast lines [points, 2], longitude and latitude; none on another planet.
        extent: What the map shows at first.

    Returns:
        ``item`` for Bokeh, and ``names``: column -> names of its classes. Plain values, ready
        for JSON; names are data in it, never HTML.
    """
    from bokeh.core.types import ID
    from bokeh.embed import json_item

    columns = {"stratum": points.strata} | dict(points.filters)
    item = json_item(_figure(points, columns, coast, extent), ID(TARGET))
    names = {name: list(classes.names) for name, classes in columns.items()}
    return {"item": _renumbered(dict(item), {}), "names": names}


def scripts() -> list[str]:
    """Give the parts of BokehJS that the map needs, as JavaScript."""
    from bokeh.resources import Resources

    # What follows the two only asks Bokeh to log less.
    return list(Resources(mode="inline", components=["bokeh", "bokeh-gl"]).js_raw[:2])


def palette(count: int) -> list[str]:
    """Give so many colours, as ``#rrggbb``."""
    from bokeh.palettes import turbo

    return list(_FEW[:count]) if count <= len(_FEW) else list(turbo(count))


def _figure(
    points: MapPoints, columns: Mapping[str, Classes], coast: Sequence[FloatArray], extent: Extent
) -> Any:  # noqa: ANN401  (Bokeh is loaded inside)
    """Draw coast lines and points. Models that the page's script asks for have names."""
    from bokeh.models import (
        CDSView,
        ColumnDataSource,
        HoverTool,
        IndexFilter,
        LinearColorMapper,
        Range1d,
    )
    from bokeh.plotting import figure

    west, south, east, north = extent
    plot = figure(
        output_backend="webgl", sizing_mode="stretch_width", toolbar_location="above",
        aspect_ratio=(east - west) / (north - south), max_height=640, min_height=280,
        x_range=Range1d(start=west, end=east), y_range=Range1d(start=south, end=north),
        tools="pan,wheel_zoom,box_zoom,reset,save", active_scroll="wheel_zoom",
        background_fill_color=_SEA, outline_line_color=_GRID, name="plot",
    )  # fmt: skip
    plot.toolbar.logo = None
    plot.grid.grid_line_color = _GRID
    if coast:
        x, y = ([np.round(ring[:, axis], 2).tolist() for ring in coast] for axis in (0, 1))
        plot.patches(x, y, fill_color=_LAND, line_color=_COAST, line_width=0.7)
    data: dict[str, Any] = {
        "cell": list(points.cells),
        "lon": points.lon_deg.astype(np.float32),
        "lat": points.lat_deg.astype(np.float32),
        "nearest": points.nearest_km.astype(np.float32),
    }
    # Codes take a tenth of the names' space; the page's script adds the names.
    data |= {f"{name} code": classes.codes.astype(np.uint16) for name, classes in columns.items()}
    first = next(iter(points.filters))
    num_colours = len(points.filters[first].names)
    colours = LinearColorMapper(
        palette=palette(num_colours), low=-0.5, high=num_colours - 0.5, name="colours"
    )
    shown = IndexFilter(
        indices=points.shown_at_first.tolist() if points.at_first else None, name="shown"
    )
    dots = plot.scatter(
        "lon", "lat", source=ColumnDataSource(data, name="tiles"), view=CDSView(filter=shown),
        size=4, line_color=None, fill_alpha=0.85, name="dots",
        fill_color={"field": f"{first} code", "transform": colours},
    )  # fmt: skip
    rows = [("cell", "@cell"), *((name, f"@{{{name}}}") for name in columns)]
    rows += [("nearest", "@nearest{0.0} km")] if np.isfinite(points.nearest_km).all() else []
    plot.add_tools(HoverTool(renderers=[dots], tooltips=rows, limit=4))
    return plot


def _renumbered(value: Any, numbers: dict[str, str]) -> Any:  # noqa: ANN401  (any JSON)
    """Count Bokeh's ids from 1 in order of appearance: it counts on from one map to the next."""
    if isinstance(value, list):
        return [_renumbered(item, numbers) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        key: numbers.setdefault(item, f"p{len(numbers) + 1}")
        if key in ("id", "root_id")
        else _renumbered(item, numbers)
        for key, item in value.items()
    }
