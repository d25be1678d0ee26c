"""`--resume` with more steps lengthens a finished run, under the schedule of its new length."""

import json
import math
import shutil
from dataclasses import replace

import pytest
import torch
from minortom_cli.console import run as run_command
from minortom_cli.model.app import app
from safetensors.torch import load_file
from training_runs import SHORT, rows, run, stop_after
from training_shards import learnable_shards

from csmoe_model.runs.folder import RunFolder
from csmoe_model.training.config import TrainConfig
from csmoe_model.training.module import Pretraining
from minortom.errors import InputError, OutputExistsError

pytest_plugins = ("training_fixtures",)
pytestmark = pytest.mark.usefixtures("small_steps")
LONGER = replace(SHORT, steps=12)
WORDS = ("--workers", "1", "--no-tensorboard")


@pytest.fixture
def done(finished, tmp_path):
    """Return a finished run of 8 steps that a test may change."""
    shutil.copytree(finished, tmp_path / "run")
    return tmp_path / "run"


@pytest.fixture(scope="module")
def by_two_schedules(shards, tmp_path_factory):
    """Return an uninterrupted run of 12 steps, the first 8 with the learning rates of 8 steps."""
    real = TrainConfig.lr_factor
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            TrainConfig, "lr_factor",
            lambda self, step, num_steps: real(self, step, 8 if step < 8 else num_steps),
        )  # fmt: skip
        out = tmp_path_factory.mktemp("two") / "run"
        run(shards, out, LONGER)
    return out


def assert_equal_weights(out, twin):
    found, wanted = (load_file(f / "model/model.safetensors") for f in (out, twin))
    for name, tensor in wanted.items():
        assert torch.equal(found[name], tensor), name


def test_a_longer_run_equals_one_of_both_schedules_bit_for_bit(
    shards, done, by_two_schedules, caplog
):
    seen = []
    result = run(shards, done, LONGER, resume=True, on_step=lambda step, *_: seen.append(step))
    assert seen == [9, 10, 11, 12]
    assert (result.status, result.steps) == ("trained", 12)
    assert_equal_weights(done, by_two_schedules)
    assert [row["step"] for row in rows(done, "train")] == ["3", "6", "8", "9", "12"]
    assert "lengthening the run from 8 to 12 steps: the learning rate now follows" in caplog.text


def test_the_optimiser_has_the_rates_of_the_new_schedule(shards, done, monkeypatch):
    used, real = [], Pretraining.on_before_optimizer_step

    def noting(self, optimizer):
        used.append(optimizer.param_groups[0]["lr"])
        real(self, optimizer)

    monkeypatch.setattr(Pretraining, "on_before_optimizer_step", noting)
    run(shards, done, LONGER, resume=True)
    # Warm-up 0.25 · 12 = 3 steps, then a cosine over 9 steps: step 9 is the sixth of them.
    cosine = [2e-3 * (1 + math.cos(math.pi * k / 9)) / 2 for k in (5, 6, 7, 8)]
    assert used == pytest.approx(cosine, rel=1e-6)


@pytest.mark.usefixtures("sigterm_raises")
def test_a_stopped_longer_run_resumes_with_the_same_options_or_none(shards, done, by_two_schedules):
    with pytest.raises(SystemExit):
        run(shards, done, LONGER, resume=True, on_step=stop_after(9))
    assert (done / "model").is_dir()  # those of 8 steps, until the run is finished
    words = ["train", str(shards), "--out", str(done), "--resume", *WORDS]
    with pytest.raises(OutputExistsError, match="unfinished"):
        run(shards, done, LONGER, lengthened=(8,))
    with pytest.raises(SystemExit):
        run(shards, done, LONGER, lengthened=(8,), resume=True, on_step=stop_after(10))
    assert run_command(app, words) == 0
    assert_equal_weights(done, by_two_schedules)


def test_the_longer_run_is_up_to_date_and_its_provenance_has_both_lengths(shards, done, capsys):
    words = ["train", str(shards), "--out", str(done), "--resume", *WORDS]
    assert run_command(app, [*words, "--steps", "12"]) == 0
    capsys.readouterr()
    assert run_command(app, [*words, "--steps", "12", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["status"] == "up to date"
    options = json.loads((done / "model" / "config.json").read_text())["minortom"]["options"]
    assert (options["train"]["steps"], options["lengthened"]) == (12, [8])
    assert run_command(app, [*words, "--steps", "16"]) == 0
    assert RunFolder(done).stored()["lengthened"] == [8, 12]


def test_a_longer_run_is_not_the_run_of_that_length(shards, done):
    run(shards, done, LONGER, resume=True)
    with pytest.raises(OutputExistsError, match=r"lengthened is \[8\] in the run and not given"):
        run(shards, done, LONGER)


@pytest.mark.parametrize("steps", [3, 7])
def test_a_shorter_length_is_refused(shards, done, steps):
    with pytest.raises(InputError, match=rf"above the 8 steps of the finished run .*found {steps}"):
        run(shards, done, replace(SHORT, steps=steps), resume=True)
    assert RunFolder(done).stored()["train"]["steps"] == 8


def test_epochs_may_lengthen_it_too(shards, done):
    # 20 pairs in batches of 6: three steps an epoch.
    result = run(shards, done, replace(SHORT, steps=None, epochs=4), resume=True)
    assert (result.steps, result.epochs) == (12, 4)


def test_an_unfinished_run_keeps_its_length(shards, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        run(shards, tmp_path / "run", on_step=stop_after(2, 2))
    with pytest.raises(InputError, match=r"train.steps is 8 in the run and 12 .*finish it with"):
        run(shards, tmp_path / "run", LONGER, resume=True)


def test_another_option_beside_the_length_is_refused(shards, done):
    with pytest.raises(InputError, match=r"train.lr is 0.002 in the run and 0.5 in the options"):
        run(shards, done, replace(LONGER, lr=0.5), resume=True)


def test_a_run_without_its_checkpoint_points_to_weights(shards, done):
    RunFolder(done).checkpoint.unlink()
    with pytest.raises(
        InputError, match=r"to lengthen the run, found no such file; give --weights"
    ):
        run(shards, done, LONGER, resume=True)


def test_other_shards_point_to_weights(done, tmp_path):
    more = learnable_shards(tmp_path / "more", train=24, val=4)
    with pytest.raises(InputError, match=r"--resume needs the shards of the run .*give --weights "):
        run(more, done, LONGER, resume=True)


def test_an_averaged_model_is_lengthened_too(shards, tmp_path):
    config = replace(SHORT, ema_decay=0.9)
    run(shards, tmp_path / "run", config)
    run(shards, tmp_path / "run", replace(config, steps=12), resume=True)
    record = json.loads((tmp_path / "run" / "model-ema" / "config.json").read_text())["minortom"]
    assert record["options"]["lengthened"] == [8]
