"""An interactive map of tiles, with zoom, tooltips and filters, for a page without network.

Bokeh draws the map in the reader's browser, with WebGL if available. This module returns the
data, the scripts of Bokeh and the controls; ``templates/map.html.j2`` and ``templates/map.js`` of
the report use them. The same input gives the same bytes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

TARGET = "map"
"""Id of the HTML element that contains the map."""

_FEW = (
    "#1b7837", "#e6a817", "#8c510a", "#c51b7d", "#2166ac", "#d6604d", "#762a83", "#35978f",
    "#4d4d4d", "#80b918", "#6baed6", "#f46d43",
)  # fmt: skip

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
Extent = tuple[float, float, float, float]
"""West, south, east and north in degrees."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Classes:
    """The class of each point."""

    names: tuple[str, ...]
    codes: IntArray
    """[n] position of each point's class in ``names``."""
    colours: tuple[str | None, ...] = ()
    """Colour of each class as ``#rrggbb``, None for one of the map's own; empty for those only."""

    def palette(self) -> list[str]:
        """Return a colour for each class."""
        own = palette(len(self.names))
        given = self.colours or (None,) * len(own)
        return [colour or other for colour, other in zip(given, own, strict=True)]


@dataclass(frozen=True, kw_only=True, eq=False)
class MapPoints:
    """The n tiles of the map."""

    cells: Sequence[str]
    lon_deg: FloatArray
    lat_deg: FloatArray
    nearest_km: FloatArray
    """[n] distance to the nearest other selected tile; NaN if there is no other."""
    strata: Classes
    """Strata, shown in the tooltip."""
    filters: Mapping[str, Classes]
    """Name of each filter and colour key, as shown on the page -> classes."""
    at_first: Mapping[str, str]
    """Filter -> the only class that it shows at first; the other filters show all classes."""

    def shown_at_first(self, *, without: str | None = None) -> IntArray:
        """Return the rows that the map shows at first.

        Args:
            without: Filter to leave out; None for none.
        """
        shown = np.ones(len(self.cells), np.bool_)
        for name, only in self.at_first.items():
            classes = self.filters[name]
            if name != without:
                shown &= classes.codes == classes.names.index(only)
        return np.flatnonzero(shown)


@dataclass(frozen=True, kw_only=True)
class Choice:
    """One class of a filter, shown as a checkbox."""

    name: str
    colour: str
    tiles: int
    """Tiles of the class that the other filters let through at first."""
    ticked: bool


def controls(points: MapPoints) -> dict[str, list[Choice]]:
    """Return the checkboxes of each filter; a filter without a ticked box shows all classes."""
    choices = {}
    for name, classes in points.filters.items():
        codes = classes.codes[points.shown_at_first(without=name)]
        counts = np.bincount(codes, minlength=len(classes.names)).tolist()
        choices[name] = [
            Choice(name=of, colour=colour, tiles=tiles, ticked=of == points.at_first.get(name))
            for of, colour, tiles in zip(classes.names, classes.palette(), counts, strict=True)
        ]
    return choices


def map_item(points: MapPoints, coast: Sequence[FloatArray], extent: Extent) -> dict[str, Any]:
    """Return the map for ``Bokeh.embed.embed_item``, which draws it into ``TARGET``.

    Args:
        points: The tiles.
        coast: Rings of coast lines [points, 2], longitude and latitude in degrees; empty for
            tiles that are not on the Earth.
        extent: The extent that the map shows at first.

    Returns:
        ``item`` for Bokeh, and ``names``: column -> names of its classes. All values are plain,
        ready for JSON. Names are data, never HTML.
    """
    from bokeh.core.types import ID
    from bokeh.embed import json_item

    columns = {"stratum": points.strata} | dict(points.filters)
    item = json_item(_figure(points, columns, coast, extent), ID(TARGET))
    names = {name: list(classes.names) for name, classes in columns.items()}
    return {"item": _renumbered(dict(item), {}), "names": names}


def scripts() -> list[str]:
    """Return the parts of BokehJS that the map needs, as JavaScript."""
    from bokeh.resources import Resources

    # The third script only sets Bokeh's log level.
    return list(Resources(mode="inline", components=["bokeh", "bokeh-gl"]).js_raw[:2])


def palette(count: int) -> list[str]:
    """Return a number of distinct colours, as ``#rrggbb``."""
    from bokeh.palettes import turbo

    return list(_FEW[:count]) if count <= len(_FEW) else list(turbo(count))


def _figure(
    points: MapPoints, columns: Mapping[str, Classes], coast: Sequence[FloatArray], extent: Extent
) -> Any:  # noqa: ANN401  (Bokeh is loaded inside)
    """Draw coast lines and points.

    The models that ``map.js`` uses have names. It sets the colours of light or dark mode, and lets
    the wheel zoom after a click on the map.
    """
    from bokeh.models import HoverTool

    plot = _empty_plot(extent)
    if coast:
        x, y = ([np.round(ring[:, axis], 2).tolist() for ring in coast] for axis in (0, 1))
        plot.patches(x, y, line_width=0.7, name="land")
    dots = _add_dots(plot, points, columns)
    rows = [("cell", "@cell"), *((name, f"@{{{name}}}") for name in columns)]
    rows += [("nearest", "@nearest{0.0} km")] if np.isfinite(points.nearest_km).all() else []
    plot.add_tools(HoverTool(renderers=[dots], tooltips=rows, limit=4))
    return plot


def _empty_plot(extent: Extent) -> Any:  # noqa: ANN401
    from bokeh.models import Range1d, WheelZoomTool
    from bokeh.plotting import figure

    west, south, east, north = extent
    plot = figure(
        output_backend="webgl", sizing_mode="stretch_width", toolbar_location="above",
        aspect_ratio=(east - west) / (north - south), max_height=640, min_height=280,
        x_range=Range1d(start=west, end=east), y_range=Range1d(start=south, end=north),
        tools="pan,box_zoom,reset,save", active_scroll=None, name="plot",
    )  # fmt: skip
    plot.toolbar.logo = None
    plot.add_tools(WheelZoomTool(name="wheel"))
    return plot


def _add_dots(plot: Any, points: MapPoints, columns: Mapping[str, Classes]) -> Any:  # noqa: ANN401
    """Draw a dot for each tile, in the colours of the first filter."""
    from bokeh.models import CDSView, ColumnDataSource, IndexFilter, LinearColorMapper

    data: dict[str, Any] = {
        "cell": list(points.cells),
        "lon": points.lon_deg.astype(np.float32),
        "lat": points.lat_deg.astype(np.float32),
        "nearest": points.nearest_km.astype(np.float32),
    }
    # Codes take a tenth of the space of the names; map.js adds the names.
    data |= {
        f"{name} code": classes.codes.astype(_code_type(len(classes.names)))
        for name, classes in columns.items()
    }
    first = next(iter(points.filters))
    shades = points.filters[first].palette()
    colours = LinearColorMapper(palette=shades, low=-0.5, high=len(shades) - 0.5, name="colours")
    shown = IndexFilter(
        indices=points.shown_at_first().tolist() if points.at_first else None, name="shown"
    )
    return plot.scatter(
        "lon", "lat", source=ColumnDataSource(data, name="tiles"), view=CDSView(filter=shown),
        size=4, line_width=0.5, fill_alpha=0.85, name="dots",
        fill_color={"field": f"{first} code", "transform": colours},
    )  # fmt: skip


def _code_type(num_classes: int) -> type[np.unsignedinteger[Any]]:
    """Return the smallest type for the codes of classes, since they are much of a page."""
    return np.uint16 if num_classes <= np.iinfo(np.uint16).max + 1 else np.uint32


def _renumbered(value: Any, numbers: dict[str, str]) -> Any:  # noqa: ANN401  (any JSON)
    """Renumber Bokeh's ids from 1 in order of appearance, since Bokeh counts across maps."""
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
