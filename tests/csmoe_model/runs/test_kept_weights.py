"""Copies of the weights that a run keeps during training."""

import json
import shutil
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file
from training_runs import SHORT, run, stop_after

from csmoe_model.extractors.checkpoint import load_model
from csmoe_model.runs.folder import RunFolder
from csmoe_model.runs.kept_weights import kept_weights
from minortom.errors import InputError

pytest_plugins = ("training_fixtures",)
pytestmark = pytest.mark.usefixtures("small_steps")

KEPT = replace(SHORT, keep_every=1, ema_decay=0.5)
"""Three steps an epoch, eight steps: weights after 3, 6 and, at the end, 8."""


@pytest.fixture(scope="module")
def kept(shards, tmp_path_factory):
    out = tmp_path_factory.mktemp("kept") / "run"
    run(shards, out, KEPT)
    return out


def files_of(folder):
    return {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def record_of(folder):
    return json.loads((folder / "config.json").read_text(encoding="utf-8"))["minortom"]


def assert_equal(weights, checkpoint, prefix):
    state = torch.load(checkpoint, weights_only=True)["state_dict"]
    for name, tensor in load_file(weights / "model.safetensors").items():
        assert torch.equal(tensor, state[prefix + name]), name


@pytest.mark.usefixtures("sigterm_raises")
def test_kept_weights_are_those_of_the_checkpoint_of_the_same_step(shards, kept, tmp_path):
    out = tmp_path / "run"
    with pytest.raises(SystemExit):
        run(shards, out, KEPT, on_step=stop_after(6))
    checkpoint = RunFolder(out).checkpoint
    assert_equal(kept / "epochs" / "0002" / "model", checkpoint, "model.")
    assert_equal(kept / "epochs" / "0002" / "model-ema", checkpoint, "ema.model.")


def test_a_run_that_keeps_weights_is_the_same_run(kept, shards, tmp_path):
    run(shards, tmp_path / "run", replace(KEPT, keep_every=0))
    assert not (tmp_path / "run" / "epochs").exists()
    for name in ("model", "model-ema"):
        wanted, found = (f / name / "model.safetensors" for f in (tmp_path / "run", kept))
        assert found.read_bytes() == wanted.read_bytes()


@pytest.mark.parametrize("step", [4, 6, 7])
def test_a_killed_run_has_the_same_copies_after_resuming(shards, kept, tmp_path, step):
    def power_cut(done, *_):
        if done == step:
            raise RuntimeError("power cut")

    out = tmp_path / "run"
    with pytest.raises(RuntimeError, match="power cut"):
        run(shards, out, KEPT, save_every=4, on_step=power_cut)
    run(shards, out, KEPT, resume=True)
    assert files_of(out / "epochs") == files_of(kept / "epochs")


@pytest.mark.usefixtures("sigterm_raises")
def test_weights_are_kept_at_the_step_at_which_a_run_is_stopped(shards, kept, tmp_path):
    with pytest.raises(SystemExit):
        run(shards, tmp_path / "run", KEPT, on_step=stop_after(3))
    found, wanted = (files_of(out / "epochs" / "0001") for out in (tmp_path / "run", kept))
    assert found == wanted


def test_kept_weights_load_and_name_their_epochs(kept):
    trained = load_model(kept / "epochs" / "0002", device=torch.device("cpu"))
    assert trained.name == "test"
    assert record_of(trained.folder)["options"]["after"] == {"epochs": 2, "steps": 6}
    assert "weights after 2 epochs" in (trained.folder / "README.md").read_text()
    assert "after" not in record_of(kept / "model")["options"]


def test_kept_weights_are_listed_in_order_with_the_final_ones_last(kept):
    found = [(str(k.folder.relative_to(kept)), k.epochs, k.steps) for k in kept_weights(kept)]
    assert found == [
        ("epochs/0001/model", 1, 3), ("epochs/0002/model", 2, 6),
        ("model", pytest.approx(8 / 3), 8),
    ]  # fmt: skip
    first = kept_weights(kept, averaged=True)[0]
    assert first.folder == kept / "epochs" / "0001" / "model-ema"


def test_final_weights_are_listed_once_if_the_last_epoch_was_kept(shards, tmp_path):
    run(shards, tmp_path / "run", replace(KEPT, epochs=2, steps=None))
    assert [k.steps for k in kept_weights(tmp_path / "run")] == [3, 6]


def test_weights_that_do_not_name_their_epoch_are_an_error(kept, tmp_path):
    shutil.copytree(kept / "model", tmp_path / "epochs" / "0007" / "model")
    with pytest.raises(InputError, match="0007.*must name the epochs"):
        kept_weights(tmp_path)
    (tmp_path / "epochs" / "0007" / "model" / "config.json").write_text("{")
    with pytest.raises(InputError, match="is damaged"):
        kept_weights(tmp_path)


def test_a_run_without_copies_is_an_error_that_names_the_option(finished, tmp_path):
    with pytest.raises(InputError, match=r"has no weights of earlier epochs.*--keep-every"):
        kept_weights(finished)
    with pytest.raises(
        InputError, match=r"has no averaged weights \(--ema-decay\) of earlier epochs"
    ):
        kept_weights(tmp_path, averaged=True)
