"""Vectors of the patches around points in a scene."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from csmoe_model.datasets.image_folder import ImageBands
from csmoe_model.extractors.extractor import Bands, Extractor
from csmoe_model.inference.embed_images import ready_extractor
from csmoe_model.inference.embed_scene import scene_channels, scene_inputs, tile_side
from csmoe_model.inference.image_vectors import Vectors, encode_images
from minortom.api.results import Result
from minortom.errors import InputError
from minortom.grid.point_cells import degrees_of
from minortom.io.artefact import artefact
from minortom.io.coordinates import with_coordinates
from minortom.io.geoparquet import points_table, write_table
from minortom.io.provenance import Provenance, sha256_of
from minortom.io.tables import read_any_table
from minortom.io.up_to_date import check_parquet, now
from minortom.progress import OnProgress, ignore_progress

if TYPE_CHECKING:
    from minortom.scenes.scene import OpenScene

_BATCH_SIZE = 64
_MIN_MEASURED = 0.5
"""Part of a patch that must be measured in all bands, as for a token of a feature map."""
_ADDED = ("sensor", "vector")

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class EmbedPointsResult(Result):
    """Result of `csmoe embed` for points in a scene."""

    status: str
    """`written`, or `up to date`."""
    out: Path
    """GeoParquet file with the vectors."""
    points: int
    """Points in the table."""
    left_out: int | None
    """Points without enough measured pixels around them; None if the output was up to date."""
    width: int
    """Length of a vector."""


def embed_points(
    checkpoint: str | Path,
    scene: "OpenScene",
    points: Path,
    out: Path,
    *,
    tile_px: int | None = None,
    overwrite: bool = False,
    on_progress: OnProgress = ignore_progress,
) -> EmbedPointsResult:
    """Write a GeoParquet file with the vectors of the patch around each point.

    The point lies in the middle of its patch, which is as large as a tile of the scene. Pixels
    that were not measured, or lie beyond the scene, get the mean of their band in the patch.
    Points are left out if less than half of their patch was measured. Each point has a row for each
    vector, with the columns of the table.

    Args:
        checkpoint: As `load_extractor` takes it.
        scene: The scene.
        points: CSV or Parquet file with the columns `lat` and `lon` (degrees).
        out: GeoParquet file to write.
        tile_px: Side of a patch in pixels of the scene; 120 (at 10 m) when None.
        overwrite: Whether to replace an output that was made otherwise.
        on_progress: Called with (points done, points in all).

    Raises:
        InputError: If the table has no usable points, or the scene does not fit the model.
        OutputExistsError: If `out` was made from something else.
    """
    started = now()
    check_parquet(out, "the vectors of points")
    table, lon_deg, lat_deg = _read_points(points)
    extractor = ready_extractor(checkpoint)
    extractor.check_sensors(tuple(scene.bands), "the scene")
    side = tile_side(scene, tile_px)
    provenance = _provenance(extractor, scene, points, side)
    left_out = None
    with artefact(
        out, provenance, inputs=[*extractor.folders, points, *scene.files], overwrite=overwrite,
        started=started,
    ) as made:  # fmt: skip
        if not made.up_to_date:
            patches = _Patches(scene, side, extractor.bands)
            scene.radiometry.report()
            found = [*_vectors(extractor, patches, lon_deg, lat_deg, on_progress)]
            left_out = len(table) - len({number for number, _, _ in found})
            if not found:
                raise InputError(
                    f"expected points of {points} inside the measured part of the scene, found "
                    f"none of {len(table):,}; give other points, with lat and lon in degrees"
                )
            if left_out:
                _log.warning("left out %d point(s) with too few measured pixels", left_out)
            write_table(points_table(_rows(table, lon_deg, lat_deg, found), provenance), made.path)
    return EmbedPointsResult(
        status=made.status, out=out, points=len(table), left_out=left_out,
        width=extractor.width_for(tuple(scene.bands)),
    )  # fmt: skip


def _read_points(path: Path) -> tuple[pa.Table, NDArray[np.float64], NDArray[np.float64]]:
    expected = "expected a CSV or Parquet file with the columns lat and lon"
    table = with_coordinates(read_any_table(path, expected=expected))
    names = table.column_names
    missing = [name for name in ("lat", "lon") if names.count(name) != 1]
    taken = [name for name in _ADDED if name in names]
    if missing or taken:
        expected = f"one column {missing[0]}" if missing else f"no column {taken[0]} yet"
        raise InputError(
            f"expected {expected} in {path}, found the columns {', '.join(names[:12])}; rename the "
            "columns"
        )
    lat_deg, lon_deg = (degrees_of(table[name], name, str(path)) for name in ("lat", "lon"))
    wrong = ~((np.abs(lat_deg) <= 90) & (np.abs(lon_deg) <= 180))
    if wrong.any() or not len(table):
        row = int(np.flatnonzero(wrong)[0]) if wrong.any() else 0
        found = f"{lat_deg[row]:g}, {lon_deg[row]:g} in row {row + 1}" if wrong.any() else "no row"
        raise InputError(
            f"expected latitudes from -90 to 90 and longitudes from -180 to 180 in {path}, found "
            f"{found}; correct the table"
        )
    return table, lon_deg, lat_deg


def _provenance(extractor: Extractor, scene: "OpenScene", points: Path, side: int) -> Provenance:
    return Provenance(
        command="embed",
        options={
            "tile_px": side,
            "bands": {sensor: list(names) for sensor, names in scene.bands.items()},
            **scene.radiometry.record, **extractor.record,
        },
        inputs={**scene_inputs(extractor, scene), "points": sha256_of(points)},
        licences=extractor.licences,
    )  # fmt: skip


class _Patches:
    """Patches of a scene around points."""

    def __init__(self, scene: "OpenScene", side_px: int, wanted: Bands) -> None:
        self.scene, self._side = scene, side_px
        self._channels = scene_channels(scene, wanted)

    def at(self, col: float, row: float) -> ImageBands | None:
        """Return the patch around a point, in pixels; None if too little of it was measured."""
        left, top = (int(np.floor(place)) - self._side // 2 for place in (col, row))
        right = min(left + self._side, self.scene.width_px)
        bottom = min(top + self._side, self.scene.height_px)
        if right <= max(left, 0) or bottom <= max(top, 0):
            return None
        inside = np.s_[
            :, max(top, 0) - top : bottom - top, max(left, 0) - left : right - left
        ]  # fmt: skip
        shape = (self._side, self._side)
        measured, found = np.ones(shape, bool), {}
        for sensor, numbers in self._channels.items():
            values = np.zeros((len(numbers), *shape), np.float32)
            valid = np.zeros(values.shape, bool)
            values[inside], valid[inside] = self.scene.read(
                sensor, numbers, row_px=max(top, 0), height_px=bottom - max(top, 0),
                col_px=max(left, 0), width_px=right - max(left, 0),
            )  # fmt: skip
            measured &= valid.all(axis=0)
            found[sensor] = values
        if measured.mean() < _MIN_MEASURED:
            return None
        return {
            sensor: (
                tuple(self.scene.bands[sensor][n] for n in self._channels[sensor]),
                _filled(values, measured),
            )
            for sensor, values in found.items()
        }


def _filled(values_CHW: NDArray[np.float32], measured: NDArray[np.bool_]) -> NDArray[np.float32]:
    if measured.all():
        return values_CHW
    mean_C = values_CHW[:, measured].mean(axis=1, dtype=np.float64).astype(np.float32)
    return np.where(measured, values_CHW, mean_C[:, None, None])


def _vectors(
    extractor: Extractor,
    patches: _Patches,
    lon_deg: NDArray[np.float64],
    lat_deg: NDArray[np.float64],
    on_progress: OnProgress,
) -> Iterator[tuple[int, str, NDArray[np.float32]]]:
    """Yield the number of a point, the name of a vector and the vector."""
    from minortom.scenes.outlines import pixels_of

    scene = patches.scene
    col, row = pixels_of(scene.crs_wkt, scene.transform, lon_deg, lat_deg)
    for start in range(0, len(col), _BATCH_SIZE):
        some = range(start, min(start + _BATCH_SIZE, len(col)))
        known = [n for n in some if np.isfinite(col[n]) and np.isfinite(row[n])]
        found = {n: patches.at(float(col[n]), float(row[n])) for n in known}
        images = {n: image for n, image in found.items() if image is not None}
        encoded: list[Vectors] = encode_images(extractor, [*images.values()])
        for number, vectors in zip(images, encoded, strict=True):
            for name, vector_D in vectors.items():
                yield number, name, vector_D
        on_progress(some.stop, len(col))


def _rows(
    table: pa.Table,
    lon_deg: NDArray[np.float64],
    lat_deg: NDArray[np.float64],
    found: list[tuple[int, str, NDArray[np.float32]]],
) -> pa.Table:
    numbers = np.array([number for number, _, _ in found])
    rows = table.take(numbers)
    for name, degrees in (("lat", lat_deg), ("lon", lon_deg)):
        place = rows.column_names.index(name)
        rows = rows.set_column(place, name, pa.array(degrees[numbers]))
    stacked = np.concatenate([vector for _, _, vector in found])
    vectors = pa.FixedSizeListArray.from_arrays(pa.array(stacked), len(found[0][2]))
    rows = rows.append_column("sensor", pa.array([name for _, name, _ in found], pa.string()))
    return rows.append_column("vector", vectors)
