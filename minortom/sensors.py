"""Bands of the sensors: order, ground sampling distance, dtype, unit and nodata.

Only this module defines how many bands a sensor has, and which of them are sampled at 20 m.
"""

from dataclasses import dataclass
from typing import Literal

SensorName = Literal["s2", "s1"]


@dataclass(frozen=True, kw_only=True)
class BandGroup:
    """Bands of one sensor with the same ground sampling distance, stored as one tensor."""

    column: str
    """Name of the tensor column in a shard."""
    sensor: SensorName
    bands: tuple[str, ...]
    """Names of the archive's columns, in the order of the tensor's first axis."""
    resolution_m: int
    """Ground sampling distance of a stored pixel (m)."""
    dtype: Literal["uint16", "int16"]
    nodata: int
    """Stored value of a pixel that was not measured; valid pixels have other values."""
    scale: float
    """Factor from stored to physical values."""
    unit: str
    """Unit of the physical values."""

    def shape(self, patch_px: int) -> tuple[int, int, int]:
        """Return (bands, height, width) of a patch that is ``patch_px`` pixels of 10 m wide."""
        side_px = patch_px * BASE_RESOLUTION_M // self.resolution_m
        return len(self.bands), side_px, side_px


BASE_RESOLUTION_M = 10
"""Ground sampling distance (m) of the pixel grid in which patch sizes are given."""
PATCH_PX = 120
"""Default side of a patch in shards, in pixels of that grid."""

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
"""Tensor columns of a shard, in order."""

CLOUD_MASK = "cloud_mask"
"""Column of the cloud mask in the archive of Sentinel-2, at 10 m."""
CLOUD_CODES = (1, 2)
"""Codes of the mask for thick and for thin clouds; 0 is clear, 3 is cloud shadow."""

MODEL_BANDS: dict[SensorName, tuple[str, ...]] = {
    "s2": ("B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B11", "B12"),
    "s1": ("vv", "vh"),
}
"""Channels of the model's input, ordered by wavelength and polarisation."""
