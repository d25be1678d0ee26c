"""Weights that a run keeps on the way."""

import json
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file
from training_runs import SHORT, run, stop_after

from csmoe_model.checkpoints import load_model
from csmoe_model.run_folder import RunFolder
from csmoe_model.run_weights import kept_weights, seen_by
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
def test_a_killed_run_keeps_the_same_bytes_in_the_end(shards, kept, tmp_path, step):
    def power_cut(done, *_):
        if done == step:
            raise RuntimeError("power cut")

    out = tmp_path / "run"
    with pytest.raises(RuntimeError, match="power cut"):
        run(shards, out, KEPT, save_every=4, on_step=power_cut)
    run(shards, out, KEPT, resume=True)
    assert files_of(out / "epochs") == files_of(kept / "epochs")


@pytest.mark.usefixtures("sigterm_raises")
def test_weights_are_kept_after_the_step_at_which_a_run_is_stopped_too(shards, kept, tmp_path):
    with pytest.raises(SystemExit):
        run(shards, tmp_path / "run", KEPT, on_step=stop_after(3))
    found, wanted = (files_of(out / "epochs" / "0001") for out in (tmp_path / "run", kept))
    assert found == wanted


def test_kept_weights_load_and_say_after_how_many_epochs(kept):
    trained = load_model(kept / "epochs" / "0002", device=torch.device("cpu"))
    assert trained.recipe == "test"
    assert record_of(trained.folder)["options"]["after"] == {"epochs": 2, "steps": 6}
    assert "the weights after 2 epochs of it" in (trained.folder / "README.md").read_text()
    assert "after" not in record_of(kept / "model")["options"]


def test_what_was_kept_is_listed_in_order_with_the_end_last(kept):
    found = kept_weights(kept)
    assert [str(p.relative_to(kept)) for p in found] == [
        "epochs/0001/model", "epochs/0002/model", "model",
    ]  # fmt: skip
    seen = [seen_by(record_of(p), steps_an_epoch=3) for p in found]
    assert seen == [(1, 3), (2, 6), (pytest.approx(8 / 3), 8)]
    assert kept_weights(kept, averaged=True)[0] == kept / "epochs" / "0001" / "model-ema"


def test_epochs_of_a_whole_run_are_those_of_its_configuration():
    record = {"options": {"train": {"epochs": 150, "steps": None}}}
    assert seen_by(record, steps_an_epoch=7) == (150, 1050)


def test_a_run_that_kept_nothing_is_an_error_that_says_how(finished, tmp_path):
    with pytest.raises(InputError, match=r"kept no weights on the way.*--keep-every"):
        kept_weights(finished)
    with pytest.raises(InputError, match=r"kept no averaged weights \(--ema-decay\)"):
        kept_weights(tmp_path, averaged=True)
