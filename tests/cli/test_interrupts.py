import contextlib
import multiprocessing
import os
import signal
import sys
import time

import pytest
import typer
from minortom_cli import console

SWALLOWS = """
try:
    import {inner}
except:
    pass
"""
"""A module that catches every exception while it imports another, as some libraries do."""


def app_that(act):
    app = typer.Typer(pretty_exceptions_enable=False)
    app.command()(act)
    return app


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_that_a_library_would_swallow_stops_the_command(
    tmp_path, monkeypatch, number, code
):
    outer, inner = f"outer_{code}", f"inner_{code}"
    (tmp_path / f"{outer}.py").write_text(SWALLOWS.format(inner=inner))
    (tmp_path / f"{inner}.py").write_text(f"import os; os.kill(os.getpid(), {int(number)})")
    monkeypatch.syspath_prepend(tmp_path)
    undone = []

    def act():
        try:
            __import__(outer)
            assert inner in sys.modules, "the import was cut short"
            for _ in range(1000):
                time.sleep(0.01)
        finally:
            undone.append(True)

    assert console.run(app_that(act), []) == code
    assert undone == [True]


def test_a_worker_that_is_being_started_is_started_before_the_command_stops(monkeypatch):
    started = []

    def spawned(*_):
        os.kill(os.getpid(), signal.SIGINT)
        started.append(True)
        raise RuntimeError("no child in this test")

    monkeypatch.setattr("multiprocessing.popen_spawn_posix.util.spawnv_passfds", spawned)
    process = multiprocessing.get_context("spawn").Process(target=print)

    def act():
        with contextlib.suppress(RuntimeError):
            process.start()
        for _ in range(1000):
            time.sleep(0.01)

    assert console.run(app_that(act), []) == 130
    assert started == [True]


def test_where_an_interrupt_is_ignored_it_stays_ignored():
    former = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        assert console.run(app_that(lambda: os.kill(os.getpid(), signal.SIGINT)), []) == 0
    finally:
        signal.signal(signal.SIGINT, former)


def test_afterwards_signals_are_handled_as_before():
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGALRM)
    former = [signal.getsignal(number) for number in numbers]
    console.run(app_that(lambda: None), [])
    assert [signal.getsignal(number) for number in numbers] == former


def test_a_command_that_ends_before_a_delayed_signal_keeps_its_exit_code(tmp_path, monkeypatch):
    (tmp_path / "signals_late.py").write_text(f"import os; os.kill(os.getpid(), {signal.SIGINT:d})")
    monkeypatch.syspath_prepend(tmp_path)
    former = signal.signal(signal.SIGALRM, signal.SIG_IGN)
    try:
        assert console.run(app_that(lambda: __import__("signals_late") and None), []) == 0
        assert signal.getitimer(signal.ITIMER_REAL)[0] == 0
    finally:
        signal.signal(signal.SIGALRM, former)
