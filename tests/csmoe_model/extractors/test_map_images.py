"""Frozen features of labelled sets: pooling, sensors, bands and batches."""

import numpy as np
import pytest
import torch
from labelled_sets import bright_and_dark, split_of
from model_folders import write_model
from training_shards import MODEL, learnable_shards

from csmoe_model.extractors.checkpoint import load_model
from csmoe_model.extractors.map_images import choose_sensors, encode_set
from csmoe_model.inference.export_encoder import export
from minortom.errors import InputError
from minortom.shards.shard_set import ShardSet


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("features")
    write_model(folder / "model", ShardSet.open(learnable_shards(folder / "shards")))
    export(folder / "model", out=folder / "s1", sensor="s1")
    return folder


@pytest.fixture(scope="module")
def model(folder):
    return load_model(folder / "model", device=torch.device("cpu"))


@pytest.fixture(scope="module")
def data():
    return bright_and_dark({"train": 7}, side=24)


def wanted(model, data, sensor):
    """Return vectors and tokens by the steps of docs/use.md."""
    images = torch.from_numpy(data.split("train").images(np.arange(7))[sensor])
    prepared = model.model.prepare(**{sensor: images}, image_size=MODEL.image_size)
    with torch.inference_mode():
        encoded = model.model.encode(**prepared, patch_tokens=True)
    return encoded[sensor].numpy(), encoded[f"{sensor}_tokens"].numpy()


@pytest.mark.parametrize("sensor", ["s2", "s1"])
def test_pooling_takes_the_cls_token_or_the_mean_of_the_patches_or_both(model, data, sensor):
    cls, tokens = wanted(model, data, sensor)
    found = {
        pooling: encode_set(model.with_pooling(pooling), data.split("train"), sensors=[sensor])
        for pooling in ("cls", "mean", "both")
    }
    np.testing.assert_allclose(found["cls"], cls, atol=1e-5)
    np.testing.assert_allclose(found["mean"], tokens.mean(1), atol=1e-5)
    np.testing.assert_array_equal(found["both"], np.hstack([found["cls"], found["mean"]]))
    assert found["both"].dtype == np.float32


def test_vectors_of_two_sensors_are_concatenated(model, data):
    split = data.split("train")
    both = encode_set(model, split, sensors=["s2", "s1"])
    parts = [encode_set(model, split, sensors=[sensor]) for sensor in ("s2", "s1")]
    np.testing.assert_allclose(both, np.hstack(parts), atol=1e-6)


def test_the_batch_size_changes_no_vector_and_limits_the_batches(model, data):
    asked = []

    def images(indices):
        asked.append(len(indices))
        return data.split("train").images(indices)

    split = split_of({}, np.zeros(7, np.int64))
    counted = type(split)(images=images, labels=split.labels)
    found = encode_set(model, counted, sensors=["s2"], batch_size=3)
    assert asked == [3, 3, 1]
    whole = encode_set(model, data.split("train"), sensors=["s2"])
    np.testing.assert_allclose(found, whole, atol=1e-5)


def test_bands_are_found_by_name(model, data):
    turned = split_of(
        {"s1": data.split("train").images(np.arange(7))["s1"][:, ::-1].copy()},
        np.zeros(7, np.int64),
    )
    found = encode_set(model, turned, sensors=["s1"], bands={"s1": ("vh", "vv")})
    whole = encode_set(model, data.split("train"), sensors=["s1"])
    np.testing.assert_allclose(found, whole, atol=1e-6)


def test_a_band_missing_in_the_set_is_one_line(model):
    red = split_of({"s2": np.ones((2, 3, 16, 16), np.float32)}, np.zeros(2, np.int64))
    with pytest.raises(InputError, match="needs the s2 bands .*; add B05, B06"):
        encode_set(model, red, sensors=["s2"], bands={"s2": ("B02", "B03", "B04")})


def test_an_image_smaller_than_a_patch_is_one_line(model):
    tiny = split_of({"s1": np.ones((2, 2, 3, 9), np.float32)}, np.zeros(2, np.int64))
    with pytest.raises(InputError, match="at least 4 × 4 px, .* tiny encodes, found 3 × 9 px"):
        encode_set(model, tiny, sensors=["s1"])


def test_the_untrained_model_has_the_same_architecture_and_depends_on_its_seed(model, data):
    split = data.split("train")
    before = torch.get_rng_state()
    first, again, other = (
        encode_set(model.untrained(seed=seed).make(), split, sensors=["s2"]) for seed in (0, 0, 1)
    )
    assert torch.equal(torch.get_rng_state(), before)
    np.testing.assert_array_equal(first, again)
    assert not np.allclose(first, other)
    # `write_model` drew its weights from seed 0, too.
    np.testing.assert_allclose(first, encode_set(model, split, sensors=["s2"]), atol=1e-6)


def test_sensors_are_those_that_model_and_set_share_unless_one_is_named(folder, model, data):
    s1 = load_model(folder / "s1", device=torch.device("cpu"))
    only_s2 = bright_and_dark({"train": 2}, sensors=("s2",))
    assert choose_sensors(model, data, None) == ("s2", "s1")
    assert choose_sensors(model, data, "both") == ("s2", "s1")
    assert choose_sensors(model, data, "s1") == ("s1",)
    assert choose_sensors(s1, data, None) == ("s1",)
    assert choose_sensors(model, only_s2, None) == ("s2",)
    with pytest.raises(InputError, match="expected s2 in the model, found only s1"):
        choose_sensors(s1, data, "s2")
    with pytest.raises(InputError, match="expected s1 in the set own, found only s2"):
        choose_sensors(model, only_s2, "both")
    with pytest.raises(InputError, match=r"a sensor of the model \(s1\), found s2 in the set own"):
        choose_sensors(s1, only_s2, None)
