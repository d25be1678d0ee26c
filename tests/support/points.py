"""Points and slow reference implementations for the tests of the sampler."""

import numpy as np
import pyarrow as pa

from minortom.grid.cells import cells_at

RADIUS_KM = 6371.0088


def haversine_km(lon_a, lat_a, lon_b, lat_b):
    """Compute the distance by the textbook Haversine formula, from degrees."""
    lon_a, lat_a, lon_b, lat_b = map(np.radians, (lon_a, lat_a, lon_b, lat_b))
    h = (
        np.sin((lat_b - lat_a) / 2) ** 2
        + np.cos(lat_a) * np.cos(lat_b) * np.sin((lon_b - lon_a) / 2) ** 2
    )
    return 2 * RADIUS_KM * np.arcsin(np.minimum(np.sqrt(h), 1))


def distances_km(lon, lat):
    return haversine_km(lon[:, None], lat[:, None], lon[None, :], lat[None, :])


def random_lonlat(count, seed=0):
    """Return uniformly distributed points on the sphere, in degrees."""
    rng = np.random.default_rng(seed)
    return rng.uniform(-180, 180, count), np.degrees(np.arcsin(rng.uniform(-1, 1, count)))


def annotated_table(lon, lat, strata):
    """Return a table as `minortom annotate` writes it; strata are ``climate/landcover``."""
    climate, landcover = zip(*(name.split("/") for name in strata), strict=True)
    return pa.table(
        {
            "grid_cell": cells_at(lon, lat).names(),
            "lat": np.asarray(lat, np.float64),
            "lon": np.asarray(lon, np.float64),
            "climate": pa.array(climate).dictionary_encode(),
            "landcover": pa.array(landcover).dictionary_encode(),
            "climate_code": np.ones(len(lon), np.uint8),
            "landcover_code": np.full(len(lon), 10, np.uint8),
            "stratum": pa.array(list(strata)).dictionary_encode(),
        }
    )
