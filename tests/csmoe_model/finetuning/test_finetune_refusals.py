"""`csmoe_model.finetune`: bad input is one line, before a folder is made."""

from dataclasses import replace

import numpy as np
import pytest
from file_hashes import hashes
from finetuning_calls import SIZES, finetune, relabelled
from labelled_sets import bright_and_dark
from model_folders import write_model
from training_shards import learnable_shards

import csmoe_model
from minortom.errors import InputError
from minortom.shards.shard_set import ShardSet


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    folder = tmp_path_factory.mktemp("finetune")
    write_model(folder / "model", ShardSet.open(learnable_shards(folder / "shards")), seed=7)
    return folder / "model"


def without(split):
    data = bright_and_dark(SIZES)
    return replace(data, splits={name: s for name, s in data.splits.items() if name != split})


BAD = {
    "no validation": (without("val"), {}, "needs samples in its val split"),
    "one class": (relabelled(val=np.zeros(8, int)), {}, "fine-tuning needs at least two classes"),
    "one image": (
        relabelled(train=np.r_[1, np.zeros(23, int)]), {}, "found one for water in own"
    ),
    "no sensor": (bright_and_dark(SIZES, sensors=("s1",)), {"sensor": "s2"}, "expected s2 in the"),
    "no band": (
        replace(bright_and_dark(SIZES, sensors=("s1",)), bands={"s1": ("vv", "hh")}), {}, "vh"
    ),
    "freeze": (None, {"freeze": 3}, "--freeze must be at most the 2 layers"),
    "layer decay": (None, {"layer_decay": 1.5}, "layer_decay must be above 0 and at most 1"),
    "shots": (None, {"shots": 0}, "shots must be 1 or more, found 0"),
    "pooling": (None, {"pooling": "max"}, "pooling"),
    "class weights": (None, {"class_weights": "some"}, "class_weights"),
    "no such option": (None, {"learning_rate": 1.0}, "no parameter learning_rate"),
}  # fmt: skip


@pytest.mark.parametrize(("data", "options", "message"), BAD.values(), ids=BAD)
def test_bad_input_is_refused_before_a_folder_is_made(checkpoint, tmp_path, data, options, message):
    with pytest.raises(InputError, match=message) as caught:
        finetune(checkpoint, tmp_path / "run", data, **options)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()


def of_no_range():
    """Return the set with a test image whose values are far too large."""
    data = bright_and_dark(SIZES)
    test = data.split("test")

    def images(indices):
        found = test.images(indices)
        found["s2"][indices == 5] = 1e30
        return found

    return replace(data, splits={**data.splits, "test": replace(test, images=images)})


def test_images_that_cannot_be_encoded_leave_the_folder_as_it_was(checkpoint, tmp_path):
    message = "must give finite features, found 1 of the split test that do not, first image 6"
    with pytest.raises(InputError, match=message):
        finetune(checkpoint, tmp_path / "run", of_no_range(), warm_start=True)
    assert not (tmp_path / "run").exists()
    before = finetune(checkpoint, tmp_path / "run", epochs=1)
    with pytest.raises(InputError, match=message):
        finetune(checkpoint, tmp_path / "run", of_no_range(), warm_start=True, overwrite=True)
    assert not (tmp_path / "run" / "replaced").exists()
    again = finetune(checkpoint, tmp_path / "run", epochs=1)
    assert (before.status, again.status) == ("trained", "up to date")


def test_a_class_of_the_test_split_that_training_never_saw_is_named(checkpoint, tmp_path):
    data = replace(
        relabelled(test=np.arange(12) % 3), classes=("forest", "water", "ice"),
    )  # fmt: skip
    with pytest.raises(InputError, match="needs training samples, found none for ice in own"):
        finetune(checkpoint, tmp_path / "run", data)


def test_a_run_that_contains_its_checkpoint_or_its_set_is_not_replaced(checkpoint, tmp_path):
    run = tmp_path / "run"
    weights = finetune(checkpoint, run, epochs=1).weights
    shards = learnable_shards(run / "shards", train=12, val=6, test=8, apart_deg=5)
    before = hashes(run)
    with pytest.raises(InputError, match=r"--out .*run contains the input .*model; give another"):
        finetune(weights, run, overwrite=True)
    with pytest.raises(InputError, match=r"--out .*run contains the input .*shards; give another"):
        csmoe_model.finetune(
            checkpoint, data="shards", root=shards, out=run, warm_start=False, compare=False,
            overwrite=True,
        )  # fmt: skip
    assert hashes(run) == before
