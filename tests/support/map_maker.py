"""Small categorical maps for tests, written with rasterio."""

from pathlib import Path

import numpy as np
import rasterio
from rasterio.transform import Affine

from minortom.grid.cells import cells_at, merged
from minortom.maps.descriptor import Descriptor
from minortom.maps.manifests import find_legend


def write_map(
    path: Path,
    values,
    *,
    west: float = -180.0,
    north: float = 90.0,
    step: float | None = None,
    crs: str | None = "EPSG:4326",
    transform: Affine | None = None,
    nodata: float | None = None,
    **layout: object,
) -> Path:
    """Write a 2-D array (or bands of them) as GeoTIFF; by default it spans 360 degrees."""
    bands = np.atleast_3d(np.asarray(values).T).T
    count, height, width = bands.shape
    step = 360 / width if step is None else step
    with rasterio.open(
        path, "w", driver="GTiff", dtype=bands.dtype, count=count, height=height, width=width,
        crs=crs, transform=transform or Affine(step, 0, west, 0, -step, north), nodata=nodata,
        **layout,
    ) as target:  # fmt: skip
        target.write(bands)
    return path


def described(source, *, legend="koppen"):
    """Return a map with the legend of this name."""
    return Descriptor.of(source, find_legend(legend))


def codes_at(path, lon_deg, lat_deg, *, legend="koppen"):
    """Look up points in a map; return the codes as a list."""
    descriptor = described(path, legend=legend)
    points = np.atleast_1d(lon_deg).astype(float), np.atleast_1d(lat_deg).astype(float)
    return descriptor.codes_at(*points).tolist()


def cells_within(west, south, east, north):
    """Return the cells that overlap a box in degrees, ordered by row, then by column."""
    lon_deg = np.append(np.arange(west, east, 0.04), east - 1e-6)
    lat_deg = np.append(np.arange(south, north, 0.04), north - 1e-6)
    return merged([cells_at(*(a.ravel() for a in np.meshgrid(lon_deg, lat_deg)))])


WORLDCOVER_FILE = "ESA_WorldCover_10m_2021_v200_{TILE}_Map.tif"
WORLDCOVER_CODES = (10, 20, 30, 40, 50, 60, 70, 80, 90, 95, 100)


def made_classes(side_px, *, seed, sea=0.2, codes=WORLDCOVER_CODES):
    """Return a square with large and small areas of classes, and nodata (0) as sea."""
    rng = np.random.default_rng(seed)
    shares = (sea, *[(1 - sea) / len(codes)] * len(codes))
    values = np.zeros((side_px, side_px), dtype=np.uint8)
    for few, taken in ((6, 1.0), (40, 0.4), (side_px, 0.1)):  # patches aside, share that is drawn
        at = np.arange(side_px) * few // side_px
        drawn = rng.choice((0, *codes), (few, few), p=shares)
        mask = rng.random((few, few)) < taken
        values = np.where(mask[np.ix_(at, at)], drawn[np.ix_(at, at)], values)
    return values.astype(np.uint8)


def write_tile(
    folder: Path,
    name: str,
    *,
    side_px: int = 1200,
    side_deg: int = 3,
    values=None,
    seed: int = 0,
    factors=(2, 4, 8),
    file: str = WORLDCOVER_FILE,
) -> Path:
    """Write a tile like those of WorldCover: a COG with overviews by the mode of valid pixels.

    Args:
        folder: Where to.
        name: South-west corner, as in N39W075; the same name and seed give the same classes.
        side_px: Pixels aside; the bucket's tiles have 36,000.
        side_deg: Degrees aside.
        values: The classes; made ones when None.
        seed: Of the made classes.
        factors: Overviews; the bucket's tiles have (2, 4, 8, 16, 32, 64).
        file: Name of the file, with ``{TILE}``.
    """
    from rasterio.enums import Resampling
    from rasterio.shutil import copy

    lat_deg, lon_deg = int(name[1:3]), int(name[4:])
    north = (lat_deg if name[0] == "N" else -lat_deg) + side_deg
    west = lon_deg if name[3] == "E" else -lon_deg
    if values is None:
        values = made_classes(side_px, seed=[seed, north + 90, west + 180])
    folder.mkdir(parents=True, exist_ok=True)
    out = folder / file.replace("{TILE}", name)
    plain = out.with_suffix(".plain")
    write_map(plain, values, west=west, north=north, step=side_deg / values.shape[1], nodata=0)
    with rasterio.open(plain, "r+") as target:
        target.build_overviews(factors, Resampling.mode)
    copy(
        plain, out, driver="COG", compress="deflate", blocksize=256, overviews="FORCE_USE_EXISTING"
    )
    plain.unlink()
    return out


def write_vrt(out: Path, tiles) -> Path:
    """Write a virtual raster over tiles of one size, as gdalbuildvrt does."""
    boxes = []
    for path in tiles:
        with rasterio.open(path) as source:
            boxes.append((source.bounds, source.width))
            step = source.transform.a
    west, north = min(b.left for b, _ in boxes), max(b.top for b, _ in boxes)
    width = round((max(b.right for b, _ in boxes) - west) / step)
    height = round((north - min(b.bottom for b, _ in boxes)) / step)
    parts = "".join(
        f"<SimpleSource><SourceFilename>{path}</SourceFilename><SourceBand>1</SourceBand>"
        f'<SrcRect xOff="0" yOff="0" xSize="{px}" ySize="{px}"/>'
        f'<DstRect xOff="{round((box.left - west) / step)}" '
        f'yOff="{round((north - box.top) / step)}" xSize="{px}" ySize="{px}"/></SimpleSource>'
        for path, (box, px) in zip(tiles, boxes, strict=True)
    )
    out.write_text(
        f'<VRTDataset rasterXSize="{width}" rasterYSize="{height}"><SRS>EPSG:4326</SRS>'
        f"<GeoTransform>{west},{step!r},0,{north},0,{-step!r}</GeoTransform>"
        '<VRTRasterBand dataType="Byte" band="1"><NoDataValue>0</NoDataValue>'
        f"{parts}</VRTRasterBand></VRTDataset>"
    )
    return out
