import errno
import os
import platform
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from worker_calls import die_at_three, fail_at_three, fresh_pages, square, where

from minortom.engine.executors import (
    EngineOptions,
    as_done,
    local_executor,
    map_items,
    opened_executor,
)
from minortom.errors import InputError, MinorTomError


@pytest.mark.parametrize("workers", [1, 2])
def test_results_keep_the_order_of_the_items(workers):
    with local_executor(workers) as executor:
        assert map_items(executor, square, range(20)) == [n * n for n in range(20)]
        assert map_items(executor, square, []) == []


def test_the_local_engine_takes_the_workers_that_it_is_given():
    with opened_executor(EngineOptions(workers=1)) as executor:
        assert map_items(executor, where, range(2)) == [os.getpid()] * 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"engine": "ray"}, "engine must be one of local, dask, found 'ray'"),
        ({"scheduler": "tcp://a:1"}, "--scheduler needs the Dask engine; add --engine dask"),
        ({"workers": 0}, "workers must be a whole number of at least 1, found 0"),
    ],
)
def test_options_that_contradict_each_other_are_an_error(options, message):
    with pytest.raises(InputError, match=message):
        EngineOptions(**options)


def test_any_executor_can_be_used():
    with ThreadPoolExecutor(3) as executor:
        assert map_items(executor, square, range(20)) == [n * n for n in range(20)]


@pytest.mark.parametrize("options", [{}, {"engine": "dask"}])
def test_shared_memory_that_cannot_be_written_is_named(monkeypatch, options):
    def refused(*_, **__):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr("multiprocessing.synchronize.SemLock.__init__", refused)
    wanted = r"semaphores in /dev/shm, which cannot be written \(Permission denied\); mount it"
    with (
        pytest.raises(MinorTomError, match=wanted),
        opened_executor(EngineOptions(workers=2, **options)),
    ):
        pass


def test_one_worker_is_this_process_and_two_are_others():
    with local_executor(1) as executor:
        assert set(map_items(executor, where, range(3))) == {os.getpid()}
    with local_executor(2) as executor:
        assert os.getpid() not in map_items(executor, where, range(3))


def test_progress_is_reported_for_each_item():
    told = []
    with local_executor(1) as executor:
        map_items(executor, square, range(3), on_progress=lambda *done: told.append(done))

    assert told == [(1, 3), (2, 3), (3, 3)]


@pytest.mark.parametrize("workers", [1, 2])
def test_an_error_in_a_call_is_raised_as_it_is(workers):
    with pytest.raises(ValueError, match="three"), local_executor(workers) as executor:
        map_items(executor, fail_at_three, range(6))


def test_calls_are_not_submitted_far_ahead_of_a_slow_one():
    begun, go_on = [], threading.Event()

    def work(number):
        begun.append(number)
        if number == 0:
            go_on.wait(30)
        return number

    with ThreadPoolExecutor(2) as executor:
        results = as_done(executor, work, range(10), ahead=4)
        assert sorted(next(results) for _ in range(3)) == [(1, 1), (2, 2), (3, 3)]
        threading.Timer(0.2, go_on.set).start()
        assert next(results) == (0, 0)
        assert sorted(begun) == [0, 1, 2, 3]
        assert sorted(results) == [(number, number) for number in range(4, 10)]


def test_a_dead_worker_is_an_error_that_says_what_to_do():
    with pytest.raises(MinorTomError, match="fewer --workers"), local_executor(2) as executor:
        map_items(executor, die_at_three, range(6))


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other allocators are left alone")
def test_workers_reuse_the_memory_of_large_arrays():
    with local_executor(2) as executor:
        assert max(map_items(executor, fresh_pages, range(4))) < 100  # of 6,144; huge ones: 12


_WITHOUT_GUARD = """
from minortom.engine.executors import local_executor, map_items

with local_executor(2) as executor:
    map_items(executor, abs, range(4))
"""


def test_a_script_without_a_guard_is_told_to_add_it(tmp_path):
    script = tmp_path / "unguarded.py"
    script.write_text(_WITHOUT_GUARD)

    done = subprocess.run(
        [sys.executable, str(script)], check=False, stderr=subprocess.PIPE, text=True, timeout=60
    )

    assert done.returncode == 1
    # Not the last line always: the tracker of shared resources may complain after it.
    assert 'the script has no `if __name__ == "__main__":` guard' in done.stderr


_SLEEPERS = """
import time
from minortom.engine.executors import local_executor, map_items

if __name__ == "__main__":
    with local_executor(2) as executor:
        print("started", flush=True)
        map_items(executor, time.sleep, [300] * 4)
"""


@pytest.mark.parametrize(
    ("how", "after_s"),
    [
        (signal.SIGINT, 0.1),  # workers are still starting, and end without a word
        (signal.SIGINT, 1),  # they have set up their watch
        (signal.SIGKILL, 1),
    ],
)
def test_workers_end_with_their_parent(tmp_path, how, after_s):
    script = tmp_path / "sleepers.py"
    script.write_text(_SLEEPERS)
    parent = subprocess.Popen(
        [sys.executable, str(script)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert parent.stdout.readline() == "started\n"
    _wait_until(lambda: len(_children(parent.pid)) >= 2)
    time.sleep(after_s)
    workers = _children(parent.pid)
    parent.send_signal(how)
    _, stderr = parent.communicate(timeout=20)

    _wait_until(lambda: not any(_is_alive(pid) for pid in workers))
    assert stderr.count("Traceback") == (1 if how == signal.SIGINT else 0)


def _children(pid):
    return list(map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()))


def _is_alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def _wait_until(condition, seconds=20):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)
