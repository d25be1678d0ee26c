"""Map a function over items in this process, on all cores, or on a Dask cluster.

All classes and functions work with ``concurrent.futures.Executor``. Results do not depend on the
executor: the function gets its item as its only argument, and results keep the order of the items.
"""

import ctypes
import logging
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
from typing import Any, TypeVar, get_args

from minortom.api.arguments import one_of, whole_number
from minortom.api.choices import Engine
from minortom.api.cores import available_cores
from minortom.api.packages import require_package
from minortom.engine.dask_cluster import ClusterPool, opened_cluster
from minortom.engine.semaphores import require_semaphores
from minortom.errors import InputError, MinorTomError
from minortom.progress import OnProgress, ignore_progress

_log = logging.getLogger(__name__)

Item = TypeVar("Item")
Result = TypeVar("Result")

_QUEUED_PER_WORKER = 2  # one that runs and one that waits: an interrupt cancels few calls
_CHECK_S = 1.0
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # of malloc.h


@dataclass(frozen=True, kw_only=True)
class EngineOptions:
    """Options of parallel work: on this machine, or on a Dask cluster.

    Raises:
        InputError: If the engine is unknown or not installed, the number of workers is below 1, or
            a scheduler is given without the Dask engine.
    """

    engine: Engine = "local"
    scheduler: str | None = None
    """Address of a running Dask scheduler; None starts a cluster on this machine."""
    workers: int | None = None
    """Processes on this machine (all cores when None); with a scheduler, workers to wait for."""

    def __post_init__(self) -> None:
        one_of("engine", self.engine, get_args(Engine))
        if self.scheduler is not None and self.engine != "dask":
            raise InputError("--scheduler needs the Dask engine; add --engine dask")
        if self.workers is not None:
            whole_number("workers", self.workers, minimum=1)
        if self.engine == "dask":
            require_package("distributed", needed_by="--engine dask", extra="dask")


class SerialExecutor(Executor):
    """Executor that runs each call at once, in the calling thread."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:  # noqa: ANN401  (the signature of Executor)
        """Run the call and return its future, which is done.

        An interrupt is raised here instead of stored in the future.
        """
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:  # noqa: BLE001  (an executor passes every exception on)
            future.set_exception(error)
        return future


class ProcessPool(ProcessPoolExecutor):
    """Process pool with a public number of workers."""

    workers: int


@contextmanager
def opened_executor(options: EngineOptions) -> Iterator[Executor]:
    """Yield the executor that the options name; it closes with the block.

    After an exception it closes without waiting for running calls.

    Raises:
        InputError: If Dask is not installed, the scheduler's address is invalid, or a worker does
            not have this version of minortom.
        MinorTomError: If no scheduler answers, or it has too few workers.
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
    """Yield an executor on this machine; it closes with the block.

    After an exception it closes without waiting for running calls.

    Args:
        workers: Number of processes; all cores when None. One means this process.
    """
    count = workers or available_cores()
    _log.debug("working in %d process(es) on this machine", count)
    if count == 1:
        yield SerialExecutor()
        return
    # Spawned, not forked: this process has threads (Arrow's, the progress bar's), and a fork
    # may copy a lock that one of them holds.
    require_semaphores()
    context = multiprocessing.get_context("spawn")
    alive, stop = context.Pipe(duplex=False)
    executor = ProcessPool(count, mp_context=context, initializer=_start_worker, initargs=(alive,))
    executor.workers = count
    try:
        yield executor
        executor.shutdown()
    except BaseException:
        stop.close()  # ends the workers, even in the middle of a call
        # Waited for: a worker that is still starting would print an error about missing resources.
        executor.shutdown(cancel_futures=True)
        raise
    finally:
        stop.close()
        alive.close()


def _start_worker(alive: Connection) -> None:
    """Ignore Ctrl-C; exit when the parent process closes its end of the pipe or dies."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _keep_memory()

    def watch() -> None:
        try:
            alive.recv_bytes()
        except (EOFError, OSError):
            os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _keep_memory() -> None:
    """Make glibc keep up to 256 MB of freed memory for the next large array.

    Fresh pages cost more time than most arithmetic. With another C library this has no effect.
    """
    if (mallopt := getattr(ctypes.CDLL(None), "mallopt", None)) is not None:
        mallopt(_M_MMAP_THRESHOLD, 2**25)  # its maximum
        mallopt(_M_TRIM_THRESHOLD, 2**28)


def as_done(
    executor: Executor,
    function: Callable[[Item], Result],
    items: Sequence[Item],
    *,
    ahead: int | None = None,
) -> Iterator[tuple[int, Result]]:
    """Yield (position, result) as the calls finish, in no fixed order.

    Items are submitted in order, a few at a time, so that an interrupt loses little work. The
    first exception of a call is raised, and waiting calls are cancelled.

    Args:
        executor: Executor of the calls.
        function: Function to call.
        items: Arguments, one for each call.
        ahead: Maximum number of submitted items after the first unfinished one. It bounds the
            results that a caller holds who needs them in order. No limit when None.

    Raises:
        MinorTomError: If a worker process died, or the cluster no longer answers.
    """
    todo, submitted = iter(enumerate(items)), 0
    running: dict[Future[Result], int] = {}
    try:
        while True:
            room = _room(executor, len(items))  # a cluster may grow
            while len(running) < room:
                slowest = min(running.values(), default=submitted)
                if ahead is not None and submitted - slowest >= ahead:
                    break
                if (entry := next(todo, None)) is None:
                    break
                running[executor.submit(function, entry[1])] = entry[0]
                submitted += 1
            if not running:
                return
            finished = _first_done(executor, running)
            for future in sorted(finished, key=running.__getitem__):
                yield running.pop(future), future.result()
    except BrokenProcessPool:
        raise MinorTomError(
            "a worker process died: it was killed or ran out of memory (run again with fewer "
            '--workers), or the script has no `if __name__ == "__main__":` guard (add one)'
        ) from None
    except (Exception, CancelledError) as error:
        explained = executor.explained(error) if isinstance(executor, ClusterPool) else None
        if explained is None:
            raise
        raise explained from None
    finally:
        # A process pool cancels its calls itself: after the death of its workers its own thread
        # would fail on calls that were cancelled here.
        for future in running if not isinstance(executor, ProcessPool) else ():
            future.cancel()


def map_items(
    executor: Executor,
    function: Callable[[Item], Result],
    items: Sequence[Item],
    *,
    on_progress: OnProgress = ignore_progress,
) -> list[Result]:
    """Return the results in the order of the items; see :func:`as_done`."""
    results: dict[int, Result] = {}
    for position, result in as_done(executor, function, items):
        results[position] = result
        on_progress(len(results), len(items))
    return [results[position] for position in range(len(items))]


def _first_done(executor: Executor, running: Collection[Future[Result]]) -> set[Future[Result]]:
    """Wait until a call has finished; check once a second that a cluster still answers."""
    timeout = _CHECK_S if isinstance(executor, ClusterPool) else None
    while not (finished := wait(running, timeout, FIRST_COMPLETED).done):
        _room(executor, len(running))
    return finished


def _room(executor: Executor, num_items: int) -> int:
    """Return how many calls to submit at a time; all of them for an unknown executor."""
    if isinstance(executor, SerialExecutor):
        return 1
    if isinstance(executor, ProcessPool):
        return _QUEUED_PER_WORKER * executor.workers
    if isinstance(executor, ClusterPool):
        return _QUEUED_PER_WORKER * max(executor.count_threads(), 1)
    return max(num_items, 1)
