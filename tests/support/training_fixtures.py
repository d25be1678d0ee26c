"""Fixtures of the tests of training; test files list this module in ``pytest_plugins``."""

import signal

import pytest
import torch
from training_runs import run
from training_shards import learnable_shards


@pytest.fixture(scope="module")
def small_steps():
    """Use one thread, which is fastest for these sizes, and draw no curves."""
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
    """Return a finished run of 8 steps, which tests must not change."""
    out = tmp_path_factory.mktemp("finished") / "run"
    run(shards, out)
    return out


@pytest.fixture
def sigterm_raises():
    """Handle SIGTERM as the command line does."""

    def exit_with_143(*_):
        raise SystemExit(143)

    former = signal.signal(signal.SIGTERM, exit_with_143)
    yield
    signal.signal(signal.SIGTERM, former)
