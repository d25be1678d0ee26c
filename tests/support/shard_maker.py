"""Small shards of synthetic patches, for tests of readers."""

from pathlib import Path

import numpy as np
import pyarrow as pa

from minortom.io.provenance import Provenance
from minortom.shards.layout import ALL_BANDS, METADATA_SCHEMA, SampleSpec
from minortom.shards.writer import write_shards

PROVENANCE = Provenance(command="test", options={}, seed=0, licences=("of these patches",))


def made_up_tensors(num_patches: int, patch_px: int, *, seed: int = 0, bands=ALL_BANDS):
    """Return random valid pixels, by tensor column [patch, band, row, column]."""
    rng, spec = np.random.default_rng(seed), SampleSpec(patch_px=patch_px, bands=bands)
    limits = {"uint16": (1, 10_000), "int16": (-3000, 500)}
    return {
        group.column: rng.integers(
            *limits[group.dtype], (num_patches, *spec.shape(group.column)), group.dtype
        )
        for group in spec.groups
    }


def made_up_metadata(num_patches: int, *, num_val: int = 0) -> pa.Table:
    """Return metadata of patches; the first ``num_val`` are in the split ``val``."""
    numbers = np.arange(num_patches)
    columns = {
        "grid_cell": [f"{number // 4}U_{number // 4}R" for number in numbers],
        "patch_row": numbers % 4 // 2,
        "patch_col": numbers % 2,
        "s2_product_id": [f"s2-{number}" for number in numbers],
        "s1_product_id": [f"s1-{number}" for number in numbers],
        "s2_timestamp": [None] * num_patches,
        "s1_timestamp": [None] * num_patches,
        "dt_days": [None] * num_patches,
        "s2_offset": [0] * num_patches,
        "s2_invalid": [0.0] * num_patches,
        "s1_invalid": [0.0] * num_patches,
        "epsg": [32631] * num_patches,
        "ulx_m": 500_000.0 + numbers,
        "uly_m": 1000.0 - numbers,
        "lat": numbers / 100,
        "lon": 3 + numbers / 100,
        "climate": ["Af"] * num_patches,
        "landcover": ["tree_cover"] * num_patches,
        "stratum": ["Af/tree_cover"] * num_patches,
        "split": ["val" if number < num_val else "train" for number in numbers],
    }
    arrays = [pa.array(columns[f.name]).cast(f.type) for f in METADATA_SCHEMA]
    return pa.Table.from_arrays(arrays, schema=METADATA_SCHEMA)


def with_columns(metadata: pa.Table, columns) -> pa.Table:
    """Return metadata with other values in some of its columns."""
    for name, values in columns.items():
        place = metadata.schema.get_field_index(name)
        field = metadata.schema.field(name)
        metadata = metadata.set_column(place, field, pa.array(values, field.type))
    return metadata


def write_made_up_shards(
    out: Path, *, num_patches: int = 150, patch_px: int = 8, num_val: int = 10,
    rows_per_shard: int = 100, seed: int = 0,
):  # fmt: skip
    """Write such a data set; return its tensors in the order of the samples."""
    tensors = made_up_tensors(num_patches, patch_px, seed=seed)
    write_shards(
        out, tensors=tensors, metadata=made_up_metadata(num_patches, num_val=num_val),
        provenance=PROVENANCE, rows_per_shard=rows_per_shard,
    )  # fmt: skip
    return tensors
