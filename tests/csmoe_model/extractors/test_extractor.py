"""The protocol of an extractor: bands by name, costs as counted, one-line errors."""

import json
import shutil

import numpy as np
import pytest
import torch
from labelled_sets import bright_and_dark
from model_folders import write_model
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode
from training_shards import learnable_shards

from csmoe_model.checkpoints.weights import read_tensors
from csmoe_model.extractors.checkpoint import load_encoder
from csmoe_model.extractors.load import load_extractor
from csmoe_model.inference.export_encoder import export
from minortom.errors import InputError
from minortom.io.provenance import Provenance
from minortom.sensors import MODEL_BANDS
from minortom.shards.shard_set import ShardSet

SENSORS = ("s2", "s1")
KINDS = ("checkpoint", "encoder-s1", "untrained", "band-statistics", "random-convolutions")
DATA = bright_and_dark({"train": 9}, side=20)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Folders of a model, of its Sentinel-1 encoder and of fitted filters."""
    folder = tmp_path_factory.mktemp("extractors")
    write_model(folder / "checkpoint", ShardSet.open(learnable_shards(folder / "shards")))
    export(folder / "checkpoint", out=folder / "encoder-s1", sensor="s1")
    (folder / "random-convolutions").mkdir()
    provenance = Provenance(command="test", options={}, licences=("CC-BY-4.0",))
    fitted = load_extractor("random-convolutions").fitted(
        DATA.split("train"), sensors=SENSORS, bands=DATA.bands, seed=3
    )
    fitted.save(folder / "random-convolutions", provenance)
    return folder


@pytest.fixture
def load(folder):
    """Return a function that loads an extractor of a kind."""

    def loaded(kind):
        if kind == "untrained":
            return load_extractor(folder / "checkpoint").untrained(seed=1).make()
        return load_extractor(kind if kind == "band-statistics" else folder / kind)

    return loaded


def images_of(extractor, count=3):
    """Return images of the sensors of an extractor."""
    images = DATA.split("train").images(np.arange(count))
    return {sensor: images[sensor] for sensor in extractor.sensors}


@pytest.mark.parametrize("kind", KINDS)
def test_vectors_do_not_depend_on_the_order_of_the_bands(load, kind):
    extractor = load(kind)
    images, rng = images_of(extractor), np.random.default_rng(0)
    order = {sensor: rng.permutation(len(MODEL_BANDS[sensor])) for sensor in images}
    turned = {sensor: array[:, order[sensor]] for sensor, array in images.items()}
    names = {sensor: [MODEL_BANDS[sensor][n] for n in order[sensor]] for sensor in images}
    found, wanted = extractor(turned, bands=names), extractor(images)
    assert torch.equal(found, wanted)
    assert wanted.shape == (3, extractor.width_of(extractor.sensors))
    assert wanted.dtype == torch.float32
    assert len(torch.unique(wanted, dim=0)) == 3


@pytest.mark.parametrize("kind", KINDS)
def test_a_vector_of_two_sensors_is_both_vectors_one_after_the_other(load, kind):
    extractor = load(kind)
    images = images_of(extractor)
    alone = [extractor({sensor: images[sensor]}) for sensor in images]
    torch.testing.assert_close(extractor(images), torch.cat(alone, dim=1), rtol=1e-5, atol=1e-5)
    assert [part.shape[1] for part in alone] == [extractor.width_of((s,)) for s in images]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", [(20, 20), (11, 16)])
def test_costs_are_those_counted(folder, load, kind, shape):
    """Torch counts two operations for a multiply-add, and no sums or norms."""
    extractor = load(kind)
    images = {
        sensor: array[:1, :, : shape[0], : shape[1]]
        for sensor, array in images_of(extractor).items()
    }
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        extractor(images)
    cost = extractor.cost_of(dict.fromkeys(images, shape))
    assert cost.multiply_adds == counter.get_total_flops() / 2
    if kind == "random-convolutions":
        tensors = read_tensors(folder / kind)
        weights = [tensors["s2.filters"], tensors["s1.filters"]]
    elif kind == "band-statistics":
        weights = []
    else:
        weights = list(extractor.model.backbone.parameters())
    assert cost.parameters == sum(weight.numel() for weight in weights)


@pytest.mark.parametrize("sensor", SENSORS)
def test_the_cost_of_one_sensor_is_that_of_its_encoder(folder, load, sensor):
    export(folder / "checkpoint", out=folder / f"of-{sensor}", sensor=sensor, overwrite=True)
    alone, whole = load_extractor(folder / f"of-{sensor}"), load("checkpoint")
    assert whole.cost_of({sensor: (20, 20)}) == alone.cost
    assert whole.cost == whole.cost_of({"s2": (20, 20), "s1": (20, 20)})


def test_fitted_filters_are_stored_and_loaded_again(load):
    stored = load("random-convolutions")
    again = load_extractor("random-convolutions").fitted(
        DATA.split("train"), sensors=SENSORS, bands=DATA.bands, seed=3
    )
    images = images_of(stored)
    assert torch.equal(stored(images), again(images))
    assert stored.sha256 == again.sha256
    assert stored.licences == ("CC-BY-4.0",)
    # Fitted filters stay as they are.
    assert stored.fitted(DATA.split("train"), sensors=["s1"], bands={}, seed=0) is stored


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda images: {"s1": images["s1"][:, :1]}, "vv vh"),
        (lambda images: {"s1": images["s1"] * np.nan}, "must be finite numbers"),
        (lambda _: {}, "expected bands of s.*, which .* encodes, found none in the images; "),
    ],
)
def test_images_that_do_not_fit_are_one_line(load, kind, change, message):
    extractor = load(kind)
    with pytest.raises(InputError, match=message) as refused:
        extractor(change(images_of(extractor)))
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("kind", KINDS)
def test_a_missing_band_is_named(load, kind):
    extractor = load(kind)
    with pytest.raises(InputError, match="needs the s1 bands vv vh, found vv; add vh"):
        extractor({"s1": images_of(extractor)["s1"][:, :1]}, bands={"s1": ["vv"]})


def test_a_sensor_that_the_extractor_lacks_is_named(load):
    with pytest.raises(InputError, match="bands of s1, which tiny encodes, found bands of s2"):
        load("encoder-s1")({"s2": images_of(load("checkpoint"))["s2"]})


def test_filters_are_fitted_before_they_encode(load):
    extractor = load_extractor("random-convolutions")
    with pytest.raises(InputError, match="random-convolutions must be fitted on training images"):
        extractor(images_of(load("checkpoint")))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "crystal-ball"}, "random-convolutions, .* in .*, found crystal-ball"),
        ({"kind": 3}, "config.json is damaged .*kind must be text, found 3"),
        ({"bands": {"s3": ["B02"]}}, r"found the bands \['s3'\]"),
        ({"bands": {"s1": ["vv", "B02"]}}, r"found the bands \['B02'\]"),
        ({"bands": {}}, "found the bands of no sensor"),
        ({"bands": {"s1": ["vv"]}}, "found filters of s1 of the shapes"),
        ({"num_filters": "x"}, "num_filters must be a whole number of at least 0, found 'x'"),
        ({"minortom": 1}, "config.json is damaged .*minortom must be keys and values"),
    ],
)
def test_a_damaged_extractor_is_one_line(folder, tmp_path, change, message):
    copy = shutil.copytree(folder / "random-convolutions", tmp_path / "copy")
    config = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps(config | change))
    with pytest.raises(InputError, match=message) as refused:
        load_extractor(copy)
    assert "\n" not in str(refused.value)


def test_a_command_for_csmoe_alone_names_the_other_kind(folder):
    with pytest.raises(InputError, match="a checkpoint of CSMoE, found an extractor of the kind r"):
        load_encoder(folder / "random-convolutions")


def test_a_reserved_name_is_no_folder(folder, monkeypatch):
    monkeypatch.chdir(folder)
    assert load_extractor("random-convolutions").needs_fit
    assert not load_extractor("./random-convolutions").needs_fit
