"""Map a function over items: in this process, on all cores, on a Dask cluster.

Everything here speaks ``concurrent.futures.Executor``. Results do not depend on the executor:
the function gets nothing but its item, and items keep their order.
"""

import ctypes
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import (
    FIRST_COMPLETED,
    CancelledError,
    Executor,
    Future,
    ProcessPoolExecutor,
    wait,
)
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any, Literal, TypeVar

from minortom.engine.dask_cluster import ClusterPool, opened_cluster
from minortom.errors import InputError, MinorTomError
from minortom.progress import OnProgress, ignore_progress

Item = TypeVar("Item")
Result = TypeVar("Result")

_QUEUED_PER_WORKER = 2  # one that runs and one that waits: an interrupt leaves little behind
_LOOK_S = 1.0
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # of malloc.h


@dataclass(frozen=True, kw_only=True)
class EngineOptions:
    """Where the work is done.

    Raises:
        InputError: If a scheduler is given for another engine than Dask.
    """

    engine: Literal["local", "dask"] = "local"
    scheduler: str | None = None
    """Address of a running Dask scheduler; None for a cluster of this machine."""
    workers: int | None = None
    """Processes on this machine, all cores when None; workers to wait for at a scheduler."""

    def __post_init__(self) -> None:
        if self.engine not in ("local", "dask"):
            raise InputError(f"there is no engine {self.engine!r}; wanted local or dask")
        if self.scheduler is not None and self.engine != "dask":
            raise InputError("--scheduler is for the Dask engine; add --engine dask")
        if self.workers is not None and self.workers < 1:
            raise InputError(f"wanted at least one worker, found {self.workers}")


class InThisProcess(Executor):
    """An executor that runs each call at once, in the calling thread."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:  # noqa: ANN401  (the signature of Executor)
        """Run the call; the future is done when this returns.

        An interrupt is not kept in the future: it ends the caller.
        """
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:  # noqa: BLE001  (an executor hands on whatever was raised)
            future.set_exception(error)
        return future


class ProcessPool(ProcessPoolExecutor):
    """A process pool that tells how many workers it has."""

    workers: int


def available_cores() -> int:
    """Count the cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def opened_executor(options: EngineOptions) -> Iterator[Executor]:
    """Give the executor that the options name; it ends with the block, at once on an exception.

    Raises:
        InputError: If Dask is missing, the scheduler's address is none, or its workers have
            no minortom of this version.
        MinorTomError: If no scheduler answers, or it has no workers.
    """
    if options.engine == "local":
        with local_executor(options.workers) as executor:
            yield executor
        return
    workers = options.workers if options.scheduler else options.workers or available_cores()
    with opened_cluster(options.scheduler, workers) as cluster:
        yield cluster


@contextmanager
def local_executor(workers: int | None = None) -> Iterator[Executor]:
    """Give an executor for this machine; it ends with the block, at once on an exception.

    Args:
        workers: Processes to use; all cores when None. With one, all runs in this process.
    """
    count = workers or available_cores()
    if count == 1:
        yield InThisProcess()
        return
    # Spawned, not forked: this process has threads (Arrow's, the progress bar's), and a fork
    # may copy a lock that one of them holds.
    context = multiprocessing.get_context("spawn")
    alive, stop = context.Pipe(duplex=False)
    executor = ProcessPool(count, mp_context=context, initializer=_start_worker, initargs=(alive,))
    executor.workers = count
    try:
        yield executor
        executor.shutdown()
    except BaseException:
        stop.close()  # the workers end, whatever they are doing
        # Waited for: one that is still starting would find gone what it needs, and say so.
        executor.shutdown(cancel_futures=True)
        raise
    finally:
        stop.close()
        alive.close()


def _start_worker(alive: Connection) -> None:
    """Leave Ctrl-C to the parent, and end when the parent closes its end of the pipe or dies."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _keep_memory()

    def watch() -> None:
        try:
            alive.recv_bytes()
        except (EOFError, OSError):
            os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _keep_memory() -> None:
    """Have glibc keep large blocks for the next array: fresh pages cost more than most arithmetic.

    A worker may keep 256 MB that way. Elsewhere nothing is changed.
    """
    if (mallopt := getattr(ctypes.CDLL(None), "mallopt", None)) is not None:
        mallopt(_M_MMAP_THRESHOLD, 2**25)  # the most that it takes
        mallopt(_M_TRIM_THRESHOLD, 2**28)


def as_done(
    executor: Executor,
    function: Callable[[Item], Result],
    items: Sequence[Item],
    *,
    ahead: int | None = None,
) -> Iterator[tuple[int, Result]]:
    """Yield (position, result) as the calls end, in no fixed order.

    Items are handed out in order, a few at a time, so that little is lost on an interrupt. The
    first exception of a call is raised; what waits is cancelled.

    Args:
        executor: Makes the calls.
        function: What to call.
        items: What to call it with, one each.
        ahead: How far the calls may get ahead of the first that has not ended, for who keeps
            results until it has; as far as they come when None.

    Raises:
        MinorTomError: If a worker process died, or the cluster is gone.
    """
    todo, handed_out = iter(enumerate(items)), 0
    running: dict[Future[Result], int] = {}
    try:
        while True:
            room = _room(executor, len(items))  # a cluster may grow
            while len(running) < room:
                slowest = min(running.values(), default=handed_out)
                if ahead is not None and handed_out - slowest >= ahead:
                    break
                if (entry := next(todo, None)) is None:
                    break
                running[executor.submit(function, entry[1])] = entry[0]
                handed_out += 1
            if not running:
                return
            finished = _first_done(executor, running)
            for future in sorted(finished, key=running.__getitem__):
                yield running.pop(future), future.result()
    except BrokenProcessPool:
        raise MinorTomError(
            "a worker process died: killed or out of memory (run again with fewer --workers), or "
            'started by a script without an `if __name__ == "__main__":` guard (add it)'
        ) from None
    except (Exception, CancelledError) as error:
        explained = executor.explained(error) if isinstance(executor, ClusterPool) else None
        if explained is None:
            raise
        raise explained from None
    finally:
        # A pool of processes does so itself; where its workers have just ended, its thread would
        # fail over calls that somebody else has cancelled.
        for future in running if not isinstance(executor, ProcessPool) else ():
            future.cancel()


def map_items(
    executor: Executor,
    function: Callable[[Item], Result],
    items: Sequence[Item],
    *,
    on_progress: OnProgress = ignore_progress,
) -> list[Result]:
    """Give the results in the order of the items; see :func:`as_done`."""
    results: dict[int, Result] = {}
    for position, result in as_done(executor, function, items):
        results[position] = result
        on_progress(len(results), len(items))
    return [results[position] for position in range(len(items))]


def _first_done(executor: Executor, running: Collection[Future[Result]]) -> set[Future[Result]]:
    """Wait until a call has ended; ask a cluster now and then whether it still lives."""
    timeout = _LOOK_S if isinstance(executor, ClusterPool) else None
    while not (finished := wait(running, timeout, FIRST_COMPLETED).done):
        _room(executor, len(running))
    return finished


def _room(executor: Executor, num_items: int) -> int:
    """Give how many calls to have under way: all of them, where the executor does not tell."""
    if isinstance(executor, InThisProcess):
        return 1
    if isinstance(executor, ProcessPool):
        return _QUEUED_PER_WORKER * executor.workers
    if isinstance(executor, ClusterPool):
        return _QUEUED_PER_WORKER * max(executor.count_threads(), 1)
    return max(num_items, 1)
