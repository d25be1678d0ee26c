"""Small shards that a model can learn from, and a model for them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
from shard_maker import PROVENANCE, made_up_metadata, made_up_tensors, with_columns

from csmoe_model.config import ModelConfig
from minortom.sensors import GROUPS
from minortom.shards.shard_set import ShardSet
from minortom.shards.writer import write_shards

LANDCOVERS = ("tree_cover", "cropland", "built_up", "water")

MODEL = ModelConfig(
    patch_size=4, image_size=16, width=32, num_heads=2, sensor_layers=1, shared_layers=1,
    num_experts=2, decoder_width=16, decoder_layers=1, decoder_heads=2,
)  # fmt: skip

CONDITIONED = replace(MODEL, condition="both", local_global=0.5)


def learnable_shards(
    out: Path, *, train: int = 20, val: int = 4, test: int = 0, patch_px: int = 16,
    apart_deg: float = 0.0,
) -> Path:  # fmt: skip
    """Write patches of four land covers, each with its own stripes in every band.

    The splits are `apart_deg` of latitude apart.
    """
    count = train + val + test
    rng = np.random.default_rng(0)
    kind = np.arange(count) % len(LANDCOVERS)
    tensors = {}
    for group in GROUPS:
        bands, side, _ = group.shape(patch_px)
        north = np.arange(side)[:, None] / side * np.ones(side)
        stripes = np.stack([np.sin(8 * (k + 1) * north) for k in range(len(LANDCOVERS))])[kind]
        bright = rng.uniform(0.5, 1.5, (count, 1, 1))
        pixels = (stripes + bright)[:, None] * np.arange(1, bands + 1)[:, None, None]
        pixels = pixels + rng.normal(0, 0.05, pixels.shape)
        stored = 2000 + 300 * pixels if group.dtype == "uint16" else -1500 + 200 * pixels
        tensors[group.column] = stored.astype(group.dtype)
    columns = {
        "split": ["train"] * train + ["val"] * val + ["test"] * test,
        "landcover": [LANDCOVERS[k] for k in kind],
    }
    metadata = made_up_metadata(count)
    shift_deg = np.repeat([0.0, apart_deg, 2 * apart_deg], [train, val, test])
    columns["lat"] = metadata["lat"].to_numpy() + shift_deg
    metadata = with_columns(metadata, columns)
    write_shards(out, tensors=tensors, metadata=metadata, provenance=PROVENANCE, rows_per_shard=7)
    return out


def grid_of_shards(out: Path, *, step_deg: float, own: list[str]):
    """Write one patch a cell, in rows and columns `step_deg` apart, with splits of their own.

    Places whose split is empty have no cell.
    """
    splits = ("train", "val", "test")
    side = int(np.ceil(len(own) ** 0.5))
    kept = sorted((n for n, name in enumerate(own) if name), key=lambda n: splits.index(own[n]))
    columns = {
        "grid_cell": [f"cell-{n}" for n in kept],
        "lat": [step_deg * (n // side) for n in kept],
        "lon": [step_deg * (n % side) for n in kept],
        "split": [own[n] for n in kept],
        "landcover": [LANDCOVERS[n % 2] for n in kept],
    }
    write_shards(
        out, tensors=made_up_tensors(len(kept), 4), provenance=PROVENANCE,
        metadata=with_columns(made_up_metadata(len(kept)), columns), rows_per_shard=len(kept),
    )  # fmt: skip
    return out


def label_table(folder: Path) -> pa.Table:
    """Return the patches of shards with their land cover as label, the last patch first."""
    columns = ["grid_cell", "patch_row", "patch_col", "landcover"]
    rows = ShardSet.open(folder).metadata(columns)
    return rows.rename_columns([*columns[:3], "label"]).take(np.arange(len(rows))[::-1])
