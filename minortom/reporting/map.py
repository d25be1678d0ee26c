"""The map of a report: selected tiles, reserves and filters."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
from scipy.spatial import cKDTree  # it publishes no types

from minortom.grid.sphere import km_of_chord
from minortom.plotting import density_map
from minortom.plotting.interactive_map import Classes, MapPoints, controls, map_item, scripts
from minortom.reporting.inputs import ReportInput
from minortom.reporting.measures import FloatArray, IntArray, nearest_km
from minortom.reporting.tables import classes_of

_NO_SPLIT = "none"  # name of the class of tiles without a split


def map_part(source: ReportInput) -> dict[str, Any]:
    """Return the values for the map's part of the page."""
    lon_deg, lat_deg = (source.annotated[name].to_numpy() for name in ("lon", "lat"))
    points = map_points(source)
    coast = density_map.coast_lines_near(lon_deg, lat_deg)
    return {
        "data": map_item(points, coast, density_map.extent(lon_deg, lat_deg)),
        "scripts": scripts(),
        "controls": controls(points),
        "shown": len(points.shown_at_first()),
        "total": len(points.cells),
    }


def map_points(source: ReportInput) -> MapPoints:
    """Return the tiles of the map: selected tiles and reserves."""
    rows, table, strata = source.rows, source.annotated, source.tiles.strata
    filters = {
        name: _few(*classes_of(table, column), rows, source.colours.get(column, {}))
        for name, column in (("land cover", "landcover"), ("climate", "climate"))
    }
    at_first = {}
    if source.split is not None:
        filters["split"] = _of_split(source.split)
    if not source.is_selected.all():
        filters["role"] = Classes(
            names=("selected", "reserve"), codes=(~source.is_selected).astype(np.int64)
        )
        at_first["role"] = "selected"
    return MapPoints(
        cells=table["grid_cell"].take(pa.array(rows)).to_pylist(),
        lon_deg=table["lon"].to_numpy()[rows],
        lat_deg=table["lat"].to_numpy()[rows],
        nearest_km=_nearest_selected_km(source),
        strata=Classes(names=strata.names, codes=strata.codes[rows]),
        filters=filters,
        at_first=at_first,
    )


def split_counts(source: ReportInput) -> dict[str, int]:
    """Count the selected tiles of each split, largest first; empty without splits."""
    if source.split is None:
        return {}
    classes = _of_split(source.split)
    codes = classes.codes[source.is_selected]
    counts = np.bincount(codes, minlength=len(classes.names)).tolist()
    found = dict(zip(classes.names, counts, strict=True))
    return dict(sorted(found.items(), key=lambda item: -item[1]))


def _few(names: list[str], codes: IntArray, rows: IntArray, colours: Mapping[str, str]) -> Classes:
    """Return the classes of some rows, without the names of other classes."""
    there, few = np.unique(codes[rows], return_inverse=True)
    left = tuple(names[code] for code in there.tolist())
    return Classes(names=left, codes=few, colours=tuple(colours.get(name) for name in left))


def _of_split(split: pa.Array) -> Classes:
    """Return the splits as classes, with train, val and test first."""
    names = split.fill_null(_NO_SPLIT).to_pylist()
    usual = [name for name in ("train", "val", "test") if name in names]
    order = [*usual, *sorted(set(names) - set(usual))]
    return Classes(names=tuple(order), codes=np.array([order.index(name) for name in names]))


def _nearest_selected_km(source: ReportInput) -> FloatArray:
    """Return the distance from each tile of the map to the nearest other selected tile, in km."""
    points = source.tiles.points[source.rows]
    selected = points[source.is_selected]
    found = np.full(len(points), np.nan)
    if len(selected) > 1:
        found[source.is_selected] = nearest_km(selected)
    if not source.is_selected.all():
        chords, _ = cKDTree(selected).query(points[~source.is_selected])
        found[~source.is_selected] = km_of_chord(chords)
    return found
