"""Images whose bands are separate files, as one virtual raster on the grid of the finest band.

A coarser band is upsampled by nearest neighbour, so that each of its pixels is repeated.
"""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape, quoteattr

import rasterio
from rasterio.errors import RasterioError

from minortom.errors import InputError

PRODUCT_TAG = "PRODUCT_URI"
"""Item in which GDAL and other readers of ESA's products keep the product's name."""
_GDAL_TYPES = {
    "uint8": "Byte", "int8": "Int8", "uint16": "UInt16", "int16": "Int16", "uint32": "UInt32",
    "int32": "Int32", "float32": "Float32", "float64": "Float64",
}  # fmt: skip
_ALIGNED_PX = 1e-3


@dataclass(frozen=True, kw_only=True)
class BandFile:
    """File of one band."""

    name: str
    """Name of the band, in any known spelling."""
    source: str
    """Path for GDAL, such as `/vsizip/…` inside a zip."""
    scale: float | None = None
    """Scale of the values; that of the file's tag when None."""
    offset: float | None = None
    """Offset that is added after the scale; that of the file's tag when None."""


@dataclass(frozen=True, kw_only=True)
class BandFiles:
    """Files of the bands of one image."""

    path: Path
    """Folder, zip or item that names them."""
    bands: tuple[BandFile, ...]
    files: tuple[Path, ...]
    """Files that the image depends on."""
    product: str | None = None
    """Name of the product, where the files state it."""
    note: str = ""
    """Peculiarity of the values that a user should know."""


@contextmanager
def opened_as_one(found: BandFiles) -> Iterator[Any]:
    """Open the files of an image as one raster of several bands.

    Raises:
        InputError: If a file cannot be read, has several bands, or the files cover different
            areas.
    """
    layers = [_layer(found.path, band) for band in found.bands]
    # The first of the finest bands has the grid of the image.
    grid = min(layers, key=lambda one: (abs(one.transform.determinant), -one.width_px))
    document = _document(found, grid, layers)
    with rasterio.MemoryFile(document.encode(), ext=".vrt") as memory, memory.open() as source:
        yield source


@dataclass(frozen=True, kw_only=True)
class _Layer:
    """A band, with the description of its file."""

    band: BandFile
    width_px: int
    height_px: int
    transform: Any
    crs: Any
    dtype: str
    nodata: float | None
    scale: float
    offset: float


def _layer(path: Path, band: BandFile) -> _Layer:
    try:
        with rasterio.open(band.source) as file:
            if file.count != 1:
                raise InputError(
                    f"expected one band in each file of {path}, found {file.count} in "
                    f"{band.source}; give the file of all bands instead"
                )
            return _Layer(
                band=band, width_px=file.width, height_px=file.height, transform=file.transform,
                crs=file.crs, dtype=file.dtypes[0], nodata=file.nodata,
                scale=(file.scales[0] or 1.0) if band.scale is None else band.scale,
                offset=file.offsets[0] if band.offset is None else band.offset,
            )  # fmt: skip
    except RasterioError as error:
        reason = str(error.__cause__ or error).splitlines()[0]
        raise InputError(
            f"cannot read the band {band.name} of {path} ({reason}); give complete files"
        ) from None


def _document(found: BandFiles, grid: _Layer, layers: Sequence[_Layer]) -> str:
    """Return the virtual raster as XML."""
    bands = "".join(
        _band(found.path, grid, layer, number) for number, layer in enumerate(layers, start=1)
    )
    product = (
        f"<Metadata><MDI key={quoteattr(PRODUCT_TAG)}>{escape(found.product)}</MDI></Metadata>"
        if found.product else ""
    )  # fmt: skip
    place = ""
    if grid.crs:
        numbers = ",".join(repr(float(value)) for value in grid.transform.to_gdal())
        place = f"<SRS>{escape(grid.crs.to_wkt())}</SRS><GeoTransform>{numbers}</GeoTransform>"
    size = f'rasterXSize="{grid.width_px}" rasterYSize="{grid.height_px}"'
    return f"<VRTDataset {size}>{place}{product}{bands}</VRTDataset>"


def _band(path: Path, grid: _Layer, layer: _Layer, number: int) -> str:
    left, top, width, height = _place(path, grid, layer)
    nodata = "" if layer.nodata is None else f"<NoDataValue>{layer.nodata!r}</NoDataValue>"
    return (
        f'<VRTRasterBand dataType="{_GDAL_TYPES.get(layer.dtype, "Float32")}" band="{number}">'
        f"<Description>{escape(layer.band.name)}</Description>{nodata}"
        f"<Offset>{layer.offset!r}</Offset><Scale>{layer.scale!r}</Scale><SimpleSource>"
        f'<SourceFilename relativeToVRT="0">{escape(layer.band.source)}</SourceFilename>'
        "<SourceBand>1</SourceBand>"
        f'<SrcRect xOff="0" yOff="0" xSize="{layer.width_px}" ySize="{layer.height_px}"/>'
        f'<DstRect xOff="{left!r}" yOff="{top!r}" xSize="{width!r}" ySize="{height!r}"/>'
        "</SimpleSource></VRTRasterBand>"
    )


def _place(path: Path, grid: _Layer, layer: _Layer) -> tuple[float, float, float, float]:
    """Return left, top, width and height of a band in pixels of the image's grid.

    Raises:
        InputError: If the band does not cover the image, or lies on another grid.
    """
    to_grid = ~grid.transform @ layer.transform
    left, top = float(to_grid.c), float(to_grid.f)
    width, height = float(to_grid.a * layer.width_px), float(to_grid.e * layer.height_px)
    if not grid.crs and not layer.crs:
        left, top, width, height = 0.0, 0.0, float(grid.width_px), float(grid.height_px)
    slack = _ALIGNED_PX + max(to_grid.a, to_grid.e) - 1  # of a coarse band, part of a pixel
    apart = max(
        left, top, grid.width_px - left - width, grid.height_px - top - height,
        abs(to_grid.b), abs(to_grid.d),
    )  # fmt: skip
    if layer.crs != grid.crs:
        what = f"the coordinate systems {grid.crs} and {layer.crs}"
    elif apart > slack or not math.isfinite(apart):
        what = f"edges that are {apart:g} pixels apart"
    else:
        return tuple(_rounded(value) for value in (left, top, width, height))  # type: ignore[return-value]
    raise InputError(
        f"expected the same area in all files of {path}, found {what} in {grid.band.source} and "
        f"{layer.band.source}; give files of one image"
    )


def _rounded(value: float) -> float:
    """Return a number of pixels without the rounding errors of coordinates."""
    nearest = float(round(value))
    return nearest if abs(value - nearest) < _ALIGNED_PX else value
