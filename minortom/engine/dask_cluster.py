"""A Dask cluster as an executor: worker processes behind a scheduler, or some of this machine.

Dask runs a call again when the worker that held it, or its result, is lost. So a call must be
idempotent and return little; then a dead worker changes nothing in the outcome.
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

from minortom.errors import InputError, MinorTomError

_ADDRESS = re.compile(r"((tcp|tls|ws|wss|ucx)://)?[^/\s]+:\d{1,5}")
_CONNECT_S = 5
_FIRST_WORKER_S = 60
"""How long to wait for workers: a batch system may start them after the scheduler."""
_ASK_AGAIN_S = 5
_SILENT = logging.CRITICAL + 1


class ClusterPool(Executor):
    """The workers of a Dask client; tells how many there are, and whether they still are."""

    def __init__(self, client: Any, name: str) -> None:  # noqa: ANN401 - distributed has no types
        """Wrap a connected client; ``name`` is what errors call the cluster."""
        self._client = client
        self._name = name
        # Not pure: Dask would hash the arguments of each call to find equal ones.
        self._calls = client.get_executor(pure=False)
        self._threads = 0
        self._asked_at = -float("inf")
        self._worked_at = time.monotonic()

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:  # noqa: ANN401 - the signature of Executor
        """Have a worker run the call."""
        try:
            future: Future[Any] = self._calls.submit(fn, *args, **kwargs)
        except Exception as error:  # noqa: BLE001 - raised again, in our words or its own
            raise self.explained(error) or error from None
        return future

    def count_threads(self) -> int:
        """Count the threads of all workers, as of a few seconds ago.

        Raises:
            MinorTomError: If the cluster is gone, or had no worker for a minute.
        """
        now = time.monotonic()
        if now - self._asked_at < _ASK_AGAIN_S:
            return self._threads
        try:
            self._threads = sum(self._client.nthreads().values())
        except Exception as error:  # noqa: BLE001 - raised again, in our words or its own
            raise self.explained(error) or error from None
        self._asked_at = now
        if self._threads:
            self._worked_at = now
        elif now - self._worked_at > _FIRST_WORKER_S:
            raise MinorTomError(
                f"{self._name} has had no worker for {_FIRST_WORKER_S} seconds; start some, then "
                "run the same command again"
            )
        return self._threads

    def explained(self, error: BaseException) -> MinorTomError | None:
        """Say in one line what happened to the cluster; None if the error is another's."""
        from distributed import KilledWorker
        from distributed.comm.core import CommClosedError

        if isinstance(error, KilledWorker):
            return MinorTomError(
                f"workers of {self._name} died again and again on the same work: killed or out of "
                "memory; give them more memory or fewer threads each"
            )
        lost = isinstance(error, CommClosedError | CancelledError)
        if lost or self._client.status not in ("running", "connecting"):
            return MinorTomError(
                f"{self._name} has gone (its scheduler no longer answers); start it again, then "
                "run the same command again"
            )
        return None


@contextmanager
def opened_cluster(scheduler: str | None, workers: int | None) -> Iterator[ClusterPool]:
    """Connect to a scheduler, or start a cluster on this machine; it ends with the block.

    Args:
        scheduler: Address such as ``tcp://10.0.0.1:8786``; None for a cluster of this machine.
        workers: Processes to start; or, with a scheduler, workers to wait for (one when None).

    Raises:
        InputError: If Dask is missing, the address is none, or workers lack this minortom.
        MinorTomError: If the scheduler does not answer, or has no workers after a minute.
    """
    distributed = _distributed()
    with _quiet(), _large_arguments():
        if scheduler is None:
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
    """Leave Ctrl-C, and what there is to say of a call that fails, to the parent.

    Dask calls this in each worker of this machine's cluster.
    """
    del worker
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    logging.getLogger("distributed.worker").setLevel(_SILENT)


def _distributed() -> Any:  # noqa: ANN401 - half of it has no types
    try:
        import distributed
    except ImportError:
        raise InputError(
            "--engine dask needs the package distributed; install it by "
            "`pip install 'minortom[dask]'`"
        ) from None
    return distributed


def _connected(scheduler: str) -> Any:  # noqa: ANN401 - a distributed.Client
    # Checked here: for what is no address Dask leaves half a client behind, which complains later.
    if not _ADDRESS.fullmatch(scheduler):
        raise InputError(
            f"--scheduler {scheduler} is no address; wanted one such as tcp://10.0.0.1:8786"
        )
    try:
        return _distributed().Client(scheduler, timeout=_CONNECT_S, set_as_default=False)
    except OSError:
        raise MinorTomError(
            f"no Dask scheduler answers at {scheduler} within {_CONNECT_S} seconds; start it by "
            "`dask scheduler`, which prints its address"
        ) from None


def _wait_for_workers(client: Any, scheduler: str, wanted: int) -> None:  # noqa: ANN401
    from distributed import TimeoutError as TimedOut

    try:
        client.wait_for_workers(wanted, timeout=_FIRST_WORKER_S)
    except TimedOut:
        raise MinorTomError(
            f"the Dask cluster at {scheduler} has {len(client.nthreads())} workers after "
            f"{_FIRST_WORKER_S} seconds, wanted {wanted}; start more by `dask worker {scheduler}`"
        ) from None


def _check_versions(client: Any, scheduler: str) -> None:  # noqa: ANN401
    """Complain about workers whose minortom is missing or another than this one."""
    here = version("minortom")
    # A function of the standard library: one of ours could not even be loaded where ours lacks.
    found = client.run(version, "minortom", on_error="return")
    for worker, there in found.items():
        if there != here:
            has = "no minortom" if isinstance(there, ImportError) else f"minortom {there}"
            raise InputError(
                f"worker {worker} of {scheduler} has {has}, here is {here}; install the same "
                "version on all workers"
            )


@contextmanager
def _large_arguments() -> Iterator[None]:
    """Let a call carry some MB of its own: Dask warns, since it takes them for a mistake."""
    import dask

    with dask.config.set({"distributed.admin.large-graph-warning-threshold": "1GB"}):
        yield


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Dask from logging to stderr what comes as one line from here."""
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
