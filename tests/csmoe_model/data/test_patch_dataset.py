"""PatchDataset: the values of the training loader, and batches of a DataLoader."""

import math
import pickle
import re
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pytest
import torch
from shard_maker import PROVENANCE, made_up_metadata, made_up_tensors, write_made_up_shards
from torch.utils.data import DataLoader, Subset

import csmoe_model
from csmoe_model.data.loader import Loader
from csmoe_model.data.normalise import Normalise
from csmoe_model.data.sampler import OrderedBatches
from minortom.errors import InputError, ShardError
from minortom.shards.layout import ALL_BANDS, METADATA_SCHEMA, SampleSpec
from minortom.shards.shard_set import ShardSet
from minortom.shards.writer import write_shards


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("patches") / "shards"
    write_made_up_shards(folder, num_patches=30, num_val=10, rows_per_shard=17)
    return folder


def training_images(folder, split, image_size):
    """The images of a split as our training loop makes them, without flips."""
    shards = ShardSet.open(folder)
    batches = OrderedBatches(samples=shards.indices(split), batch_size=7)
    normalise = Normalise(shards.statistics, image_size=image_size)
    images = [normalise(batch.tensors) for batch in Loader(shards, batches)]
    return {sensor: torch.cat([image[sensor] for image in images]) for sensor in ("s2", "s1")}


@pytest.mark.parametrize("split", ["train", "val"])
@pytest.mark.parametrize("image_size", [None, 8, 6, 12])
def test_normalised_items_are_what_training_sees(folder, split, image_size):
    wanted = training_images(folder, split, image_size or 8)

    patches = csmoe_model.PatchDataset(folder, split=split, image_size=image_size)

    assert len(patches) == len(wanted["s2"])
    for sensor in ("s2", "s1"):
        found = torch.stack([patches[index][sensor] for index in range(len(patches))])
        assert found.dtype == torch.float32
        assert torch.equal(found, wanted[sensor])


def test_items_that_are_not_normalised_hold_the_stored_values(folder):
    tensors = made_up_tensors(30, 8)
    patches = csmoe_model.PatchDataset(folder, split="train", normalised=False)

    for index, number in enumerate(range(10, 30)):
        item = patches[index]
        assert item["index"] == number
        for column, stored in tensors.items():
            np.testing.assert_array_equal(item[column].numpy(), stored[number], strict=True)


def test_metadata_are_those_of_the_shards_with_times_as_text(folder):
    item = csmoe_model.PatchDataset(folder)[-1]

    assert (item["index"], item["grid_cell"], item["split"]) == (29, "7U_7R", "train")
    assert item["lat"] == pytest.approx(0.29)
    assert item["s2_timestamp"] == ""
    assert math.isnan(item["dt_days"])


def test_known_times_are_iso_8601(tmp_path):
    rows = made_up_metadata(3).to_pylist()
    known = {"s2_timestamp": datetime(2021, 6, 1, 10, 30, tzinfo=UTC), "dt_days": 1.5}
    metadata = pa.Table.from_pylist([row | known for row in rows], schema=METADATA_SCHEMA)
    write_shards(
        tmp_path / "s", tensors=made_up_tensors(3, 8), metadata=metadata, provenance=PROVENANCE
    )

    item = csmoe_model.PatchDataset(tmp_path / "s")[0]

    assert item["s2_timestamp"] == "2021-06-01T10:30:00+00:00"
    assert item["dt_days"] == 1.5


@pytest.mark.parametrize("normalised", [True, False])
@pytest.mark.parametrize(
    ("workers", "start"),
    [(0, None), (2, "fork"), pytest.param(2, "spawn", marks=pytest.mark.soak)],
)
def test_a_data_loader_collates_every_item_once(folder, normalised, workers, start):
    patches = csmoe_model.PatchDataset(folder, split="train", normalised=normalised)
    loader = DataLoader(
        patches, batch_size=8, num_workers=workers, multiprocessing_context=start,
    )  # fmt: skip

    batches = list(loader)

    assert [len(batch["index"]) for batch in batches] == [8, 8, 4]
    assert torch.cat([batch["index"] for batch in batches]).tolist() == list(range(10, 30))
    for name, value in patches[0].items():
        if isinstance(value, torch.Tensor):
            found = torch.cat([batch[name] for batch in batches])
            wanted = torch.stack([patches[index][name] for index in range(len(patches))])
            assert found.dtype == wanted.dtype
            assert torch.equal(found, wanted)
        elif isinstance(value, str):
            assert len(batches[-1][name]) == 4
        else:
            assert batches[-1][name].shape == (4,)


def test_shuffling_and_subsets_of_torch_work(folder):
    some = Subset(csmoe_model.PatchDataset(folder), [3, 1])
    assert [some[0]["index"], some[1]["index"]] == [3, 1]
    torch.manual_seed(0)
    (batch,) = DataLoader(csmoe_model.PatchDataset(folder), batch_size=30, shuffle=True)
    assert sorted(batch["index"].tolist()) == list(range(30))
    assert batch["index"].tolist() != list(range(30))


def test_a_data_set_can_be_pickled(folder):
    patches = csmoe_model.PatchDataset(folder, split="val", image_size=6)
    copy = pickle.loads(pickle.dumps(patches))
    assert torch.equal(copy[9]["s2"], patches[9]["s2"])


def test_a_path_may_be_text_and_an_index_past_the_end_stops(folder):
    patches = csmoe_model.PatchDataset(str(folder))
    assert len(list(patches)) == 30
    assert repr(patches) == f"<30 patches of {folder}>"
    with pytest.raises(TypeError, match=r"whole numbers, found slice; take .*Subset"):
        patches[:3]


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"folder": 3}, InputError, r"folder must be a path \(str or Path\), found 3"),
        ({"folder": "none"}, ShardError, "does not exist"),
        ({"split": "training"}, InputError, "split must be one of train, val .*'training'"),
        ({"image_size": 0}, InputError, "image_size must be a whole number of at least 1, found 0"),
        ({"image_size": "8"}, InputError, "image_size must be a whole number .* found '8'"),
        ({"image_size": 8, "normalised": False}, InputError, "needs normalised=True"),
    ],
)
def test_wrong_arguments_are_refused_in_one_line(folder, options, error, message):
    with pytest.raises(error, match=message) as caught:
        csmoe_model.PatchDataset(**{"folder": folder, **options})
    assert "\n" not in str(caught.value)


def test_shards_with_some_bands_are_read_but_not_normalised(tmp_path):
    bands = tuple(band for band in ALL_BANDS if band not in ("B11", "B12"))
    write_shards(
        tmp_path / "s", tensors=made_up_tensors(3, 8, bands=bands), metadata=made_up_metadata(3),
        provenance=PROVENANCE, spec=SampleSpec(patch_px=8, bands=bands),
    )  # fmt: skip

    patches = csmoe_model.PatchDataset(tmp_path / "s", normalised=False)
    assert patches[0]["s2_20m"].shape == (4, 4, 4)
    with pytest.raises(InputError, match="B11, B12"):
        csmoe_model.PatchDataset(tmp_path / "s")


def test_the_example_of_the_documentation_runs(repository, tmp_path, monkeypatch):
    page = repository / "docs" / "model.md"
    examples = re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    (example,) = [example for example in examples if "PatchDataset" in example]
    write_made_up_shards(tmp_path / "shards", num_patches=9, num_val=1)
    monkeypatch.chdir(tmp_path)
    names = {}

    exec(example, names)

    assert names["s2"].shape == (4, 10, 8, 8)
    assert len(names["cells"]) == 4
