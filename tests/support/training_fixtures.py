"""Fixtures of the tests of training; a test file names this in ``pytest_plugins``."""

import signal

import pytest
import torch
from training_runs import run
from training_shards import learnable_shards


@pytest.fixture(scope="module")
def small_steps():
    """One thread is fastest for these sizes; and few runs need their curve drawn."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("csmoe_model.training.run.draw_curve", lambda *_: None)
        yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    return learnable_shards(tmp_path_factory.mktemp("train") / "shards")


@pytest.fixture(scope="module")
def finished(shards, tmp_path_factory):
    """A run of 8 steps; tests only look at it."""
    out = tmp_path_factory.mktemp("finished") / "run"
    run(shards, out)
    return out


@pytest.fixture
def sigterm_raises():
    """What the command line does on SIGTERM."""

    def exit_with_143(*_):
        raise SystemExit(143)

    former = signal.signal(signal.SIGTERM, exit_with_143)
    yield
    signal.signal(signal.SIGTERM, former)
