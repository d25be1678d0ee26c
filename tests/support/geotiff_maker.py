"""Small GeoTIFFs for tests."""

import warnings

import rasterio
from affine import Affine
from rasterio.errors import NotGeoreferencedWarning

UTM = Affine(10, 0, 500_000, 0, -10, 4_000_000)


def tiff(
    path, values, *, names=None, transform=UTM, crs="EPSG:32631", nodata=None, dtype="float32",
    scales=None, offsets=None,
):  # fmt: skip
    """Write an array [bands, height, width]; without ``transform`` it has no georeference."""
    bands, height, width = values.shape
    georeference = {} if transform is None else {"transform": transform, "crs": crs}
    warnings.simplefilter("ignore", NotGeoreferencedWarning)
    path.parent.mkdir(parents=True, exist_ok=True)
    with rasterio.open(
        path, "w", driver="GTiff", count=bands, height=height, width=width, dtype=dtype,
        nodata=nodata, **georeference,
    ) as out:  # fmt: skip
        out.write(values.astype(dtype))
        if names:
            out.descriptions = names
        if scales:
            out.scales = scales
        if offsets:
            out.offsets = offsets
    return path
