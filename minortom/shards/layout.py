"""Layout of a shard: its columns, and the size of a sample.

A shard is a Parquet file that any tool reads. It has one ``binary`` column for each tensor, and
plain metadata columns. Tensor columns are uncompressed, PLAIN and without dictionary, with one page
in each row group. The offset of each value can therefore be computed (see ``byte_offsets.py``), and
one sample is read without decoding its row group.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from minortom.errors import InputError
from minortom.sensors import BASE_RESOLUTION_M, GROUPS, BandGroup, SensorName
from minortom.shards.formats import Codec, Format
from minortom.shards.further_columns import FurtherColumn, further_in

SCHEMA_VERSION = 2
ROW_GROUP_ROWS = 64
RECORD_KEY = "minortom.shards"
"""Key of the record in a shard's footer: what ``dataset.json`` says about the columns."""
DATASET_FILE = "dataset.json"

TIMESTAMP = pa.timestamp("us", tz="UTC")
METADATA_SCHEMA = pa.schema(
    [
        pa.field("grid_cell", pa.string(), nullable=False),
        pa.field("patch_row", pa.int16(), nullable=False),
        pa.field("patch_col", pa.int16(), nullable=False),
        pa.field("s2_product_id", pa.string(), nullable=False),
        pa.field("s1_product_id", pa.string(), nullable=False),
        pa.field("s2_timestamp", TIMESTAMP),
        pa.field("s1_timestamp", TIMESTAMP),
        pa.field("dt_days", pa.float64()),
        pa.field("s2_offset", pa.int16(), nullable=False),
        pa.field("s2_invalid", pa.float32(), nullable=False),
        pa.field("s1_invalid", pa.float32(), nullable=False),
        pa.field("epsg", pa.int32(), nullable=False),
        pa.field("ulx_m", pa.float64(), nullable=False),
        pa.field("uly_m", pa.float64(), nullable=False),
        pa.field("lat", pa.float64(), nullable=False),
        pa.field("lon", pa.float64(), nullable=False),
        pa.field("climate", pa.string(), nullable=False),
        pa.field("landcover", pa.string(), nullable=False),
        pa.field("stratum", pa.string(), nullable=False),
        pa.field("split", pa.string(), nullable=False),
    ]
)
"""The metadata columns, one row for each patch.

- ``patch_row``, ``patch_col``: counted from the north-west patch of the tile's block.
- ``dt_days``: time of Sentinel-1 minus time of Sentinel-2, in days.
- ``s2_offset``: subtracted from the archive's Sentinel-2 values.
- ``s2_invalid``, ``s1_invalid``: share of the sensor's pixels, over its bands, that were not
  measured and have been filled.
- ``ulx_m``, ``uly_m``: north-west corner in the projection ``epsg``.
- ``lat``, ``lon``: centre of the patch in degrees.
"""


ALL_BANDS = tuple(band for group in GROUPS for band in group.bands)
"""Bands of both sensors, in the order in which a shard stores them."""


@dataclass(frozen=True, kw_only=True)
class SampleSpec:
    """Definition of a sample: size, bands and encoding of a patch.

    Raises:
        InputError: If a patch does not have whole pixels at 20 m; a band is unknown or named twice;
            or a sensor has no band; or a further column has the name of another one.
    """

    patch_px: int
    """Side of a patch in 10 m pixels; even, so that bands of 20 m have whole pixels."""
    bands: tuple[str, ...] = ALL_BANDS
    """Bands that are stored, always in the order of ``ALL_BANDS``."""
    codec: Codec = Codec.NONE
    """Compression of each tensor."""
    format: Format = Format.PARQUET
    """File format of the shards."""
    further: tuple[FurtherColumn, ...] = ()
    """Metadata columns beside those of ``METADATA_SCHEMA``."""

    def __post_init__(self) -> None:
        finest, coarsest = BASE_RESOLUTION_M, max(group.resolution_m for group in GROUPS)
        if self.patch_px < 1 or self.patch_px * finest % coarsest:
            raise InputError(
                f"the side of a patch must be a positive multiple of {coarsest // finest} px, so "
                f"that bands of {coarsest} m have whole pixels, found {self.patch_px} px"
            )
        object.__setattr__(self, "bands", _in_order(self.bands))
        if self.format == Format.WEBDATASET and self.codec != Codec.NONE:
            raise InputError(
                f"the codec {self.codec} needs Parquet shards, found {self.format}; give --codec "
                "none or --format parquet"
            )
        names = [*(group.column for group in GROUPS), *METADATA_SCHEMA.names]
        taken = [column.name for column in self.further if column.name in names]
        if taken:
            raise InputError(
                f"expected --columns that shards do not have already, found {', '.join(taken)}; "
                "leave them out"
            )

    @property
    def metadata_schema(self) -> pa.Schema:
        """The metadata columns: those of ``METADATA_SCHEMA``, then the further ones."""
        return pa.schema([*METADATA_SCHEMA, *(column.field for column in self.further)])

    @property
    def groups(self) -> tuple[BandGroup, ...]:
        """The tensor columns in order, each with the bands that are stored."""
        kept = (
            replace(group, bands=tuple(band for band in group.bands if band in self.bands))
            for group in GROUPS
        )
        return tuple(group for group in kept if group.bands)

    def bands_of(self, sensor: SensorName) -> tuple[str, ...]:
        """Return the stored bands of a sensor."""
        return tuple(b for group in self.groups if group.sensor == sensor for b in group.bands)

    def group(self, column: str) -> BandGroup:
        """Return the bands of a tensor column."""
        return next(group for group in self.groups if group.column == column)

    def shape(self, column: str) -> tuple[int, int, int]:
        """Return (bands, height, width) of a tensor column."""
        return self.group(column).shape(self.patch_px)

    def num_bytes(self, column: str) -> int:
        """Return the size of one value of a tensor column in bytes, before compression."""
        bands, height, width = self.shape(column)
        # All dtypes of the schema have two bytes a pixel: uint16 and int16.
        return bands * height * width * 2

    def check_tensors(self, tensors: Mapping[str, NDArray[np.generic]], count: int) -> None:
        """Check that arrays hold ``count`` patches; a ValueError is a bug of the caller."""
        for group in self.groups:
            found, wanted = tensors[group.column], (count, *self.shape(group.column))
            if found.shape != wanted or found.dtype != group.dtype:
                raise ValueError(
                    f"{group.column} must be {group.dtype} {wanted}, found {found.dtype} "
                    f"{found.shape}"
                )

    @property
    def sample_bytes(self) -> int:
        """Size of the tensors of one sample in bytes, before compression."""
        return sum(self.num_bytes(group.column) for group in self.groups)


def spec_of(record: Mapping[str, Any]) -> SampleSpec:
    """Return the definition of a sample that ``dataset.json`` records."""
    bands = [band for entry in record["columns"].values() for band in entry["bands"]]
    return SampleSpec(
        patch_px=int(record["patch_px"]), bands=tuple(bands), codec=Codec(record["codec"]),
        format=Format(record["format"]), further=further_in(record),
    )  # fmt: skip


def shard_schema(spec: SampleSpec) -> pa.Schema:
    """Return the schema of a shard: the tensors, then the metadata."""
    tensors = [pa.field(group.column, pa.binary(), nullable=False) for group in spec.groups]
    return pa.schema([*tensors, *spec.metadata_schema])


def shard_name(index: int, count: int, kind: Format = Format.PARQUET) -> str:
    """Return the file name of a shard, such as ``shard-00000-of-00012.parquet``."""
    return f"shard-{index:05d}-of-{count:05d}{kind.suffix}"


def column_records(spec: SampleSpec) -> dict[str, dict[str, object]]:
    """Describe each tensor column for readers without this library."""
    return {
        group.column: {
            "sensor": group.sensor,
            "bands": list(group.bands),
            "shape": list(group.shape(spec.patch_px)),
            "axes": ["band", "row from north", "column from west"],
            "dtype": group.dtype,
            "byte_order": "little",
            "resolution_m": group.resolution_m,
            "nodata": group.nodata,
            "scale": group.scale,
            "unit": group.unit,
        }
        for group in spec.groups
    }


def _in_order(bands: Sequence[str]) -> tuple[str, ...]:
    unknown = [band for band in bands if band not in ALL_BANDS]
    if unknown:
        named = ", ".join(band or "''" for band in unknown)
        raise InputError(f"bands must be among {', '.join(ALL_BANDS)}, found {named}")
    if len(set(bands)) < len(bands):
        raise InputError(f"each band must be named once, found {', '.join(bands)}")
    for sensor in dict.fromkeys(group.sensor for group in GROUPS):
        of_sensor = [band for group in GROUPS if group.sensor == sensor for band in group.bands]
        if not set(of_sensor) & set(bands):
            raise InputError(
                f"a sample must have a band of each sensor, found {', '.join(bands)} and none of "
                f"{sensor}; add one of {', '.join(of_sensor)}"
            )
    return tuple(band for band in ALL_BANDS if band in bands)
