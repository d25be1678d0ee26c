"""Executor on a Dask cluster: the workers of a scheduler, or processes on this machine.

Dask runs a call again when the worker that ran it, or its result, is lost. A call must therefore
be idempotent and return little. A dead worker then does not change the result.
"""

import logging
import re
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Executor, Future
from contextlib import contextmanager
from importlib.metadata import version
from typing import Any

from minortom.engine.semaphores import require_semaphores
from minortom.errors import InputError, MinorTomError

_ADDRESS = re.compile(r"((tcp|tls|ws|wss|ucx)://)?[^/\s]+:\d{1,5}")
_CONNECT_S = 5
_FIRST_WORKER_S = 60
"""Time to wait for workers. A batch system may start them after the scheduler."""
_RECOUNT_S = 5
_SILENT = logging.CRITICAL + 1


class ClusterPool(Executor):
    """Executor on the workers of a Dask client, which counts their threads and explains errors."""

    def __init__(self, client: Any, name: str) -> None:  # noqa: ANN401 - distributed has no types
        """Wrap a connected client; error messages call the cluster ``name``."""
        self._client = client
        self._name = name
        # Of pure functions Dask would hash the arguments of each call, to find equal calls.
        self._calls = client.get_executor(pure=False)
        self._threads = 0
        self._counted_at = -float("inf")
        self._worked_at = time.monotonic()

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:  # noqa: ANN401 - the signature of Executor
        """Run the call on a worker."""
        try:
            future: Future[Any] = self._calls.submit(fn, *args, **kwargs)
        except Exception as error:  # noqa: BLE001 - raised again below
            raise self.explained(error) or error from None
        return future

    def count_threads(self) -> int:
        """Return the number of threads of all workers, at most a few seconds old.

        Raises:
            MinorTomError: If the scheduler does not answer, or the cluster has had no worker for
                a minute.
        """
        now = time.monotonic()
        if now - self._counted_at < _RECOUNT_S:
            return self._threads
        try:
            self._threads = sum(self._client.nthreads().values())
        except Exception as error:  # noqa: BLE001 - raised again below
            raise self.explained(error) or error from None
        self._counted_at = now
        if self._threads:
            self._worked_at = now
        elif now - self._worked_at > _FIRST_WORKER_S:
            raise MinorTomError(
                f"{self._name} has had no worker for {_FIRST_WORKER_S} seconds; start some, then "
                "run the same command again"
            )
        return self._threads

    def explained(self, error: BaseException) -> MinorTomError | None:
        """Return an error of one line about the cluster; None if another component failed."""
        from distributed import KilledWorker
        from distributed.comm.core import CommClosedError

        if isinstance(error, KilledWorker):
            return MinorTomError(
                f"workers of {self._name} died repeatedly on the same call (killed or out of "
                "memory); give each worker more memory or fewer threads"
            )
        lost = isinstance(error, CommClosedError | CancelledError)
        if lost or self._client.status not in ("running", "connecting"):
            return MinorTomError(
                f"the scheduler of {self._name} no longer answers; start the cluster again, then "
                "run the same command again"
            )
        return None


@contextmanager
def opened_cluster(scheduler: str | None, workers: int | None) -> Iterator[ClusterPool]:
    """Connect to a scheduler, or start a cluster on this machine until the end of the block.

    Args:
        scheduler: Address such as ``tcp://10.0.0.1:8786``; None for a cluster on this machine.
        workers: Number of processes to start. With a scheduler, the number of workers to wait
            for; one when None.

    Raises:
        InputError: If Dask is not installed, ``scheduler`` is not an address, or a worker does
            not have this version of minortom.
        MinorTomError: If the scheduler does not answer, or has too few workers after a minute.
    """
    distributed = _distributed()
    with _quiet(), _large_arguments():
        if scheduler is None:
            require_semaphores()
            with (
                distributed.LocalCluster(
                    n_workers=workers,
                    threads_per_worker=1,
                    dashboard_address="127.0.0.1:0",
                    preload=__name__,
                ) as cluster,
                distributed.Client(cluster, set_as_default=False) as client,
            ):
                yield ClusterPool(client, "the Dask cluster of this machine")
            return
        client = _connected(scheduler)
        try:
            _wait_for_workers(client, scheduler, workers or 1)
            _check_versions(client, scheduler)
            yield ClusterPool(client, f"the Dask cluster at {scheduler}")
        finally:
            client.close(timeout=_CONNECT_S)


def dask_setup(worker: object) -> None:
    """Leave Ctrl-C and the report of a failed call to the parent process.

    Dask calls this function in each worker of a cluster on this machine.
    """
    del worker
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    logging.getLogger("distributed.worker").setLevel(_SILENT)


def _distributed() -> Any:  # noqa: ANN401 - distributed has no types
    try:
        import distributed
    except ImportError:
        raise InputError(
            "--engine dask needs the package distributed, which is not installed; run "
            "`pip install 'minortom[dask]'`"
        ) from None
    return distributed


def _connected(scheduler: str) -> Any:  # noqa: ANN401 - a distributed.Client
    # Checked first: for other text Dask leaves half a client behind, which logs errors later.
    if not _ADDRESS.fullmatch(scheduler):
        raise InputError(
            f"--scheduler must be an address such as tcp://10.0.0.1:8786, found {scheduler}"
        )
    try:
        return _distributed().Client(scheduler, timeout=_CONNECT_S, set_as_default=False)
    except OSError:
        raise MinorTomError(
            f"no Dask scheduler answers at {scheduler} within {_CONNECT_S} seconds; start one with "
            "`dask scheduler`, which prints its address"
        ) from None


def _wait_for_workers(client: Any, scheduler: str, expected: int) -> None:  # noqa: ANN401
    from distributed import TimeoutError as TimedOut

    try:
        client.wait_for_workers(expected, timeout=_FIRST_WORKER_S)
    except TimedOut:
        raise MinorTomError(
            f"the Dask cluster at {scheduler} must have {expected} workers, found "
            f"{len(client.nthreads())} after {_FIRST_WORKER_S} seconds; start more with "
            f"`dask worker {scheduler}`"
        ) from None


def _check_versions(client: Any, scheduler: str) -> None:  # noqa: ANN401
    """Check that all workers have the version of minortom of this process."""
    here = version("minortom")
    # A function of the standard library: a worker without minortom could not load one of ours.
    found = client.run(version, "minortom", on_error="return")
    for worker, there in found.items():
        if there != here:
            has = "no minortom" if isinstance(there, ImportError) else f"minortom {there}"
            raise InputError(
                f"worker {worker} of {scheduler} must have minortom {here}, found {has}; install "
                "the same version on all workers"
            )


@contextmanager
def _large_arguments() -> Iterator[None]:
    """Turn off the warning of Dask about calls with arguments of more than some MB."""
    import dask

    with dask.config.set({"distributed.admin.large-graph-warning-threshold": "1GB"}):
        yield


@contextmanager
def _quiet() -> Iterator[None]:
    """Turn off the log of Dask on stderr; its errors are raised as one line."""
    loggers = [
        logging.getLogger(name)
        for name in list(logging.Logger.manager.loggerDict)
        if name.split(".")[0] == "distributed"
    ]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(_SILENT)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
