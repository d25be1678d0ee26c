"""Resumed runs are exact, wherever the run was stopped."""

import errno
import os
import signal
import tempfile
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from training_runs import rows, run, stop_after

from csmoe_model.runs.folder import RunFolder
from csmoe_model.training import callback
from csmoe_model.training.checkpoint_io import DirectCheckpointIO
from csmoe_model.training.signals import StopRequest

pytest_plugins = ("training_fixtures",)
pytestmark = pytest.mark.usefixtures("small_steps")


@pytest.mark.usefixtures("sigterm_raises")
@pytest.mark.parametrize("step", [1, 3, 4, 5, 8])
def test_a_stopped_run_resumes_with_bit_equal_losses(shards, finished, tmp_path, step):
    out = tmp_path / "run"
    with pytest.raises(SystemExit) as stopped:
        run(shards, out, on_step=stop_after(step))
    assert stopped.value.code == 143
    assert not (out / "model").exists()

    seen = []
    run(shards, out, resume=True, on_step=lambda done, *_: seen.append(done))
    assert seen == list(range(step + 1, 9))
    assert rows(out) == rows(finished)
    found, wanted = (load_file(f / "model/model.safetensors") for f in (out, finished))
    for name, tensor in wanted.items():
        assert torch.equal(found[name], tensor), name


@pytest.mark.usefixtures("sigterm_raises")
def test_a_run_stopped_twice_is_still_exact(shards, finished, tmp_path):
    out = tmp_path / "run"
    for step in (2, 5):
        with pytest.raises(SystemExit):
            run(shards, out, on_step=stop_after(step), resume=out.exists())
    run(shards, out, resume=True)
    assert rows(out) == rows(finished)


def test_an_interrupt_saves_a_checkpoint_and_is_raised_again(shards, tmp_path, caplog):
    with pytest.raises(KeyboardInterrupt):
        run(shards, tmp_path / "run", on_step=stop_after(2, signal.SIGINT))
    assert RunFolder(tmp_path / "run").checkpoint.is_file()
    assert "stopped after step 2; --resume" in caplog.text


def test_a_killed_run_resumes_from_its_last_checkpoint(shards, finished, tmp_path):
    class PowerCutError(Exception):
        pass

    def power_cut(done, *_):
        if done == 7:
            raise PowerCutError

    out = tmp_path / "run"
    with pytest.raises(PowerCutError):
        run(shards, out, save_every=5, on_step=power_cut)
    assert [row["step"] for row in rows(out)] == ["3", "4", "6"]
    with RunFolder(out).log.path.open("a") as log:
        log.write("2,7,train,0.1")  # half a row, as a full disk leaves it
    seen = []
    run(shards, out, resume=True, on_step=lambda done, *_: seen.append(done))
    assert seen == [6, 7, 8]
    assert rows(out) == rows(finished)


def test_a_run_killed_before_its_first_checkpoint_starts_again(shards, finished, tmp_path):
    def power_cut(*_):
        raise RuntimeError("power cut")

    with pytest.raises(RuntimeError, match="power cut"):
        run(shards, tmp_path / "run", on_step=power_cut)
    run(shards, tmp_path / "run", resume=True)
    assert rows(tmp_path / "run") == rows(finished)


def test_a_run_killed_before_its_weights_were_written_resumes_by_writing_them(
    shards, finished, tmp_path, monkeypatch
):
    def disk_full(*_, **__):
        raise OSError("disk full")

    out = tmp_path / "run"
    with monkeypatch.context() as patch:
        patch.setattr("csmoe_model.training.save_weights.save_model", disk_full)
        with pytest.raises(OSError, match="disk full"):
            run(shards, out)
    steps = []
    run(shards, out, resume=True, on_step=lambda done, *_: steps.append(done))
    assert steps == []
    found, wanted = ((f / "model/model.safetensors").read_bytes() for f in (out, finished))
    assert found == wanted


def test_a_checkpoint_that_cannot_be_written_leaves_the_last_good_one(
    shards, tmp_path, monkeypatch
):
    import lightning

    folder = RunFolder(tmp_path / "run")
    save, calls = lightning.Trainer.save_checkpoint, []

    def full_at_the_second(self, path, *rest, **more):
        calls.append(path)
        if len(calls) == 2:
            Path(path).write_bytes(b"half of i")
            raise OSError("disk full")
        save(self, path, *rest, **more)

    monkeypatch.setattr(lightning.Trainer, "save_checkpoint", full_at_the_second)
    with pytest.raises(OSError, match="disk full"):
        run(shards, folder.path, save_every=2)
    assert torch.load(folder.checkpoint, weights_only=True)["global_step"] == 2
    assert list(folder.checkpoint.parent.iterdir()) == [folder.checkpoint]


def test_a_full_disk_is_an_error_raised_by_publish():
    writer = DirectCheckpointIO()
    writer.save_checkpoint({"weights": torch.zeros(1_000_000)}, "/dev/full")
    with pytest.raises(OSError, match="No space left") as refused:
        writer.publish(Path("/dev/full"), Path("/nowhere/last.ckpt"))
    assert refused.value.errno == errno.ENOSPC


def test_a_checkpoint_needs_no_space_in_the_temporary_folder(shards, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "no room here"))
    run(shards, tmp_path / "run", save_every=2)
    assert RunFolder(tmp_path / "run").checkpoint.is_file()


def test_the_checkpoint_is_read_without_unpickling_code(finished):
    found = torch.load(RunFolder(finished).checkpoint, weights_only=True)
    assert found["global_step"] == 8


def test_a_checkpoint_keeps_the_names_of_version_0_1_0(finished):
    # A run of that version resumes only if its unfinished row is found under this key.
    found = torch.load(RunFolder(finished).checkpoint, weights_only=True)
    assert {key: set(state) for key, state in found["callbacks"].items()} == {
        "Keeper": {"sums", "count", "epoch"}
    }


@pytest.mark.usefixtures("sigterm_raises")
def test_a_signal_during_the_agreement_counts_in_the_next_one(monkeypatch):
    from csmoe_model.training import signals as module

    def interrupted(number):
        if not stop.signal:
            os.kill(os.getpid(), signal.SIGTERM)
        return number

    monkeypatch.setattr(module, "max_over_processes", interrupted)
    with StopRequest() as stop:
        assert not stop.agreed()
        assert stop.agreed()
    assert stop.signal == signal.SIGTERM


def test_a_second_signal_goes_to_the_previous_handler_at_once():
    former = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt), StopRequest() as stop:
        os.kill(os.getpid(), signal.SIGINT)
        assert stop.signal == signal.SIGINT
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(1)
    assert signal.getsignal(signal.SIGINT) is former


def test_an_ignored_signal_stays_ignored():
    former = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with StopRequest() as stop:
            signal.raise_signal(signal.SIGINT)
            assert not stop.agreed()
        stop.deliver()
    finally:
        signal.signal(signal.SIGINT, former)


@pytest.mark.parametrize(
    ("number", "ends"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, SystemExit)]
)
def test_a_stopped_run_never_ends_like_a_finished_one(number, ends):
    former = signal.signal(number, lambda *_: None)
    try:
        with StopRequest() as stop:
            signal.raise_signal(number)
        with pytest.raises(ends):
            stop.deliver()
    finally:
        signal.signal(number, former)


def test_a_copy_of_a_signal_from_the_launcher_is_not_a_second_signal(monkeypatch):
    now = [100.0]
    monkeypatch.setattr("csmoe_model.training.signals.num_processes", lambda: 2)
    monkeypatch.setattr("csmoe_model.training.signals.time.monotonic", lambda: now[0])
    with pytest.raises(KeyboardInterrupt), StopRequest() as stop:
        for now[0] in (100.0, 109.0):
            signal.raise_signal(signal.SIGINT)
            assert stop.signal == signal.SIGINT
        now[0] = 111.0
        signal.raise_signal(signal.SIGINT)


def test_a_stopped_validation_is_repeated_on_resume(shards, finished, tmp_path, monkeypatch):
    # The signal comes while the split is looked at: no row, and none is lost after all.
    real = callback.validation_numbers

    def interrupted(run_, loader, *, should_stop):
        os.kill(os.getpid(), signal.SIGINT)
        return real(run_, loader, should_stop=should_stop)

    out = tmp_path / "run"
    with monkeypatch.context() as patch:
        patch.setattr(callback, "validation_numbers", interrupted)
        with pytest.raises(KeyboardInterrupt):
            run(shards, out)
    assert [row["step"] for row in rows(out)] == ["3"]
    run(shards, out, resume=True)
    assert rows(out) == rows(finished)
