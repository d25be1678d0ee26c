"""What can be chosen about an export. Light: the command line reads its defaults here."""

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from minortom.errors import InputError
from minortom.sensors import PATCH_PX, SensorName
from minortom.shards.formats import Codec, Format

if TYPE_CHECKING:
    from minortom.shards.layout import SampleSpec

DEFAULT_RATE_MB_S = 100.0
"""Megabytes a second at which a forecast lets the archives be read: a gigabit link, nearly."""
BLOCK_PX = 1000
"""Widest block of patches: 10 km, the side of a cell, so that neighbours do not overlap."""


class Missing(StrEnum):
    """What to do about selected cells that an archive lacks."""

    ERROR = "error"
    SKIP = "skip"


class Origin(StrEnum):
    """Where in a tile its patches begin."""

    CENTER = "center"
    TOPLEFT = "topleft"


class Resampling(StrEnum):
    """How Sentinel-1 of another grid comes onto that of Sentinel-2."""

    NEAREST = "nearest"
    BILINEAR = "bilinear"


@dataclass(frozen=True, kw_only=True)
class ExportOptions:
    """What is made of the selected tiles. All of it changes the shards.

    Raises:
        InputError: If a value is out of its range.
    """

    missing: Missing = Missing.ERROR
    """Whether selected cells that an archive lacks, and that no reserve replaces, are an error or
    skipped."""
    patch_px: int = PATCH_PX
    """Side of a patch in 10 m pixels, even, ``BLOCK_PX`` at most; by default 8 × 8 in a cell, as
    the paper has it."""
    stride_px: int | None = None
    """From a patch to the next in 10 m pixels, even; the side of a patch when None."""
    origin: Origin = Origin.CENTER
    bands: tuple[str, ...] | None = None
    """Those to store, some of each sensor; all when None."""
    max_invalid: float = 0.0
    """Share of a sensor's values in a patch that may not have been measured; they are filled."""
    max_cloud: float | None = None
    """Percent of a patch that may lie under cloud, by the archive's mask; not asked when None."""
    resampling: Resampling = Resampling.NEAREST
    strict_grid: bool = False
    """Refuse tiles whose Sentinel-1 lies on another grid."""
    codec: Codec = Codec.NONE
    """How each tensor is packed."""
    format: Format = Format.PARQUET
    """What kind of files the shards are."""
    shard_bytes: int = 10**9
    """Size of a shard's tensors, before they are packed, if all patches are valid."""
    seed: int = 0
    """Draws the order of patches, and the split where the selection has none."""

    def __post_init__(self) -> None:
        if self.patch_px > BLOCK_PX:
            raise InputError(
                f"--patch-size {self.patch_px} is wider than a cell; give {BLOCK_PX} or less"
            )
        if self.stride_px is not None and (self.stride_px < 2 or self.stride_px % 2):
            raise InputError(
                f"--stride {self.stride_px} does not cut bands of 20 m at whole pixels; give an "
                "even number, 2 or more"
            )
        if not 0 <= self.max_invalid < 1:
            raise InputError(
                f"--max-invalid is {self.max_invalid:g}; wanted a share, 0 or more and below 1"
            )
        if self.max_cloud is not None and not 0 <= self.max_cloud <= 100:
            raise InputError(f"--max-cloud is {self.max_cloud:g}; wanted percent, from 0 to 100")

    @property
    def step_px(self) -> int:
        """From a patch to the next, in 10 m pixels."""
        return self.stride_px or self.patch_px

    @property
    def spec(self) -> "SampleSpec":
        """What a sample will be.

        Raises:
            InputError: If patches or bands are none that a sample can have.
        """
        from minortom.shards.layout import SampleSpec

        bands = {} if self.bands is None else {"bands": self.bands}
        return SampleSpec(patch_px=self.patch_px, codec=self.codec, format=self.format, **bands)

    def bands_read(self, sensor: "SensorName") -> tuple[str, ...]:
        """Name the columns of the archive that hold what is needed of a sensor's tile."""
        from minortom.sensors import CLOUD_MASK

        mask = (CLOUD_MASK,) if sensor == "s2" and self.max_cloud is not None else ()
        return (*self.spec.bands_of(sensor), *mask)

    def recorded(self) -> dict[str, object]:
        """Give what goes into the provenance, by its name on the command line; without the seed."""
        chosen = asdict(self) | {"stride_px": self.step_px, "bands": list(self.spec.bands)}
        del chosen["seed"]
        for name in ("patch_px", "stride_px"):
            option = {"patch_px": "patch_size", "stride_px": "stride"}[name]
            chosen[option] = chosen.pop(name)
        return {name: str(v) if isinstance(v, StrEnum) else v for name, v in chosen.items()}
