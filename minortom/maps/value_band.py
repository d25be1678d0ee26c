"""Band of numbers of an open raster: its pixels as floats, NaN where they have no value."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from rasterio.enums import ColorInterp
from rasterio.windows import Window

from minortom.errors import InputError
from minortom.maps.class_band import valid_pixels
from minortom.maps.rasters import Raster

_NAMES_SHOWN = 8


@dataclass(frozen=True, kw_only=True, eq=False)
class ValueBand:
    """Band of numbers of an open raster."""

    source: Raster
    number: int
    """Number of the band in the raster, from 1."""

    @classmethod
    def of(cls, source: Raster, title: str, band: int | None) -> "ValueBand":
        """Find a band.

        Args:
            source: Open raster.
            title: Name of the raster in messages.
            band: Number of the band, from 1; None for the only band.

        Raises:
            InputError: If the raster does not have this band, several bands without a choice, or
                complex numbers.
        """
        names = [
            f"{number} {name}" if name else str(number)
            for number, name in enumerate(source.descriptions, start=1)
        ]
        shown = ", ".join(names[:_NAMES_SHOWN]) + (", …" if len(names) > _NAMES_SHOWN else "")
        values = [
            number
            for number, meaning in enumerate(source.colorinterp, start=1)
            if meaning != ColorInterp.alpha
        ]
        if band is None and len(values) != 1:
            raise InputError(
                f"expected one band of {title}, found {source.count} ({shown}); choose one, as in "
                f"{title}:1"
            )
        number = values[0] if band is None else band
        if not 1 <= number <= source.count:
            raise InputError(f"{title} has no band {number}; its bands are {shown}")
        if np.issubdtype(np.dtype(source.dtypes[number - 1]), np.complexfloating):
            raise InputError(
                f"expected real numbers in band {number} of {title}, found "
                f"{source.dtypes[number - 1]}; choose another band"
            )
        return cls(source=source, number=number)

    @property
    def unit(self) -> str | None:
        """Unit that the file states, such as ``m``; None if it states none."""
        return " ".join((self.source.units[self.number - 1] or "").split()) or None

    @property
    def title(self) -> str:
        """Number of the band and the description that the file has, as in ``band 1, elevation``."""
        text = " ".join((self.source.descriptions[self.number - 1] or "").split())
        return f"band {self.number}, {text}" if text else f"band {self.number}"

    @property
    def block(self) -> tuple[int, int]:
        """Height and width of a stored block, in pixels."""
        height, width = self.source.block_shapes[self.number - 1]
        return height, width

    def read(self, window: Window) -> NDArray[np.float64]:
        """Read the pixels [h, w] of a window, with scale and offset; NaN without a value."""
        stored = self.source.read(self.number, window=window)
        valid = valid_pixels(self.source, self.number, stored, window=window)
        scale, offset = self.source.scales[self.number - 1], self.source.offsets[self.number - 1]
        values: NDArray[np.float64] = stored.astype(np.float64) * scale + offset
        values[~(valid & np.isfinite(values))] = np.nan
        return values
