"""Further columns of shards: in batches, as labels, and in the file of embeddings."""

import math

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from shard_maker import PROVENANCE, made_up_metadata, made_up_tensors
from torch.utils.data import DataLoader

import csmoe_model
from csmoe_model.datasets.open_set import open_set
from csmoe_model.inference.embed import embed
from minortom.errors import InputError
from minortom.shards.further_columns import FurtherColumn
from minortom.shards.layout import SampleSpec
from minortom.shards.writer import write_shards

COUNT = 24
BIOMES = [("taiga", "steppe", "Ocean/Sea")[number % 3] for number in range(COUNT)]
ELEVATIONS = [None if number % 5 == 0 else number / 2 for number in range(COUNT)]
SPLITS = ["train"] * 12 + ["val"] * 8 + ["test"] * 4  # four patches a cell


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Patches whose splits are 5 degrees apart, with a class and a number."""
    further = (
        FurtherColumn(name="biome", type_name="string"),
        FurtherColumn(name="elevation", type_name="double", unit="m"),
    )
    spec = SampleSpec(patch_px=8, further=further)
    metadata = made_up_metadata(COUNT)
    shift_deg = np.repeat([0.0, 5.0, 10.0], [12, 8, 4])
    for name, values in (("split", SPLITS), ("lat", metadata["lat"].to_numpy() + shift_deg)):
        place = metadata.schema.get_field_index(name)
        field = metadata.schema.field(name)
        metadata = metadata.set_column(place, field, pa.array(values, field.type))
    for column, values in zip(further, (BIOMES, ELEVATIONS), strict=True):
        metadata = metadata.append_column(column.field, pa.array(values, column.field.type))
    folder = tmp_path_factory.mktemp("further") / "shards"
    write_shards(
        folder, tensors=made_up_tensors(COUNT, 8), metadata=metadata, provenance=PROVENANCE,
        rows_per_shard=12, spec=spec,
    )  # fmt: skip
    return folder


def test_batches_have_the_columns_and_a_missing_number_is_nan(folder):
    batch = next(iter(DataLoader(csmoe_model.PatchDataset(folder), batch_size=COUNT)))
    assert batch["biome"] == BIOMES
    expected = torch.tensor([math.nan if e is None else e for e in ELEVATIONS], dtype=torch.float64)
    torch.testing.assert_close(batch["elevation"], expected, equal_nan=True)


def test_any_class_of_the_shards_can_be_the_label(folder):
    labelled = open_set("shards", folder, label="biome")
    assert labelled.classes == ("Ocean/Sea", "steppe", "taiga")
    found = [labelled.classes[label] for label in labelled.split("test").labels]
    assert found == BIOMES[20:]


@pytest.mark.parametrize("label", ["elevation", "soil", "split"])
def test_other_columns_are_no_labels(folder, label):
    with pytest.raises(InputError, match=r"one of landcover, climate, stratum, biome .*--col"):
        open_set("shards", folder, label=label)


def test_embeddings_have_the_columns_of_their_patches(folder, tmp_path):
    embed("band-statistics", folder, out=tmp_path / "e.parquet")
    table = pq.read_table(tmp_path / "e.parquet")
    assert set(table["sensor"].to_pylist()) == {"both"}
    assert table["biome"].to_pylist() == BIOMES
    assert table["elevation"].to_pylist() == ELEVATIONS
    assert table.column_names[:9] == [
        "grid_cell", "patch_row", "patch_col", "sensor", "split", "climate", "landcover", "biome",
        "elevation",
    ]  # fmt: skip
