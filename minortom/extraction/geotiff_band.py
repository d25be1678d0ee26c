"""One band of a tile, opened from the bytes of its GeoTIFF."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import rasterio
from numpy.typing import NDArray
from rasterio.errors import CRSError, NotGeoreferencedWarning, RasterioError
from rasterio.windows import Window

from minortom.errors import ArchiveError
from minortom.extraction.pixel_grid import Box, Grid
from minortom.io.proj_data import require_proj_data


class Band:
    """An opened GeoTIFF with a single band."""

    def __init__(self, name: str, dataset: rasterio.DatasetReader) -> None:
        """Read the georeference; :func:`opened` lists the errors."""
        self.name = name
        self._dataset = dataset
        self.nodata: float | None = dataset.nodata
        self.dtype: str = dataset.dtypes[0]
        transform, epsg = dataset.transform, dataset.crs and dataset.crs.to_epsg()
        square = transform.a > 0 and abs(transform.a + transform.e) < 1e-6 * transform.a
        if not epsg or not dataset.crs.is_projected or not square or transform.b or transform.d:
            raise ArchiveError(
                f"{name} must have a projection with an EPSG code and square pixels with north up, "
                f"found CRS {dataset.crs}, transform {tuple(transform)[:6]}"
            )
        self.grid = Grid(
            epsg=epsg, pixel_m=transform.a, west_m=transform.c, north_m=transform.f,
            height_px=dataset.height, width_px=dataset.width,
        )  # fmt: skip

    def read(self, box: Box | None = None) -> NDArray[Any]:
        """Read the pixels of a box [row, column]; all pixels when None.

        Raises:
            ArchiveError: If the box reaches beyond the band, or the bytes are damaged.
        """
        window = None
        if box is not None:
            if not self.grid.contains(box):
                bottom, right = box.row_px + box.height_px, box.col_px + box.width_px
                raise ArchiveError(
                    f"{self.name} must have at least {bottom} × {right} px, found "
                    f"{self.grid.height_px} × {self.grid.width_px}"
                )
            window = Window(box.col_px, box.row_px, box.width_px, box.height_px)
        with _errors_named(self.name, self._dataset.name):
            pixels: NDArray[Any] = self._dataset.read(1, window=window)
        return pixels


@contextmanager
def opened(name: str, geotiff: bytes | None) -> Iterator[Band]:
    """Open the bytes of a band.

    Raises:
        ArchiveError: If there are no bytes, they are not a GeoTIFF or are damaged, or the image
            does not have a single band, a CRS with an EPSG code and square pixels with north up.
    """
    if not geotiff:
        raise ArchiveError(f"{name} must be a GeoTIFF, found no bytes")
    require_proj_data()
    with rasterio.MemoryFile(geotiff) as file:
        with _errors_named(name, file.name):
            dataset = file.open(driver="GTiff")
        with dataset:
            if dataset.count != 1:
                raise ArchiveError(f"{name} must have one band, found {dataset.count}")
            with _errors_named(name, file.name):
                band = Band(name, dataset)
            yield band


@contextmanager
def _errors_named(name: str, memory_name: str) -> Iterator[None]:
    """Turn an error of rasterio into an error of one line that names the band."""
    try:
        yield
    except (RasterioError, CRSError, NotGeoreferencedWarning) as error:
        found = str(error.__cause__ or error).splitlines()[0]
        # The name of the bytes in memory is random, and an export records the message.
        for random_name in (memory_name, memory_name.rsplit("/", 1)[-1]):
            found = found.replace(random_name, name)
        raise ArchiveError(f"{name} is not a readable GeoTIFF ({found})") from None
