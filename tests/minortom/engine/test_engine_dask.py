import os
import signal
import subprocess
import sys
import time
from importlib.metadata import PackageNotFoundError

import dask
import dask_processes as processes
import pytest

from minortom.engine import dask_cluster
from minortom.engine.executors import EngineOptions, as_done, map_items, opened_executor
from minortom.errors import InputError, MinorTomError


@pytest.fixture(scope="module")
def address():
    with processes.scheduler() as (_, address), processes.workers(address):
        yield address


def at(address, workers=None):
    return opened_executor(EngineOptions(engine="dask", scheduler=address, workers=workers))


def test_two_workers_behind_a_scheduler_give_what_this_process_gives(address):
    with at(address, workers=2) as executor:
        assert map_items(executor, processes.square, range(30)) == [n * n for n in range(30)]
        assert len(set(map_items(executor, processes.where, range(12))) - {os.getpid()}) == 2


def test_an_error_in_a_call_on_the_cluster_is_raised_as_it_is(address):
    with pytest.raises(ValueError, match="invalid literal"), at(address) as executor:
        map_items(executor, int, ["1", "x"])


def test_a_call_may_carry_a_large_argument(address):
    with at(address) as executor:
        assert map_items(executor, len, [bytes(12_000_000)]) == [12_000_000]


def test_only_a_few_calls_a_worker_are_under_way(address):
    drawn = []

    class Items(list):
        def __iter__(self):
            for item in range(len(self)):
                drawn.append(item)
                yield item

    with at(address, workers=2) as executor:
        results = as_done(executor, processes.square, Items([0] * 50))
        next(results)
        assert len(drawn) == 4
        assert len(list(results)) == 49


def test_a_worker_that_is_killed_midway_neither_loses_nor_repeats_results(tmp_path):
    items = [(number, str(tmp_path / "killed")) for number in range(30)]
    with processes.scheduler() as (_, address), processes.workers(address) as (one, two):
        with at(address, workers=2) as executor:
            found = list(as_done(executor, processes.square_or_die_once, items))
        alive = [process.poll() for process in (one, two)]

    assert sorted(found) == [(n, n * n) for n in range(30)]
    assert sorted(alive, key=str) == [-signal.SIGKILL, None]


def test_work_that_kills_each_worker_is_one_line():
    options = EngineOptions(engine="dask", workers=1)
    with (
        dask.config.set({"distributed.scheduler.allowed-failures": 0}),
        pytest.raises(MinorTomError, match="died repeatedly on the same call"),
        opened_executor(options) as executor,
    ):
        map_items(executor, processes.die, [1])


def test_a_scheduler_that_dies_midway_is_one_line():
    gone = r"the scheduler of the Dask cluster at tcp://\S+ no longer answers"
    with (
        processes.scheduler() as (scheduler, address),
        processes.workers(address, 1),
        pytest.raises(MinorTomError, match=gone),
        at(address) as executor,
    ):
        for position, _ in as_done(executor, processes.square, range(2000)):
            if position == 3:
                scheduler.kill()


def test_a_cluster_that_loses_all_workers_is_one_line(monkeypatch):
    monkeypatch.setattr(dask_cluster, "_RECOUNT_S", 0)
    with (
        processes.scheduler() as (_, address),
        processes.workers(address, 1) as (worker,),
        pytest.raises(MinorTomError, match="has had no worker for"),
        at(address) as executor,
    ):
        monkeypatch.setattr(dask_cluster, "_FIRST_WORKER_S", 1)
        for position, _ in as_done(executor, processes.square, range(2000)):
            if position == 3:
                worker.kill()


def test_a_scheduler_without_enough_workers_is_one_line(address, monkeypatch):
    monkeypatch.setattr(dask_cluster, "_FIRST_WORKER_S", 0.2)
    with pytest.raises(MinorTomError, match="must have 3 workers, found 2"), at(address, workers=3):
        pass


def test_a_scheduler_that_does_not_answer_is_one_line(monkeypatch):
    monkeypatch.setattr(dask_cluster, "_CONNECT_S", 1)
    with pytest.raises(MinorTomError, match="no Dask scheduler answers at"), at("127.0.0.1:9"):
        pass


@pytest.mark.parametrize("text", ["", "here", "ftp://a:1", "tcp://a", "tcp://a:1/b"])
def test_an_invalid_address_is_an_error(text):
    with pytest.raises(InputError, match="--scheduler must be an address such as tcp:"), at(text):
        pass


def test_a_worker_with_another_minortom_is_an_error_that_names_it(tmp_path):
    (tmp_path / "minortom-99.0.dist-info").mkdir()
    (tmp_path / "minortom-99.0.dist-info" / "METADATA").write_text("Name: minortom\nVersion: 99.0")
    with (
        processes.scheduler() as (_, address),
        processes.workers(address, 1, str(tmp_path)),
        pytest.raises(InputError, match=r"worker tcp://\S+ of .* found minortom 99.0"),
        at(address),
    ):
        pass


def test_a_worker_without_minortom_is_an_error():
    class Client:
        def run(self, *_, **__):
            return {"tcp://there:1": PackageNotFoundError("minortom")}

    with pytest.raises(InputError, match="tcp://there:1 of there must .*, found no minortom"):
        dask_cluster._check_versions(Client(), "there")


def test_a_cluster_of_this_machine_has_as_many_processes_as_workers():
    with opened_executor(EngineOptions(engine="dask", workers=2)) as executor:
        pids = set(map_items(executor, processes.where, range(8)))
    assert len(pids - {os.getpid()}) == 2


def test_a_local_cluster_logs_nothing_about_an_error_in_a_call(capfd):
    with (
        pytest.raises(ValueError, match="invalid literal"),
        opened_executor(EngineOptions(engine="dask", workers=1)) as executor,
    ):
        map_items(executor, int, ["x"])
    assert capfd.readouterr().err == ""


def test_without_dask_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(InputError, match=r"pip install 'minortom\[dask\]'"), at("a:1"):
        pass


_SLEEPERS = """
import time
from minortom.engine.executors import EngineOptions, map_items, opened_executor

if __name__ == "__main__":
    with opened_executor(EngineOptions(engine="dask", workers=2)) as executor:
        executor.count_threads()
        print("started", flush=True)
        map_items(executor, time.sleep, [300] * 4)
"""


def test_an_interrupt_ends_a_cluster_of_this_machine_in_seconds(tmp_path):
    script = tmp_path / "sleepers.py"
    script.write_text(_SLEEPERS)
    parent = subprocess.Popen(
        [sys.executable, str(script)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        start_new_session=True,
    )  # fmt: skip
    assert parent.stdout.readline() == "started\n"
    # Later it waits: an interrupt during distributed's callback of the garbage collector is lost.
    time.sleep(1)
    os.killpg(parent.pid, signal.SIGINT)  # as a terminal does: to the workers too
    _, stderr = parent.communicate(timeout=20)

    assert parent.returncode == -signal.SIGINT
    assert stderr.count("Traceback") == 1
    assert _end_within(parent.pid, seconds=5)


def _end_within(group, seconds):
    for _ in range(seconds * 20):
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.05)
    return False
