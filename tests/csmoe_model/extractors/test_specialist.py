"""Specialists on disk: saved, loaded, damaged, priced."""

import json
import shutil

import numpy as np
import pytest
import torch
from ensemble_fixtures import WIDTH, save_specialist, shrink_archs, specialist_of
from labelled_sets import bright_and_dark
from torch.utils.flop_counter import FlopCounterMode

from csmoe_model.csmoe import CSMoE
from csmoe_model.extractors.load import load_extractor
from minortom.errors import InputError
from minortom.sensors import MODEL_BANDS

BANDS = ("B04", "B03", "B08")


@pytest.fixture(autouse=True)
def small(monkeypatch):
    shrink_archs(monkeypatch)


@pytest.fixture
def data():
    return bright_and_dark({"train": 6}, side=40)


@pytest.fixture
def folder(data, tmp_path):
    return save_specialist(tmp_path / "mine", data, bands=BANDS)


def images_of(data):
    return data.split("train").images(np.arange(6))["s2"]


def test_a_saved_specialist_gives_the_same_vectors(data, folder):
    before, after = specialist_of(data, bands=BANDS), load_extractor(folder)
    found, wanted = (one({"s2": images_of(data)}, bands=MODEL_BANDS) for one in (after, before))
    assert torch.equal(found, wanted)
    assert found.shape == (6, WIDTH)
    assert (after.sha256, after.licences, after.classes) == (
        before.sha256, ("of its labels",), ("forest", "water"),
    )  # fmt: skip
    statistics = (after.vector_statistics, before.vector_statistics)
    for name in ("mean", "factor"):
        assert torch.equal(*(one.tensors()[name] for one in statistics))


def test_bands_are_found_by_name_and_a_missing_one_is_named(data, folder):
    specialist = load_extractor(folder)
    wanted = specialist({"s2": images_of(data)}, bands=MODEL_BANDS)
    order = np.random.default_rng(0).permutation(10)
    names = [MODEL_BANDS["s2"][k] for k in order]
    assert torch.equal(specialist({"s2": images_of(data)[:, order]}, bands={"s2": names}), wanted)
    with pytest.raises(InputError, match="B04 B03 B08.*add B08"):
        specialist({"s2": images_of(data)[:, :2]}, bands={"s2": ("B03", "B04")})


def test_images_are_normalised_and_resized_before_the_network(data, folder):
    specialist = load_extractor(folder)
    chosen = torch.from_numpy(images_of(data)[:, [MODEL_BANDS["s2"].index(b) for b in BANDS]])
    scores = torch.nn.functional.interpolate(
        (chosen - 500) / 1000, size=(32, 32), mode="bilinear", antialias=True
    )
    wanted = specialist.network.body(scores)
    found = specialist({"s2": images_of(data)}, bands=MODEL_BANDS)
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-5)


def test_the_cost_is_that_of_the_network_without_its_head(folder):
    specialist = load_extractor(folder)
    with FlopCounterMode(display=False) as counter:
        specialist.vectors({"s2": torch.zeros(1, 3, 120, 120)})
    body = specialist.network.body
    assert specialist.cost.parameters == sum(weight.numel() for weight in body.parameters())
    assert 2 * specialist.cost.multiply_adds == counter.get_total_flops()
    assert specialist.cost == specialist.cost_of({"s2": (500, 500)})  # images are resized


def test_every_part_that_changes_vectors_changes_the_hash(data):
    found = [
        specialist_of(data, bands=BANDS), specialist_of(data, bands=BANDS, seed=1),
        specialist_of(data, bands=BANDS[::-1]), specialist_of(data),
    ]  # fmt: skip
    assert len({one.sha256 for one in found}) == len(found)
    assert specialist_of(data, bands=BANDS).sha256 == found[0].sha256


def test_the_untrained_network_has_the_same_normalisation(data, folder):
    specialist = load_extractor(folder)
    made = [specialist.untrained(seed=seed).make() for seed in (0, 0, 1)]
    vectors = [one({"s2": images_of(data)}, bands=MODEL_BANDS) for one in made]
    assert torch.equal(vectors[0], vectors[1])
    assert not torch.equal(vectors[0], vectors[2])
    assert torch.equal(made[0].network.mean_C11, specialist.network.mean_C11)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"arch": "resnet18"}, "found the architecture resnet18 for s2"),
        ({"classes": ["only one"]}, "found .*size mismatch for head.weight"),
        ({"image_size": "large"}, "image_size must be a whole number"),
        ({"bands": {"s2": ["B04"], "s1": ["vv"]}}, "found the architecture .* for s2 and s1"),
        ({"bands": {"s2": ["B99"]}}, "found the bands"),
    ],
)
def test_a_damaged_configuration_is_a_one_line_error(folder, change, message):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, **change}))
    with pytest.raises(InputError, match=message) as refused:
        load_extractor(folder)
    assert "\n" not in str(refused.value)


def test_a_specialist_is_no_checkpoint_of_csmoe(folder, tmp_path):
    with pytest.raises(InputError, match="expected a checkpoint of CSMoE, found .* specialist"):
        CSMoE.from_pretrained(folder)
    run = shutil.copytree(folder, tmp_path / "run" / "model").parent
    assert load_extractor(run).kind == "specialist"
