"""Synthetic tiles as rows of a Major TOM archive: GeoTIFF bytes and metadata.

Georeference, sampling, dtype, compression, nodata and radiometric offset are those of the hub.
Products of newer processing baselines carry an offset of +1000. Some tiles are cut by the edge of
an orbit, one is black, and one has no Sentinel-1 product.
"""

import io
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from minortom.grid.cells import cells_from_names
from minortom.synthetic.noise import Field, Window
from minortom.synthetic.scene import S2_BANDS, TILE_PX, Pixels, Scene, render

Fault = Literal["", "s2-edge", "s1-edge", "s2-black", "no-s1"]
"""Defect of a tile, as in the real archive; empty for none."""

S1_NODATA = -32768.0

_Row = Mapping[str, object]

_MARGIN_M = 340
_OLD = ("N0208", "N0214", "N0301", "N9999")
_NEW = ("N0400", "N0509", "N0510")
_MANTISSA_KEPT = np.uint32(0xFFFFE000)  # 10 bits of 23: 0.004 dB, and half the size with LZW


@dataclass(frozen=True, kw_only=True)
class Place:
    """Position of a tile: UTM zone, upper left corner, centre, and cell of the grid."""

    epsg: int
    west_m: float
    north_m: float
    centre_lon_deg: float
    centre_lat_deg: float
    row: int
    col: int


def place_of(cell: str) -> Place:
    """Return the position of a cell's tile, whose corner is 340 m south-west of the cell's."""
    from pyproj import Transformer

    cells = cells_from_names([cell])
    west, south, _, _ = (float(edge[0]) for edge in cells.bounds_deg())
    epsg, side_m = int(cells.utm_epsg()[0]), TILE_PX * 10
    to_utm = Transformer.from_crs(4326, epsg, always_xy=True)
    x_m, y_m = to_utm.transform(west, south)
    x_m, y_m = x_m - _MARGIN_M, y_m - _MARGIN_M
    lon, lat = to_utm.transform(x_m + side_m / 2, y_m + side_m / 2, direction="INVERSE")
    return Place(
        epsg=epsg, west_m=x_m, north_m=y_m + side_m, centre_lon_deg=lon, centre_lat_deg=lat,
        row=int(cells.row[0]), col=int(cells.col[0]),
    )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Tile:
    """Rows of images and of metadata for both sensors; None without Sentinel-1."""

    s2: _Row
    s2_metadata: _Row
    s1: _Row | None
    s1_metadata: _Row | None


def make_tile(scene: Scene, *, fault: Fault = "") -> Tile:
    """Return a whole tile of 1068 x 1068 pixels; this takes about a second on one core."""
    place, rng = place_of(scene.cell), scene.rng(6)
    pixels = render(scene, Window(row=0, col=0, height=TILE_PX, width=TILE_PX))
    taken = datetime(2017, 4, 1, 10, 30, tzinfo=UTC) + timedelta(days=float(rng.uniform(0, 2500)))
    s2, s2_metadata = _s2_rows(scene, place, pixels, taken, fault, rng)
    if fault == "no-s1":
        return Tile(s2=s2, s2_metadata=s2_metadata, s1=None, s1_metadata=None)
    passed = taken + timedelta(days=float(rng.normal(0, 7)))
    s1, s1_metadata = _s1_rows(scene, place, pixels, passed, fault, rng)
    return Tile(s2=s2, s2_metadata=s2_metadata, s1=s1, s1_metadata=s1_metadata)


def _s2_rows(
    scene: Scene, place: Place, pixels: Pixels, taken: datetime, fault: Fault,
    rng: np.random.Generator,
) -> tuple[_Row, _Row]:  # fmt: skip
    offset_came = datetime(2022, 1, 25, tzinfo=UTC)
    baseline = str(rng.choice(_NEW if taken > offset_came else _OLD))
    offset = 1000 if baseline in _NEW else 0
    missing = _missing(rng) if fault == "s2-edge" else np.full((178, 178), fault == "s2-black")
    bands = {}
    for band, resolution_m in S2_BANDS.items():
        # Surface reflectance of dark ground may be negative, which the offset makes storable.
        counts = np.rint(pixels.reflectance[band] * 1e4) + offset
        counts = np.where(_finer(missing, 60 // resolution_m), 0, counts.clip(1, 65535))
        bands[band] = counts.astype(np.uint16)
    cloud = np.digitize(pixels.haze, [0.1, 0.2]).astype(np.uint8)
    cloud = np.array([0, 2, 1], np.uint8)[cloud]  # 1 thick, 2 thin
    product, second = _s2_product(place, taken, baseline, rng)
    picture = np.stack([bands[b] for b in ("B04", "B03", "B02")]).astype(np.float32) - offset
    images = {
        "product_id": product, "grid_cell": scene.cell, "timestamp": second,
        "thumbnail": _jpeg(picture / max(float(np.percentile(picture, 99)), 1000.0)),
        **{band: _geotiff(bands[band], place) for band in S2_BANDS},
        "cloud_mask": _geotiff(cloud, place),
    }  # fmt: skip
    more = {"cloud_cover": float(np.mean(cloud > 0) * 100), "nodata": float(missing.mean())}
    return images, _metadata(scene, place, product, second, more)


def _s1_rows(
    scene: Scene, place: Place, pixels: Pixels, passed: datetime, fault: Fault,
    rng: np.random.Generator,
) -> tuple[_Row, _Row]:  # fmt: skip
    missing = _missing(rng) if fault == "s1-edge" else np.zeros((178, 178), bool)
    power = {
        name: np.where(_finer(missing, 6), np.float32(S1_NODATA), _rounded(band))
        for name, band in pixels.backscatter.items()
    }
    second, end = f"{passed:%Y%m%dT%H%M%S}", f"{passed + timedelta(seconds=25):%Y%m%dT%H%M%S}"
    orbit, ascending = int(rng.integers(10000, 50000)), bool(rng.integers(2))
    product = f"S1A_IW_GRDH_1SDV_{second}_{end}_{orbit:06d}_{int(rng.integers(2**20)):06X}_rtc"
    vv_db, vh_db = (10 * np.log10(pixels.backscatter[name]) for name in ("vv", "vh"))
    picture = np.stack([(vv_db + 20) / 20, (vh_db + 27) / 20, (vv_db - vh_db) / 15])
    images = {
        "product_id": product, "grid_cell": scene.cell, "timestamp": second,
        "thumbnail": _jpeg(np.where(_finer(missing, 6), 0, picture)),
        **{name: _geotiff(band, place, nodata=S1_NODATA) for name, band in power.items()},
    }  # fmt: skip
    more = {
        "orbit_state": "ascending" if ascending else "descending",
        "nodata": float(missing.mean()),
    }
    return images, _metadata(scene, place, product, second, more)


def _metadata(scene: Scene, place: Place, product: str, second: str, more: _Row) -> _Row:
    return {
        "grid_cell": scene.cell, "grid_row_u": place.row, "grid_col_r": place.col,
        "product_id": product, "timestamp": second, **more,
        "centre_lat": place.centre_lat_deg, "centre_lon": place.centre_lon_deg,
        "crs": f"EPSG:{place.epsg}",
    }  # fmt: skip


def _s2_product(
    place: Place, taken: datetime, baseline: str, rng: np.random.Generator
) -> tuple[str, str]:
    """Return a product id (real zone and latitude band, random square) and its time."""
    band = "CDEFGHJKLMNPQRSTUVWXX"[int(np.clip((place.centre_lat_deg + 80) // 8, 0, 20))]
    square = "".join(rng.choice(list("ABCDEFGHJKLMNPQRSTUVWXYZ"), 2))
    second = f"{taken:%Y%m%dT%H%M%S}"
    made = taken + timedelta(hours=float(rng.uniform(5, 20)))
    return (
        f"S2{rng.choice(['A', 'B'])}_MSIL2A_{second}_{baseline}_R{int(rng.integers(1, 144)):03d}"
        f"_T{place.epsg % 100:02d}{band}{square}_{made:%Y%m%dT%H%M%S}"
    ), second


def _missing(rng: np.random.Generator) -> NDArray[np.bool_]:
    """Return a mask [178, 178] beyond a slanting orbit edge, at 60 m so that all bands agree."""
    rows, cols = np.mgrid[:178, :178]
    cut = rng.uniform(40, 110) + 0.25 * rows
    cut_off: NDArray[np.bool_] = cols < cut
    return cut_off if rng.integers(2) else cut_off[:, ::-1]


def _finer(mask: NDArray[np.bool_], factor: int) -> NDArray[np.bool_]:
    return mask.repeat(factor, axis=0).repeat(factor, axis=1)


def _rounded(power: Field) -> Field:
    """Return floats whose mantissa is rounded to 10 bits."""
    return ((power.view(np.uint32) + np.uint32(0x1000)) & _MANTISSA_KEPT).view(np.float32)


def _geotiff(
    band: NDArray[np.uint8 | np.uint16 | np.float32], place: Place, *, nodata: float | None = None
) -> bytes:
    from rasterio import Affine
    from rasterio.io import MemoryFile

    height, width = band.shape
    pixel_m = TILE_PX * 10 / width
    with MemoryFile() as memory:
        with memory.open(
            driver="GTiff", dtype=band.dtype, count=1, height=height, width=width,
            crs=f"EPSG:{place.epsg}", nodata=nodata, compress="lzw",
            transform=Affine(pixel_m, 0, place.west_m, 0, -pixel_m, place.north_m),
        ) as file:  # fmt: skip
            file.write(band, 1)
        return bytes(memory.read())


def _jpeg(picture: NDArray[np.floating]) -> bytes:
    """Return a JPEG thumbnail of an image [3, height, width] with values from 0 to 1."""
    from PIL import Image

    values = (np.clip(picture, 0, 1) ** 0.8 * 255).astype(np.uint8)
    written = io.BytesIO()
    Image.fromarray(values.transpose(1, 2, 0)).save(written, "JPEG")
    return written.getvalue()
