"""Band of class codes of an open raster: its pixels as whole numbers, without masked ones."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rasterio.enums import ColorInterp, MaskFlags
from rasterio.windows import Window

from minortom.errors import InputError
from minortom.maps.class_table import NotCategoriesError
from minortom.maps.rasters import Raster

_WHOLE_LIMIT = 2**31  # whole numbers stored as float become int32


@dataclass(frozen=True, kw_only=True, eq=False)
class ClassBand:
    """Band of class codes of an open raster."""

    source: Raster
    title: str
    """Name of the raster in messages."""
    number: int
    """Number of the band in the raster, from 1."""
    alpha: int | None
    """Number of the alpha band; None without one."""

    @classmethod
    def of(cls, source: Raster, title: str) -> "ClassBand":
        """Find the band of class codes.

        Raises:
            InputError: If there is not one such band beside an alpha band, or its type cannot
                store whole numbers.
        """
        is_alpha = [meaning == ColorInterp.alpha for meaning in source.colorinterp]
        bands = [number for number, alpha in enumerate(is_alpha, start=1) if not alpha]
        if len(bands) != 1 or source.count > 2:
            raise InputError(
                f"expected one band of class codes in the map {title}, found {source.count} bands"
            )
        found = np.dtype(source.dtypes[bands[0] - 1])
        if found.kind not in "iuf":
            raise InputError(
                f"expected whole numbers, the codes of classes, in the map {title}, found {found}"
            )
        alpha = is_alpha.index(True) + 1 if any(is_alpha) else None
        return cls(source=source, title=title, number=bands[0], alpha=alpha)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the pixels that ``read`` returns: an integer."""
        stored: np.dtype[Any] = np.dtype(self.source.dtypes[self.number - 1])
        if not self._is_converted:
            return stored
        if stored.kind == "f":
            return np.dtype(np.int32)
        return np.dtype({1: np.int16, 2: np.int32}.get(stored.itemsize, np.int64))

    @property
    def nodata(self) -> float | None:
        """Value of pixels without data in the arrays that ``read`` returns; None without such."""
        if self._is_converted:
            return int(np.iinfo(self.dtype).min)
        value: float | None = self.source.nodatavals[self.number - 1]
        return value

    @property
    def block(self) -> tuple[int, int]:
        """Height and width of a stored block, in pixels."""
        height, width = self.source.block_shapes[self.number - 1]
        return height, width

    @property
    def overviews(self) -> list[int]:
        """Factors of the overviews."""
        return list(self.source.overviews(self.number))

    def read(self, window: Window, shape: tuple[int, int] | None = None) -> NDArray[np.integer]:
        """Read the pixels of a window; pixels without data are ``nodata``.

        Args:
            window: Window in pixels of the raster.
            shape: Height and width of the result; those of the window when None. GDAL reads a
                smaller result from the overviews.

        Raises:
            NotCategoriesError: If a valid pixel has another value than a whole number.
        """
        shape = shape or (window.height, window.width)
        values: NDArray[Any] = self.source.read(self.number, window=window, out_shape=shape)
        if not self._is_converted:
            return values
        valid = valid_pixels(self.source, self.number, values, window=window)
        if values.dtype.kind == "f":
            self._require_whole(values[valid])
        pixels = np.full(shape, self.nodata, dtype=self.dtype)
        pixels[valid] = values[valid].astype(self.dtype)
        return pixels

    @property
    def _is_converted(self) -> bool:
        """Return whether ``read`` converts: floats, and integers with a mask beside the nodata."""
        stored = np.dtype(self.source.dtypes[self.number - 1])
        masked = MaskFlags.per_dataset in self.source.mask_flag_enums[self.number - 1]
        return stored.kind == "f" or masked or self.alpha is not None

    def _require_whole(self, values: NDArray[np.floating]) -> None:
        is_whole = (np.rint(values) == values) & (np.abs(values) < _WHOLE_LIMIT)
        if not is_whole.all():
            raise NotCategoriesError(
                f"expected whole numbers, the codes of classes, in the map {self.title}, found "
                f"{values[~is_whole][0]:g}; give a map of classes"
            )


def valid_pixels(
    source: Raster, band: int, values: NDArray[Any], *, window: Window
) -> NDArray[np.bool_]:
    """Return which pixels [h, w] have data, by the nodata value, the mask and the alpha band.

    A pixel has data if it is not NaN, not the nodata value of its band, not masked by the mask or
    the nodata values of the raster, and not fully transparent.

    Args:
        source: Open raster.
        band: Number of the band, from 1.
        values: [h, w] its pixels in the window, perhaps read from overviews.
        window: The window, in pixels of the raster.
    """
    valid = ~np.isnan(values) if values.dtype.kind == "f" else np.ones(values.shape, np.bool_)
    nodata = source.nodatavals[band - 1]
    if nodata is not None:
        valid &= values != nodata
    if MaskFlags.per_dataset in source.mask_flag_enums[band - 1]:
        valid &= source.read_masks(band, window=window, out_shape=values.shape) > 0
    for number, meaning in enumerate(source.colorinterp, start=1):
        if meaning == ColorInterp.alpha and number != band:  # GDAL: only as the last of 2 or 4
            valid &= source.read(number, window=window, out_shape=values.shape) > 0
    return valid
