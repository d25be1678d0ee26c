"""The wait for the other processes is announced, limited, and ends at once on a signal."""

import signal
import time

import pytest
from processes import slurm, start

PROGRAM = ("-c", "from minortom_cli.main import main_train; main_train()")


def alone(*options, rank=0):
    """Start one of four tasks of SLURM, as a batch script does without srun."""
    words = (*PROGRAM, "no-shards", "--out", "no-run", *options)
    (process,) = start(words, world_size=1, launcher=lambda *_: slurm(rank, 4))
    return process


@pytest.fixture(scope="module")
def waiting():
    """Return processes by what ends their wait; they run side by side."""
    processes = {
        "timeout": alone("--join-timeout", "2"),
        "no first": alone("--join-timeout", "2", rank=1),
        signal.SIGTERM: alone(),
        signal.SIGINT: alone(),
    }
    yield processes
    for process in processes.values():
        process.kill()
        process.communicate()


def lines(process, timeout=120):
    return process.communicate(timeout=timeout)[1].strip().splitlines()


def test_the_wait_is_announced_and_ends_with_one_line(waiting):
    said, error = lines(waiting["timeout"])
    assert waiting["timeout"].returncode == 1
    assert said == "note: waiting for 4 processes, as SLURM_NTASKS says, for at most 2 s"
    assert error.startswith("error: expected 4 processes within 2 s (--join-timeout), as SLURM_NTA")
    assert "found 1 on 127.0.0.1:" in error
    assert "start all of them with srun or torchrun, or unset SLURM_NTASKS" in error


def test_a_process_that_finds_no_first_one_ends_with_one_line(waiting):
    (error,) = lines(waiting["no first"])
    assert waiting["no first"].returncode == 1
    assert error.startswith("error: expected 4 processes within 2 s")
    assert "found none on 127.0.0.1:" in error


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_ends_the_wait_at_once(waiting, number, code):
    process = waiting[number]
    assert process.stderr.readline().startswith("note: waiting for 4 processes")
    sent = time.monotonic()
    process.send_signal(number)
    process.communicate(timeout=60)
    assert process.returncode == code
    assert time.monotonic() - sent < 30  # a second or two, on a machine that is not busy
