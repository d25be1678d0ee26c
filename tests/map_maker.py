"""Small categorical maps for tests, written with rasterio."""

from pathlib import Path

import numpy as np
import rasterio
from rasterio.transform import Affine

from minortom.descriptors import Descriptor
from minortom.manifests import find_manifest


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
    """Join a map to the legend of this name."""
    manifest_path, manifest = find_manifest(legend)
    return Descriptor.of(source, manifest=manifest, manifest_path=manifest_path)


def codes_at(path, lon_deg, lat_deg, *, legend="koppen"):
    """Look points up in a map; codes as a list."""
    descriptor = described(path, legend=legend)
    points = np.atleast_1d(lon_deg).astype(float), np.atleast_1d(lat_deg).astype(float)
    return descriptor.codes_at(*points).tolist()
