"""Options of an export.

This module imports nothing heavy, so that the command line can read its defaults here.
"""

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from minortom.api.percentages import check_percent
from minortom.errors import InputError
from minortom.sensors import PATCH_PX, SensorName
from minortom.shards.formats import Codec, Format

if TYPE_CHECKING:
    from minortom.shards.further_columns import FurtherColumn
    from minortom.shards.layout import SampleSpec

DEFAULT_RATE_MB_S = 100.0
"""Reading speed in MB/s that a forecast assumes by default: nearly a gigabit link."""
BLOCK_PX = 1000
"""Maximum side of the block of patches in 10 m pixels: 10 km, the side of a cell. Patches of
neighbouring cells do not overlap."""


class Missing(StrEnum):
    """Treatment of selected cells for which an archive has no tile."""

    ERROR = "error"
    SKIP = "skip"


class Origin(StrEnum):
    """Position of the patches in a tile."""

    CENTER = "center"
    TOPLEFT = "topleft"


class Resampling(StrEnum):
    """Resampling of Sentinel-1 onto the grid of Sentinel-2."""

    NEAREST = "nearest"
    BILINEAR = "bilinear"


@dataclass(frozen=True, kw_only=True)
class ExportOptions:
    """Options that change the content of the shards.

    Raises:
        InputError: If a value is out of its range, or ``strict_grid`` is given with a resampling,
            of which it leaves none.
    """

    missing: Missing = Missing.ERROR
    """Treatment of selected cells for which an archive has no tile and no reserve is left."""
    patch_px: int = PATCH_PX
    """Side of a patch in 10 m pixels; even, at most ``BLOCK_PX``. The default gives 8 × 8 patches
    in a cell, as in the paper."""
    stride_px: int | None = None
    """Distance from one patch to the next in 10 m pixels; even. ``patch_px`` when None."""
    origin: Origin = Origin.CENTER
    bands: tuple[str, ...] | None = None
    """Bands to store, some of each sensor; all when None."""
    max_invalid: float = 0.0
    """Maximum share of a sensor's values in a patch that were not measured, in percent; they are
    filled."""
    max_cloud: float | None = None
    """Maximum cloud cover of a patch by the archive's mask, in percent; no limit when None."""
    resampling: Resampling = Resampling.NEAREST
    strict_grid: bool = False
    """Treat tiles whose Sentinel-1 lies on another grid as unreadable."""
    codec: Codec = Codec.NONE
    """Compression of each tensor."""
    format: Format = Format.PARQUET
    """File format of the shards."""
    columns: tuple["FurtherColumn", ...] = ()
    """Columns of the selection that become metadata columns."""
    shard_bytes: int = 10**9
    """Size of the tensors of a shard in bytes, before compression, if all patches are valid."""
    seed: int = 0
    """Seed of the order of the patches, and of the split where the selection has none."""

    def __post_init__(self) -> None:
        if self.patch_px > BLOCK_PX:
            raise InputError(
                f"--patch-size must be at most {BLOCK_PX} px, the side of a cell, found "
                f"{self.patch_px}"
            )
        if self.stride_px is not None and (self.stride_px < 2 or self.stride_px % 2):
            raise InputError(
                f"--stride must be an even number of at least 2 px, so that bands of 20 m have "
                f"whole pixels, found {self.stride_px}"
            )
        check_percent("--max-invalid", self.max_invalid, takes_100=False)
        if self.max_cloud is not None and not 0 <= self.max_cloud <= 100:
            raise InputError(
                f"--max-cloud must be a percentage from 0 to 100, found {self.max_cloud:g}"
            )
        if self.strict_grid and self.resampling != Resampling.NEAREST:
            raise InputError(
                f"--strict-grid resamples nothing, found --resampling {self.resampling}; leave one "
                "of them out"
            )

    @property
    def step_px(self) -> int:
        """Distance from one patch to the next in 10 m pixels."""
        return self.stride_px or self.patch_px

    @property
    def spec(self) -> "SampleSpec":
        """Definition of the samples.

        Raises:
            InputError: If a sample cannot have this size or these bands.
        """
        from minortom.shards.layout import SampleSpec

        bands = {} if self.bands is None else {"bands": self.bands}
        return SampleSpec(patch_px=self.patch_px, codec=self.codec, format=self.format,
                          further=self.columns, **bands)  # fmt: skip

    def bands_read(self, sensor: "SensorName") -> tuple[str, ...]:
        """Return the columns of the archive that are read for a sensor."""
        from minortom.sensors import CLOUD_MASK

        mask = (CLOUD_MASK,) if sensor == "s2" and self.max_cloud is not None else ()
        return (*self.spec.bands_of(sensor), *mask)

    def recorded(self) -> dict[str, object]:
        """Return the options by their names on the command line, for the provenance; no seed."""
        chosen = asdict(self) | {"stride_px": self.step_px, "bands": list(self.spec.bands)}
        del chosen["seed"], chosen["columns"]
        if self.columns:
            chosen["columns"] = [column.name for column in self.columns]
        for name in ("patch_px", "stride_px"):
            option = {"patch_px": "patch_size", "stride_px": "stride"}[name]
            chosen[option] = chosen.pop(name)
        return {name: str(v) if isinstance(v, StrEnum) else v for name, v in chosen.items()}
