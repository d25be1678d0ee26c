"""What a pixel is: bands, their order, ground sampling, dtype, unit and nodata.

The only place that knows how many bands a sensor has and which ones lie at 20 m.
"""

from dataclasses import dataclass
from typing import Literal

SensorName = Literal["s2", "s1"]


@dataclass(frozen=True, kw_only=True)
class BandGroup:
    """Bands of one sensor that share a ground sampling and are stored as one tensor."""

    column: str
    """Name of the tensor column in a shard."""
    sensor: SensorName
    bands: tuple[str, ...]
    """Names as in the archive's columns, in the order of the tensor's first axis."""
    resolution_m: int
    """Ground sampling distance of a stored pixel."""
    dtype: Literal["uint16", "int16"]
    nodata: int
    """Stored value of a pixel that was not measured; no valid pixel has it."""
    scale: float
    """Physical value = stored value * scale."""
    unit: str

    def shape(self, patch_px: int) -> tuple[int, int, int]:
        """Give (bands, height, width) of a patch that is ``patch_px`` 10 m pixels wide."""
        side_px = patch_px * BASE_RESOLUTION_M // self.resolution_m
        return len(self.bands), side_px, side_px


BASE_RESOLUTION_M = 10
"""Ground sampling of the pixel grid in which patch sizes are counted."""
PATCH_PX = 120
"""Side of a patch in shards, in pixels of that grid, where nobody says otherwise."""

S2_10M = BandGroup(
    column="s2_10m", sensor="s2", bands=("B02", "B03", "B04", "B08"), resolution_m=10,
    dtype="uint16", nodata=0, scale=1e-4, unit="surface reflectance",
)  # fmt: skip
S2_20M = BandGroup(
    column="s2_20m", sensor="s2", bands=("B05", "B06", "B07", "B8A", "B11", "B12"),
    resolution_m=20, dtype="uint16", nodata=0, scale=1e-4, unit="surface reflectance",
)  # fmt: skip
S1 = BandGroup(
    column="s1", sensor="s1", bands=("vv", "vh"), resolution_m=10,
    dtype="int16", nodata=-32768, scale=0.01, unit="dB (gamma0)",
)  # fmt: skip

GROUPS = (S2_10M, S2_20M, S1)
"""The tensor columns of a shard, in order."""

CLOUD_MASK = "cloud_mask"
"""Name of the archive's mask beside the bands of Sentinel-2, at 10 m."""
CLOUD_CODES = (1, 2)
"""Its codes of thick and of thin cloud; 0 is clear, 3 a cloud's shadow."""

MODEL_BANDS: dict[SensorName, tuple[str, ...]] = {
    "s2": ("B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B11", "B12"),
    "s1": ("vv", "vh"),
}
"""Order of the channels that the model sees, by wavelength and polarisation."""
