"""Vector files of polygons: choice of the layer, zips, rings that are not closed."""

import logging
import re
import warnings
import zipfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from minortom.errors import InputError
from minortom.grid.lonlat_polygons import Shapes

EXPECTED = "expected polygons in a vector file such as GeoJSON, GeoPackage or a shapefile"
OPTION = "--region-layer"
_VECTOR_SUFFIXES = (
    ".shp", ".gpkg", ".geojson", ".json", ".kml", ".kmz", ".fgb", ".gml", ".sqlite", ".tab",
)  # fmt: skip
_NO_POLYGONS = re.compile("Point|LineString")
"""In the geometry types of layers without polygons, such as ``3D MultiPoint`` or ``Point Z``."""
_MAX_SHOWN = 5

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, eq=False)
class VectorLayer:
    """Polygons of one layer of a file."""

    polygons: Shapes
    """[n] polygons in two dimensions, of multipolygons and collections each part."""
    crs: Any
    """Coordinate system, of pyproj; None where the file has none."""


def read_layer(path: Path, layer: str | None) -> VectorLayer:
    """Read the polygons of a layer; rings that are not closed are closed, and points left out.

    Args:
        path: File in a format of GDAL, such a file in a zip, or GeoParquet.
        layer: Name of the layer; None for the only layer that can have polygons. Of several
            files in a zip, the name of the file without its suffix.

    Raises:
        InputError: If the file is missing or unreadable, if it has no such layer or several, or
            other geometries than polygons.
    """
    if not path.exists():
        raise InputError(f"the region {path} does not exist; {EXPECTED}")
    with np.errstate(invalid="ignore"):  # of NaN coordinates, which are refused later
        return _read(path, layer)


def _read(path: Path, layer: str | None) -> VectorLayer:
    import pyarrow as pa
    from shapely.errors import ShapelyError

    from minortom.io.tables import is_parquet

    try:
        if is_parquet(path):
            return _read_parquet(path, layer)
        source, layer = _source(path, layer)
        return _read_one(path, source, layer)
    except (RuntimeError, ValueError, OSError, ShapelyError, pa.ArrowException,
            zipfile.BadZipFile) as error:  # fmt: skip
        raise InputError(
            f"cannot read the region {path} ({_first_line(error)}); {EXPECTED}"
        ) from None


def _read_parquet(path: Path, layer: str | None) -> VectorLayer:
    import geopandas

    if layer is not None:
        raise InputError(f"{path} is a GeoParquet file, which has no layers; omit {OPTION}")
    frame = geopandas.read_parquet(path)
    return VectorLayer(polygons=_polygons(path, frame.geometry.to_numpy()), crs=frame.crs)


def _source(path: Path, layer: str | None) -> tuple[str, str | None]:
    """Return the place of the data for GDAL, and the layer in it; a zip may have folders."""
    if path.suffix.lower() != ".zip":
        return str(path), layer
    with zipfile.ZipFile(path) as archive:
        names = [PurePosixPath(name) for name in archive.namelist()]
    found = [
        name for name in names
        if name.suffix.lower() in _VECTOR_SUFFIXES
        and not any(part.startswith((".", "__MACOSX")) for part in name.parts)
    ]  # fmt: skip
    if not found:  # such as a geodatabase, which is a folder: GDAL looks for it
        return f"/vsizip/{path.resolve()}", layer
    if len(found) > 1:
        stems = [name.stem for name in found]
        found = [found[stems.index(_chosen(path, stems, layer))]]
        layer = None
    return f"/vsizip/{path.resolve()}/{found[0]}", layer


def _read_one(path: Path, source: str, layer: str | None) -> VectorLayer:
    """Read the layer that was named, or the only one that has polygons."""
    import pyogrio

    kinds = {str(name): kind for name, kind in pyogrio.list_layers(source)}
    if layer is not None:
        return _read_ogr(path, source, _chosen(path, list(kinds), layer))
    spatial = [name for name, kind in kinds.items() if kind is not None]
    if not spatial:  # a table, which GDAL reads too
        raise InputError(f"{path} has no geometry; {EXPECTED}")
    likely = [name for name in spatial if not _NO_POLYGONS.search(str(kinds[name]))]
    if len(likely) > 1:  # the folders of a KML file are layers, some of them of pins alone
        likely = [name for name in likely if _has_polygons(source, name)] or likely
    return _read_ogr(path, source, _chosen(path, likely or spatial, None))


def _chosen(path: Path, names: list[str], layer: str | None) -> str:
    shown = ", ".join(names[:_MAX_SHOWN]) + (", …" if len(names) > _MAX_SHOWN else "")
    if layer is None and len(names) > 1:
        raise InputError(
            f"expected one layer of polygons in {path}, found {len(names)} ({shown}); choose one "
            f"by {OPTION} NAME"
        )
    if layer is not None and names.count(layer) != 1:
        raise InputError(
            f"expected one layer {layer} in {path}, found {names.count(layer)} of that name; its "
            f"layers are {shown}; correct {OPTION}"
        )
    return names[0] if layer is None else layer


def _has_polygons(source: str, layer: str) -> bool:
    import shapely

    wkb, _ = _read_wkb(source, layer)
    shapes = shapely.from_wkb(wkb, on_invalid="fix")
    return bool((shapely.get_dimensions(shapes) == 2).any())


def _read_wkb(source: str, layer: str) -> tuple[Shapes, str | None]:
    from pyogrio.raw import read

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # about rings that are not closed
        found, _, wkb, _ = read(source, layer=layer, columns=[])
    if wkb is None:
        wkb = np.empty(0, object)
    return wkb, found["crs"]


def _read_ogr(path: Path, source: str, layer: str) -> VectorLayer:
    from pyproj import CRS

    wkb, crs = _read_wkb(source, layer)
    polygons = _polygons(path, _shapes_of(wkb, path))
    return VectorLayer(polygons=polygons, crs=None if crs is None else CRS.from_user_input(crs))


def _shapes_of(wkb: Shapes, path: Path) -> Shapes:
    """Return the shapes of a file; close rings whose last corner is not their first."""
    import shapely

    shapes: Shapes = shapely.from_wkb(wkb, on_invalid="ignore")
    unread = shapely.is_missing(shapes) & np.array([text is not None for text in wkb], bool)
    if not unread.any():
        return shapes
    shapes[unread] = shapely.from_wkb(wkb[unread], on_invalid="fix")
    damaged = np.flatnonzero(unread & shapely.is_missing(shapes))
    if len(damaged):
        raise InputError(
            f"expected rings of three corners or more in {path}, found feature {damaged[0] + 1} "
            "with fewer, or damaged; correct or delete it"
        )
    _log.warning(
        "%s: rings that were not closed have been closed, in %d of %d features",
        path, unread.sum(), len(shapes),
    )  # fmt: skip
    return shapes


def _polygons(path: Path, shapes: Shapes) -> Shapes:
    """Return the polygons among the parts of shapes, in two dimensions.

    Points beside polygons are left out with a note: programs for maps put pins there.
    """
    import shapely

    parts = shapes
    while (shapely.get_type_id(parts) > shapely.GeometryType.POLYGON).any():
        parts = shapely.get_parts(parts)  # a collection may contain collections
    parts = parts[~(shapely.is_empty(parts) | shapely.is_missing(parts))]
    if not len(parts):
        raise InputError(f"{path} has no geometry; {EXPECTED}")
    is_area, is_point = (shapely.get_dimensions(parts) == number for number in (2, 0))
    others = parts[~(is_area | is_point) if is_area.any() else slice(None)]
    if len(others):
        kinds = ", ".join(sorted({shape.geom_type for shape in others}))
        raise InputError(
            f"{EXPECTED}, found {kinds} in {path}; buffer lines, and use "
            "`minortom locate --points` for points"
        )
    if is_point.any():
        _log.warning(
            "%s: points beside the polygons have been left out, %d in all", path, is_point.sum()
        )
    polygons: Shapes = shapely.force_2d(parts[is_area])
    return polygons


def _first_line(error: Exception) -> str:
    return str(error).partition("; It might help")[0].strip().partition("\n")[0]
