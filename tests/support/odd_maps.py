"""Maps of 100 by 100 pixels in many coordinate systems, and the places of their pixels."""

import numpy as np
from pyproj import Transformer
from rasterio.transform import Affine


def square(x, y, step):
    return Affine(step, 0, x, 0, -step, y)


MAPS = {
    "DHDN, shifted by 100 m": ("EPSG:4314", square(10, 51, 0.01)),
    "NTF, in grads from Paris": ("EPSG:4807", square(8.5, 56.7, 0.01 / 0.9)),
    "ED50": ("EPSG:4230", square(10, 51, 0.01)),
    "degrees, rotated": ("EPSG:4326", Affine(0.008, 0.003, 10, 0.004, -0.009, 51)),
    "UTM": ("EPSG:32631", square(400_000, 5_600_000, 1000)),
    "UTM, rotated": ("EPSG:32631", Affine(900, 400, 400_000, 400, -900, 5_600_000)),
    "UTM, over the equator": ("EPSG:32735", square(400_000, 10_050_000, 1000)),
    "ETRS89-LAEA, as CORINE": ("EPSG:3035", square(4_000_000, 3_000_000, 1000)),
    "Albers, as NLCD": ("EPSG:5070", square(0, 2_000_000, 1000)),
    "Mercator, over the antimeridian": ("EPSG:3832", square(3_290_000, 1_000_000, 1000)),
    "polar stereographic, around the pole": ("EPSG:3413", square(-50_000, 50_000, 1000)),
    "polar stereographic, in the south": ("EPSG:3031", square(-60_000, 30_000, 1000)),
    "sinusoidal": (
        "+proj=sinu +R=6371007.181 +units=m", square(5_000_000, 5_000_000, 1000),
    ),
    "beside the edge of a projection": ("+proj=ortho +lat_0=40", square(6_300_000, 50_000, 1000)),
}  # fmt: skip


def positions(shape, crs, transform):
    """Return the longitude and latitude of each pixel's centre, by PROJ alone."""
    rows, cols = np.indices(shape).reshape(2, -1) + 0.5
    x, y = transform @ (cols, rows)
    lon_deg, lat_deg = Transformer.from_crs(crs, "EPSG:4326", always_xy=True).transform(x, y)
    return np.asarray(lon_deg), np.asarray(lat_deg)
