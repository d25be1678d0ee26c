"""`csmoe_model.finetune`: what it learns, writes and resumes."""

import json
import shutil

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from finetuning_calls import SIZES, finetune, relabelled
from labelled_sets import bright_and_dark, set_of, split_of
from model_folders import write_model
from safetensors.torch import load_file
from training_runs import stop_after
from training_shards import learnable_shards

import csmoe_model
from csmoe_model.csmoe import CSMoE
from csmoe_model.extractors.checkpoint import load_model
from csmoe_model.finetuning.config import FinetuneConfig
from csmoe_model.finetuning.head_files import load_network
from csmoe_model.finetuning.run import run_folder
from csmoe_model.finetuning.tuning import Tuning, part_of
from csmoe_model.probing.predictions import read_predictions
from csmoe_model.training.supervised_config import SupervisedConfig
from minortom.errors import InputError, OutputExistsError
from minortom.shards.shard_set import ShardSet

pytest_plugins = ("training_fixtures",)


@pytest.fixture(scope="module", autouse=True)
def quick():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("csmoe_model.finetuning.run.NUM_DRAWS", 20)
        patch.setattr("csmoe_model.finetuning.run.draw_curve", lambda *_: None)
        patch.setattr("csmoe_model.probing.heads.STRENGTHS", (1e-2, 1.0))
        yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    folder = tmp_path_factory.mktemp("finetune")
    write_model(folder / "model", ShardSet.open(learnable_shards(folder / "shards")), seed=7)
    return folder / "model"


@pytest.fixture(scope="module")
def finished(checkpoint, tmp_path_factory):
    """Return an unbroken run, which tests must not change."""
    out = tmp_path_factory.mktemp("finished") / "run"
    finetune(checkpoint, out, compare=True)
    return out


def rows_of(log):
    return [{k: v for k, v in row.items() if k != "images_per_s"} for row in log.rows()]


def assert_same_weights(one, two):
    for name in ("model.safetensors", "head.safetensors"):
        found, wanted = (load_file(folder / "model" / name) for folder in (one, two))
        assert found.keys() == wanted.keys()
        for key, tensor in wanted.items():
            assert torch.equal(found[key], tensor), key


def test_the_result_compares_the_network_with_its_probe_and_with_random_weights(finished):
    found = json.loads((finished / "result.json").read_text())

    assert [row["features"] for row in found["rows"]] == [
        "model", "frozen model", "untrained model",
    ]  # fmt: skip
    assert [gap["minus"] for gap in found["differences"]] == ["frozen model", "untrained model"]
    table = read_predictions(finished / "predictions.parquet")
    assert all(len(runs) == 1 for runs in table.of.values())
    truth = np.arange(12) % 2
    hits = table.of["model", "linear layer"][0].output.argmax(1) == truth
    assert found["rows"][0]["scores"]["overall_accuracy"]["value"] == hits.mean()
    assert found["minortom"]["licences"] == ["of the training data", "of these labels"]


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("task", ["multiclass", "multilabel"])
def test_a_warm_head_begins_with_the_predictions_of_the_linear_probe(checkpoint, task, classes):
    rng = np.random.default_rng(1)
    splits = {}
    for name, count in SIZES.items():
        kind = np.arange(count) % classes
        images = {
            "s2": (500 * rng.random((count, 10, 16, 16)) + 800 * (kind + 1)[:, None, None, None])
            .astype(np.float32)
        }  # fmt: skip
        labels = kind if task == "multiclass" else np.arange(classes) <= kind[:, None]
        splits[name] = split_of(images, labels)
    data = set_of(splits, task=task, classes=tuple("abc"[:classes]))
    tuning = Tuning(
        data=data, sensors=("s2",), supervised=SupervisedConfig(), options=FinetuneConfig()
    )
    part = part_of(load_model(checkpoint, device=torch.device("cpu")), ("s2",))
    probe = tuning.linear_probe(part)
    found = tuning.tested(tuning.network(part.model, probe.layer), {})

    rest = probe.test.output.sum(0) > 0  # a label that all samples have is not predicted exactly
    np.testing.assert_allclose(found.test.output[:, rest], probe.test.output[:, rest], atol=1e-3)


def test_the_weights_with_their_head_give_the_predictions_of_the_run(finished):
    encoder = CSMoE.from_pretrained(finished)
    network, head = load_network(finished / "model", encoder)
    data = bright_and_dark(SIZES)
    tuning = Tuning(
        data=data, sensors=head.sensors, supervised=SupervisedConfig(), options=FinetuneConfig()
    )
    table = read_predictions(finished / "predictions.parquet")
    found = tuning.tested(network, {}).test.output.argmax(1)

    assert (head.task, head.classes) == ("multiclass", ("forest", "water"))
    np.testing.assert_array_equal(found, table.of["model", "linear layer"][0].output.argmax(1))


def test_the_encoder_is_an_ordinary_checkpoint(finished, checkpoint, tmp_path):
    model, parent = CSMoE.from_pretrained(finished), CSMoE.from_pretrained(checkpoint)
    moved = [
        not torch.equal(tensor, parent.state_dict()[name])
        for name, tensor in model.state_dict().items()
    ]
    assert any(moved)
    assert model.encoder_only == ("s2", "s1")
    record = json.loads((finished / "model/config.json").read_text())
    assert record["history"][0]["command"] == "train"
    assert record["minortom"]["options"]["train"]["lr"] == 1e-2
    shards = learnable_shards(tmp_path / "shards", train=3, val=0)
    csmoe_model.embed(finished, shards, out=tmp_path / "e.parquet")
    assert pq.read_metadata(tmp_path / "e.parquet").num_rows == 9
    card = (finished / "model/README.md").read_text()
    assert "forest, water" in card and "csmoe predict" in card


def test_only_the_encoders_of_the_chosen_sensors_are_kept(checkpoint, tmp_path):
    finetune(checkpoint, tmp_path / "run", sensor="s1", epochs=1)
    assert CSMoE.from_pretrained(tmp_path / "run").sensors == ("s1",)


def test_all_layers_frozen_train_the_head_alone(checkpoint, tmp_path):
    finetune(checkpoint, tmp_path / "run", freeze=2, lr=0.1)
    found, wanted = CSMoE.from_pretrained(tmp_path / "run"), CSMoE.from_pretrained(checkpoint)
    for name, tensor in found.state_dict().items():
        assert torch.equal(tensor, wanted.state_dict()[name]), name


@pytest.mark.usefixtures("sigterm_raises")
@pytest.mark.parametrize("step", [1, 6, 12])
def test_a_stopped_run_resumes_to_the_same_weights_and_result(checkpoint, finished, tmp_path, step):
    out = tmp_path / "run"
    with pytest.raises(SystemExit):
        finetune(checkpoint, out, compare=True, on_step=stop_after(step))
    assert not (out / "model").exists()
    with pytest.raises(OutputExistsError, match="--resume"):
        finetune(checkpoint, out, compare=True)

    assert finetune(checkpoint, out, compare=True, resume=True).status == "trained"
    assert_same_weights(out, finished)
    for name in ("result.json", "predictions.parquet", "table.md"):
        assert (out / name).read_bytes() == (finished / name).read_bytes(), name
    for folder in ("", "untrained"):
        logs = [run_folder(run / folder).log for run in (out, finished)]
        assert rows_of(logs[0]) == rows_of(logs[1])


def test_a_run_killed_between_checkpoints_repeats_the_steps_since(checkpoint, finished, tmp_path):
    class PowerCutError(Exception):
        pass

    seen = []

    def power_cut(done, *_):
        seen.append(done)
        if len(seen) == 17:  # the fifth step of the comparison
            raise PowerCutError

    out = tmp_path / "run"
    with pytest.raises(PowerCutError):
        finetune(checkpoint, out, compare=True, save_every=4, on_step=power_cut)
    seen.clear()
    finetune(checkpoint, out, compare=True, resume=True, save_every=4,
             on_step=lambda done, *_: seen.append(done))  # fmt: skip
    assert seen == list(range(5, 13))
    assert_same_weights(out, finished)


def hard_to_tell():
    """Return a set in which many labels are wrong, so that averages of weights differ in score."""
    rng = np.random.default_rng(0)
    labels = {
        name: np.where(rng.random(len(split)) < 0.3, 1 - split.labels, split.labels)
        for name, split in bright_and_dark(SIZES).splits.items()
    }
    return relabelled(**labels)


@pytest.mark.usefixtures("sigterm_raises")
def test_a_warm_run_resumes_to_the_same_average_of_the_weights(checkpoint, tmp_path):
    warm = {"warm_start": True, "epochs": 3}
    whole, out = tmp_path / "whole", tmp_path / "run"
    wanted = finetune(checkpoint, whole, hard_to_tell(), **warm)
    with pytest.raises(SystemExit):
        finetune(checkpoint, out, hard_to_tell(), **warm, on_step=stop_after(5))
    found = finetune(checkpoint, out, hard_to_tell(), **warm, resume=True)

    assert_same_weights(out, whole)
    assert found.rows[0]["chosen"] == wanted.rows[0]["chosen"]
    assert set(found.rows[0]["chosen"][0]) == {"best_step", "steps", "average", "val"}


def test_the_network_from_random_weights_starts_from_a_random_head(checkpoint, finished, tmp_path):
    warm = tmp_path / "warm"
    finetune(checkpoint, warm, compare=True, warm_start=True)
    logs = [run_folder(run / "untrained").log for run in (warm, finished)]
    assert rows_of(logs[0]) == rows_of(logs[1])


def test_a_finished_run_is_up_to_date_and_another_one_is_kept(checkpoint, finished):
    def fail(*_):
        raise AssertionError

    assert finetune(checkpoint, finished, compare=True, on_step=fail).status == "up to date"
    with pytest.raises(OutputExistsError, match="train.lr is 0.01 in the run and 0.5"):
        finetune(checkpoint, finished, compare=True, lr=0.5)
    with pytest.raises(InputError, match="--resume continues a run with its own --epochs"):
        finetune(checkpoint, finished, compare=True, epochs=9, resume=True)


def test_shots_limit_the_training_images_of_each_class(checkpoint, tmp_path):
    found = finetune(checkpoint, tmp_path / "run", shots=3, epochs=1)
    assert found.splits == {"train": 6, "val": 8, "test": 12}
    assert found.settings["shots"] == {"a_class": 3, "draws": 1}


def test_training_improves_the_validation_score(checkpoint, tmp_path):
    # The same weights get all images of the exchanged classes wrong.
    splits = {n: 1 - s.labels for n, s in bright_and_dark(SIZES).splits.items()}
    more = {"epochs": 10, "validations": 10, "layer_decay": 1.0}
    found = finetune(checkpoint, tmp_path / "run", relabelled(**splits), **more)
    val = [float(row["score"]) for row in run_folder(tmp_path / "run").log.rows("val")]
    assert max(val) == 1.0 and val[0] == 0.0
    assert found.rows[0]["chosen"][0]["val"] == 1.0
    assert found.rows[0]["scores"]["average_accuracy"]["value"] == 1.0


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda head: head.update(classes=["a", "b", "c"]), "for the 3 classes .* found 2"),
        (lambda head: head.update(task="regression"), "head.json is damaged .*regression"),
        (lambda head: head.pop("sensors"), "head.json is damaged .*sensors"),
        (lambda head: head.update(pooling="cls"), "does not hold the head of head.json"),
    ],
)
def test_a_head_that_does_not_fit_is_refused(finished, tmp_path, damage, message):
    shutil.copytree(finished / "model", tmp_path / "model")
    file = tmp_path / "model/head.json"
    head = json.loads(file.read_text())
    damage(head)
    file.write_text(json.dumps(head))
    with pytest.raises(InputError, match=message):
        load_network(tmp_path / "model", CSMoE.from_pretrained(tmp_path / "model"))


def test_a_checkpoint_without_a_head_is_named(checkpoint):
    with pytest.raises(InputError, match=r"found no head.json in .*csmoe finetune"):
        load_network(checkpoint, CSMoE.from_pretrained(checkpoint))
