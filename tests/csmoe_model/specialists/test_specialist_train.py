"""`csmoe_model.specialists.train`: what it learns, writes, resumes and refuses."""

import json
import signal
from dataclasses import replace

import numpy as np
import pytest
import torch
from ensemble_fixtures import WIDTH, shrink_archs
from file_hashes import hashes
from label_maps import segmentation_set
from labelled_sets import bright_and_dark, set_of, split_of
from training_runs import stop_after
from training_shards import learnable_shards

from csmoe_model.data.normalise import resized
from csmoe_model.evaluation.metrics import Predictions, confusion_matrices, score
from csmoe_model.extractors.load import load_extractor
from csmoe_model.extractors.map_images import encode_set
from csmoe_model.finetuning import labelled_batches
from csmoe_model.probing.dense_training import at_size
from csmoe_model.specialists import train
from csmoe_model.specialists.images import SpecialistImages
from minortom.errors import InputError, OutputExistsError
from minortom.sensors import MODEL_BANDS

pytest_plugins = ("training_fixtures",)

SIZES = {"train": 24, "val": 8, "test": 12}
SHORT = {"epochs": 8, "batch_size": 8, "lr": 1e-2, "image_size": 32}


@pytest.fixture(scope="module", autouse=True)
def quick():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        shrink_archs(patch)
        patch.setattr("csmoe_model.specialists.run.NUM_DRAWS", 20)
        yield
    torch.set_num_threads(threads)


def run(out, data=None, **options):
    data = bright_and_dark(SIZES, side=40) if data is None else data
    return train(data=data, root=None, out=out, **{"sensor": "s2", **SHORT, **options})


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """Return the result of an unbroken run, which tests must not change."""
    return run(tmp_path_factory.mktemp("finished") / "run")


def test_it_learns_what_the_labels_say(finished):
    assert finished.test["average_accuracy"]["value"] == 1
    assert finished.val_score == 1
    assert 0 < finished.best_step <= finished.steps


def test_the_result_is_an_extractor_with_statistics_of_its_vectors(finished):
    specialist, data = load_extractor(finished.run), bright_and_dark(SIZES, side=40)
    vectors = encode_set(specialist, data.split("train"), sensors=["s2"], bands=data.bands)
    standard = specialist.vector_statistics.apply(torch.from_numpy(vectors)).double()
    np.testing.assert_allclose(standard.mean(0), 0, atol=1e-5)
    np.testing.assert_allclose(standard.square().sum(1).mean(), 1, rtol=1e-3)
    assert specialist.width == WIDTH
    assert specialist.licences == ("of these labels",)
    assert specialist.bands == {"s2": MODEL_BANDS["s2"]}
    card = (finished.weights / "README.md").read_text()
    for wanted in ("of these labels", "forest, water", "convnextv2-atto", "100.0"):
        assert wanted in card
    config = json.loads((finished.weights / "config.json").read_text())
    assert config["minortom"]["command"] == "specialist train"
    assert config["minortom"]["options"]["train"]["lr"] == 1e-2


def test_classes_of_pixels_are_learned_and_stored(tmp_path):
    data = segmentation_set((16, 4, 6))
    result = run(tmp_path / "run", data, epochs=30)
    assert result.test["miou"]["value"] > 0.8

    specialist = load_extractor(result.run)
    assert specialist.network.is_dense
    image_BCHW = torch.from_numpy(data.split("test").images(np.arange(6))["s2"])
    with torch.no_grad():
        logits_BKHW = at_size(specialist.network.logits(image_BCHW), (16, 16))
    counts = confusion_matrices(
        data.split("test").labels.astype(np.int64), logits_BKHW.argmax(1).numpy(), 2
    )
    assert score(Predictions(task="segmentation", truth=None, output=counts))["miou"] == (
        pytest.approx(result.test["miou"]["value"])
    )
    vectors = specialist(
        {"s2": image_BCHW}, bands=data.bands
    )  # the mean over the last stage, normalised, whatever the head is
    last_BDHW = specialist.network.body.maps(
        resized((image_BCHW - specialist.network.mean_C11) / specialist.network.std_C11, 32)
    )[-1]
    wanted_BD = torch.nn.functional.layer_norm(last_BDHW.mean((2, 3)), (WIDTH,), eps=1e-6)
    np.testing.assert_allclose(vectors, wanted_BD.detach(), atol=1e-4)
    assert "2 classes of pixels" in (result.weights / "README.md").read_text()


def test_a_run_that_contains_its_set_is_not_replaced(tmp_path):
    run(tmp_path / "run", epochs=1)
    shards = learnable_shards(tmp_path / "run/shards", train=12, val=6, test=8, apart_deg=5)
    before = hashes(tmp_path / "run")
    with pytest.raises(InputError, match=r"--out .*run contains the input .*shards; give another"):
        train(
            data="shards", root=shards, out=tmp_path / "run", sensor="s2", **SHORT, overwrite=True
        )
    assert hashes(tmp_path / "run") == before


def test_label_maps_that_are_not_square_are_flipped_only(tmp_path, monkeypatch):
    drawn = set()
    for name in ("draw_flips", "draw_transposes"):
        draw = getattr(labelled_batches, name)
        monkeypatch.setattr(
            labelled_batches, name,
            lambda *words, name=name, draw=draw, **more: drawn.add(name) or draw(*words, **more),
        )  # fmt: skip
    data = segmentation_set((4, 2, 2))
    wide = {
        name: split_of(
            {"s2": np.tile(split.images(np.arange(len(split)))["s2"], (1, 1, 1, 2))},
            np.tile(split.labels, (1, 1, 2)),
        )
        for name, split in data.splits.items()
    }
    result = run(tmp_path / "run", replace(data, splits=wide), epochs=1)
    assert (result.steps, drawn) == (1, {"draw_flips"})
    run(tmp_path / "square", data, epochs=1)
    assert drawn == {"draw_flips", "draw_transposes"}


def test_the_head_scores_on_the_test_split_what_the_result_says(tmp_path):
    hard = set_of({
        name: split_of(
            {"s1": np.random.default_rng(count).normal(-10, 1, (count, 2, 32, 32)).astype("f4")},
            np.arange(count) % 2,
        )
        for name, count in SIZES.items()
    }, bands={"s1": MODEL_BANDS["s1"]})  # fmt: skip
    found = run(tmp_path / "run", hard, sensor="s1", epochs=1)
    images = torch.from_numpy(hard.split("test").images(np.arange(12))["s1"])
    with torch.no_grad():
        chosen = load_extractor(found.run).network.logits(images).argmax(1).numpy()
    hits = [(chosen == k)[hard.split("test").labels == k].mean() for k in (0, 1)]
    np.testing.assert_allclose(found.test["average_accuracy"]["value"], np.mean(hits))


@pytest.mark.usefixtures("sigterm_raises")
@pytest.mark.parametrize("step", [1, 10])
def test_a_stopped_run_resumes_to_the_same_weights(finished, tmp_path, step):
    with pytest.raises(SystemExit):
        run(tmp_path / "run", on_step=stop_after(step, signal.SIGTERM))
    assert not (tmp_path / "run" / "model").exists()
    with pytest.raises(OutputExistsError, match="unfinished run"):
        run(tmp_path / "run")
    seen = []
    again = run(tmp_path / "run", resume=True, on_step=lambda done, *_: seen.append(done))
    assert seen[0] == step + 1
    assert hashes(again.weights) == hashes(finished.weights)


def test_a_finished_run_is_up_to_date_and_other_options_are_refused(finished):
    before = hashes(finished.run)
    assert run(finished.run).status == "up to date"
    for options in ({"lr": 2e-2}, {"arch": "convnextv2-femto"}, {"class_weights": "balanced"}):
        with pytest.raises(OutputExistsError, match="other inputs or options"):
            run(finished.run, **options)
    with pytest.raises(InputError, match="with its own --epochs"):
        run(finished.run, epochs=9, resume=True)
    assert hashes(finished.run) == before


def test_training_stops_at_the_first_validation_without_a_better_score(tmp_path):
    found = run(tmp_path / "run", lr=1e-9, patience=1)
    assert found.steps == found.best_step + 3 < 24  # a validation after each epoch of 3 steps


def test_the_seed_changes_the_weights(finished, tmp_path):
    other = run(tmp_path / "seed", seed=1)
    assert (
        hashes(other.weights)["model.safetensors"] != hashes(finished.weights)["model.safetensors"]
    )


def test_a_multilabel_set_and_few_bands_are_learned(tmp_path):
    base = bright_and_dark(SIZES, side=40)
    splits = {
        name: replace(split, labels=np.stack([split.labels == 1, split.labels == 0], 1))
        for name, split in base.splits.items()
    }
    bands = {"s2": ("red", "B8", "nir09", *(["-"] * 7))}
    several = replace(base, task="multilabel", splits=splits, bands=bands)
    found = run(tmp_path / "run", several, class_weights="balanced")
    assert found.test["micro_map"]["value"] > 0.99
    assert load_extractor(found.run).bands == {"s2": ("B04", "B08")}


@pytest.mark.parametrize(
    ("side", "given", "wanted"), [(120, None, 128), (40, None, 32), (20, None, 32), (40, 75, 75)]
)
def test_the_image_size_is_the_nearest_multiple_of_the_stride(side, given, wanted):
    data = bright_and_dark({"train": 2}, side=side)
    assert SpecialistImages.of(data, "s1", image_size=given).image_size == wanted


def test_statistics_are_those_of_all_training_pixels():
    data = bright_and_dark(SIZES, side=8)
    mean, std = SpecialistImages.of(data, "s2", image_size=32).statistics()
    pixels = data.split("train").images(np.arange(24))["s2"].astype(float)
    np.testing.assert_allclose(mean, pixels.mean((0, 2, 3)), rtol=1e-6)
    np.testing.assert_allclose(std, pixels.std((0, 2, 3)), rtol=1e-5)


def constant(data):
    flat = {
        name: split_of({"s2": np.ones((len(split), 10, 40, 40), np.float32)}, split.labels)
        for name, split in data.splits.items()
    }
    return replace(data, splits=flat, bands={"s2": MODEL_BANDS["s2"]})


def in_reflectance(data):
    """Return the images of a set as reflectance from 0 to 1."""
    scaled = {
        name: replace(split, images=lambda rows, split=split: {
            sensor: image / 10_000 for sensor, image in split.images(rows).items()
        })
        for name, split in data.splits.items()
    }  # fmt: skip
    return replace(data, splits=scaled)


def test_another_unit_is_refused_before_the_first_step(tmp_path):
    steps = []
    with pytest.raises(InputError, match="s2 pixels must be .*, which is reflectance from 0 to 1"):
        run(
            tmp_path / "run", in_reflectance(bright_and_dark(SIZES, side=40)),
            on_step=lambda *step: steps.append(step),
        )  # fmt: skip
    assert steps == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        (lambda d: replace(d, bands={"s2": MODEL_BANDS["s2"]}), {"sensor": "s1"},
         "expected s1 images in the set own, found s2"),
        (lambda d: replace(d, bands={"s2": ("B01",) + ("-",) * 9}), {}, "expected one of the s2"),
        (constant, {}, "every band needs contrast, found .* B02, B03"),
        (lambda d: replace(d, splits={"train": d.split("train")}), {}, "needs samples in its val"),
        (lambda d: d, {"image_size": 31}, "--image-size must be at least 32 pixels, found 31"),
        (lambda d: d, {"arch": "resnet"}, "arch must be"),
        (lambda d: d, {"sensor": "both"}, "sensor must be"),
        (lambda d: d, {"class_weights": "some"}, "class_weights must be"),
        (lambda d: d, {"resume": True}, "--resume needs a run, found none"),
        (lambda d: d, {"lr": 0.0}, "lr must be above 0"),
    ],
)  # fmt: skip
def test_bad_input_is_one_line(tmp_path, change, options, message):
    data = change(bright_and_dark(SIZES, side=40))
    with pytest.raises(InputError, match=message) as refused:
        run(tmp_path / "run", data, **options)
    assert "\n" not in str(refused.value)
