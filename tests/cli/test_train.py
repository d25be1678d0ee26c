"""The command `csmoe train`: output, exit codes and files."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from minortom_cli.console import run
from minortom_cli.model.app import app, train_app
from minortom_cli.model.training_progress import step_progress
from training_shards import learnable_shards

from csmoe_model.runs.csv_log import RunLog
from csmoe_model.runs.folder import RunFolder
from csmoe_model.training.throughput import Speed

SHORT = ("--recipe", "tiny", "--steps", "2", "--batch-size", "4", "--image-size", "16")


@pytest.fixture(scope="module", autouse=True)
def small_steps():
    """One thread is fastest for these sizes."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    return str(learnable_shards(tmp_path_factory.mktemp("cli") / "shards", train=10, val=2))


@pytest.fixture
def terminate():
    """Restore the handler of SIGTERM, which `run` replaces."""
    former = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, former)


pytestmark = pytest.mark.usefixtures("terminate")


def train(*arguments, program=app):
    return run(program, (["train"] if program is app else []) + [str(a) for a in arguments])


def one_line(text):
    """Return the only line of an error, after the log lines of steps."""
    lines = [line for line in text.strip().splitlines() if not line.startswith("step ")]
    assert len(lines) == 1, text
    assert lines[0].startswith("error: ")
    return lines[0]


def test_a_run_writes_all_files_and_prints_json(shards, tmp_path, capsys):
    out = tmp_path / "run"
    assert train(shards, "--out", out, *SHORT, "--json") == 0
    output = json.loads(capsys.readouterr().out)
    assert output["status"] == "trained"
    assert (output["steps"], output["epochs"]) == (2, 1)
    assert output["loss"] > 0
    assert output["val_loss"] > 0
    found = {str(path.relative_to(out)) for path in out.rglob("*") if path.is_file()}
    events = {path for path in found if path.startswith("tensorboard/events.out")}
    assert len(events) == 1
    assert found - events == {
        "config.yaml", "log.csv", "experts.csv", "checkpoints/last.ckpt", "curve.png",
        "reconstructions/step-00000002.png",
        "model/model.safetensors", "model/config.json", "model/README.md",
    }  # fmt: skip

    assert train(shards, "--out", out, *SHORT, "--json") == 0
    assert json.loads(capsys.readouterr().out) == {**output, "status": "up to date"}


def test_a_terminal_shows_a_live_bar_with_loss_and_speed(shards, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")  # rich then treats any stream as a terminal
    assert train(shards, "--out", tmp_path / "run", *SHORT) == 0
    output = capsys.readouterr().err
    assert "2/2" in output
    assert "loss " in output
    assert re.search(r"\d pairs/s, \d+% busy, [\d.]+ GB", output)


def test_elsewhere_log_lines_show_the_first_and_the_last_step(shards, tmp_path, capsys):
    words = (*SHORT[:2], "--steps", "20", *SHORT[4:])
    assert train(shards, "--out", tmp_path / "run", *words) == 0
    first, *between, last = capsys.readouterr().err.splitlines()
    line = r"step {} of 20: loss [\d.]+, \d+ pairs/s, [\de.-]+ TFLOP/s, \d+% busy, [\d.]+ GB"
    assert re.fullmatch(line.format(1), first)
    assert re.fullmatch(line.format(20), last)
    assert len(between) <= 1  # a loaded machine may take half a minute


def test_lines_are_printed_for_the_first_step_and_the_last(capsys):
    speed = Speed(
        pairs_per_s=9.0, busy=1.0, tflops=2.0, memory_gb=3.0, peak_tflops=8.0
    )  # fmt: skip
    with step_progress(is_first=True) as on_step:
        for step in range(5, 11):  # the steps of a run that resumes
            on_step(step, 10, 0.5, speed)
    lines = capsys.readouterr().err.splitlines()
    assert [line.split()[1] for line in lines] == ["5", "10"]
    assert lines[0].endswith("9 pairs/s, 2 TFLOP/s, 100% busy, 25% of peak, 3 GB")


def test_only_the_first_process_shows_progress(capsys):
    with step_progress(is_first=False) as on_step:
        on_step(1, 1, 0.5, None)
    assert capsys.readouterr().err == ""


def test_csmoe_train_is_the_same_command(shards, tmp_path, capsys):
    assert train(shards, "--out", tmp_path / "run", *SHORT, program=train_app) == 0
    assert "trained" in capsys.readouterr().out


def test_another_run_in_the_folder_is_replaced_only_when_allowed(shards, tmp_path, capsys):
    out = tmp_path / "run"
    assert train(shards, "--out", out, *SHORT) == 0
    assert train(shards, "--out", out, *SHORT, "--seed", "1") == 1
    error = one_line(capsys.readouterr().err)
    assert "train.seed is 0 in the run and 1 in the options" in error
    assert "--overwrite" in error
    assert train(shards, "--out", out, *SHORT, "--seed", "1", "--overwrite") == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--recipe", "huge"), "recipe must be one of csmoe-b32"),
        (
            ("--recipe", "tiny", "--batch-size", "11"),
            "batch_size must be at most the number of pairs",
        ),
        (("--recipe", "tiny", "--image-size", "60"), "multiple of patch_size 8, found 60"),
        (("--recipe", "tiny", "--steps", "2", "--epochs", "2"), "epochs or steps"),
        (("--recipe", "tiny", "--lr", "0"), "lr must be above 0"),
        (("--recipe", "tiny", "--steps", "0"), "steps must be 1 or more, found 0"),
        (("--recipe", "tiny", "--mask-ratio", "1"), "mask_ratio must be above 0 and below 1"),
        (
            ("--recipe", "tiny", "--batch-size", "4", "--resume"),
            "--resume needs a run, found none in",
        ),
    ],
)
def test_bad_input_is_a_one_line_error_and_writes_nothing(shards, tmp_path, capsys, words, message):
    assert train(shards, "--out", tmp_path / "run", *words) == 1
    assert message in one_line(capsys.readouterr().err)
    assert list(tmp_path.iterdir()) == []


def test_missing_shards_are_a_one_line_error(tmp_path, capsys):
    assert train(tmp_path / "no", "--out", tmp_path / "run", *SHORT) == 1
    assert "expected a folder of shards, but " in one_line(capsys.readouterr().err)
    (tmp_path / "empty").mkdir()
    assert train(tmp_path / "empty", "--out", tmp_path / "run", *SHORT) == 1
    assert "is empty" in one_line(capsys.readouterr().err)


def test_parent_folders_of_a_run_are_created(shards, tmp_path):
    assert train(shards, "--out", tmp_path / "runs" / "first", *SHORT) == 0
    assert (tmp_path / "runs" / "first" / "model" / "model.safetensors").is_file()
    assert [path.name for path in (tmp_path / "runs").iterdir() if path.name[0] == "."] == []


def test_a_run_below_a_file_is_a_one_line_error(shards, tmp_path, capsys):
    (tmp_path / "file").touch()
    assert train(shards, "--out", tmp_path / "file" / "run", *SHORT) == 1
    assert "must be a folder, but is a file" in one_line(capsys.readouterr().err)


@pytest.mark.parametrize(
    "words",
    [
        ("--out",),
        ("--steps", "few", "--out", "x"),
        (),
        ("--save-every", "0", "--out", "x"),
        ("--slots", "many", "--out", "x"),
        ("--learning-rate", "1", "--out", "x"),
    ],
)
def test_wrong_usage_is_exit_2(shards, words, capsys):
    assert train(shards, *words) == 2
    assert "Error" in capsys.readouterr().err


def test_conditions_and_crops_are_options_that_the_run_stores(shards, tmp_path, capsys):
    out = tmp_path / "run"
    words = ("--condition", "both", "--local-global", "0.5", "--crop-side", "0.4")
    assert train(shards, "--out", out, *SHORT, *words) == 0
    model = json.loads((out / "model" / "config.json").read_text())["model"]
    assert (model["condition"], model["local_global"], model["crop_side"]) == ("both", 0.5, 0.4)
    assert all(float(row["local_global"]) > 0 for row in RunFolder(out).log.rows())
    capsys.readouterr()
    for condition in ("sensor", "none"):
        assert train(shards, "--out", out, "--resume", "--condition", condition) == 1
        assert "model.condition is both in the run" in one_line(capsys.readouterr().err)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--condition", "granularity"), "condition granularity needs local crops beside whole"),
        (("--local-global", "-1"), "local_global must be 0 or more, found -1"),
        (("--local-global", "1", "--crop-side", "2"), "crop_side must be a fraction of the side"),
        (("--condition", "sensor", "--num-experts", "0"), "condition sensor needs shared layers"),
        (("--condition", "sensor", "--shared-layers", "0"), "found shared_layers 0"),
    ],
)
def test_conditions_and_crops_without_effect_are_one_line(shards, tmp_path, capsys, words, message):
    assert train(shards, "--out", tmp_path / "run", *SHORT, *words) == 1
    assert message in one_line(capsys.readouterr().err)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGTERM, 143), pytest.param(signal.SIGINT, 130, marks=pytest.mark.soak)],
)
def test_a_signal_ends_the_run_between_steps_with_its_exit_code(shards, tmp_path, number, code):
    out = tmp_path / "run"
    program = [shutil.which("csmoe-train", path=str(Path(sys.executable).parent)) or "csmoe-train"]
    words = [shards, "--out", str(out), "--recipe", "tiny", "--batch-size", "4"]
    process = subprocess.Popen(
        [*program, *words, "--steps", "100000", "--image-size", "16"],
        stderr=subprocess.PIPE, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    log = RunLog(out / "log.csv")
    deadline = time.monotonic() + 120
    while not (log.path.exists() and log.rows("train")) and time.monotonic() < deadline:
        time.sleep(0.1)
    process.send_signal(number)
    _, output = process.communicate(timeout=60)
    assert process.returncode == code, output
    assert "stopped after step" in output
    assert "Traceback" not in output
    stopped = torch.load(out / "checkpoints" / "last.ckpt", weights_only=True)["global_step"]
    assert stopped == int(log.rows("train")[-1]["step"])
    assert not (out / "model").exists()


def test_resume_needs_no_options_again(shards, tmp_path, capsys, monkeypatch):
    from csmoe_model.training import callback

    out, calls = tmp_path / "run", []

    def interrupt_the_second(run_, loader, *, should_stop):
        del run_, loader, should_stop
        calls.append(1)
        if len(calls) == 2:
            os.kill(os.getpid(), signal.SIGINT)

    with monkeypatch.context() as patch:
        patch.setattr(callback, "validation_numbers", interrupt_the_second)
        words = (*SHORT[:2], "--steps", "9", *SHORT[4:], "--val-every", "3")
        assert train(shards, "--out", out, *words) == 130
    capsys.readouterr()
    assert train(shards, "--out", out, "--resume", "--lr", "0.5") == 1
    assert "train.lr is 0.001 in the run and 0.5 in the options" in one_line(
        capsys.readouterr().err
    )
    assert train(shards, "--out", out, "--resume", "--json") == 0
    assert json.loads(capsys.readouterr().out)["steps"] == 9
