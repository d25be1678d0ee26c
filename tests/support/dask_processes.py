"""A Dask scheduler and workers in separate processes, and functions for them to call."""

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path

_DASK = [sys.executable, "-m", "dask"]


@contextmanager
def ended(*command, **env):
    """Start a process that ends with the block."""
    folders = [str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")]
    paths = os.pathsep.join(filter(None, [env.pop("first_path", ""), *folders]))
    with subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": paths},
        cwd="/",  # another working directory than the test, as on another machine
    ) as process:  # fmt: skip
        try:
            yield process
        finally:
            process.kill()


@contextmanager
def scheduler():
    """Start a scheduler on a free port; yield its process and address."""
    host = ("--host", "127.0.0.1", "--port", "0", "--no-dashboard")
    with ended(*_DASK, "scheduler", *host) as process:
        address = next(
            line.split()[-1] for line in process.stderr if "Scheduler at" in line and "tcp" in line
        )
        _drain(process)
        yield process, address


@contextmanager
def workers(address, count=2, first_path=""):
    """Start workers that are not restarted; ``first_path`` comes first in their search path."""
    flags = ("--nthreads", "1", "--no-dashboard", "--no-nanny")
    with ExitStack() as stack:
        started = [
            stack.enter_context(ended(*_DASK, "worker", address, *flags, first_path=first_path))
            for _ in range(count)
        ]
        for process in started:
            _drain(process)
        yield started


def _drain(process):
    threading.Thread(target=process.stderr.read, daemon=True).start()


def square(number):
    """Wait a moment, so that both workers get calls."""
    time.sleep(0.02)
    return number * number


def where(_):
    time.sleep(0.05)
    return os.getpid()


def square_or_die_once(item):
    """Kill this worker at item 7, unless the file shows that it was killed before."""
    number, marker = item
    if number == 7 and not Path(marker).exists():
        Path(marker).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return square(number)


def die(_):
    os.kill(os.getpid(), signal.SIGKILL)
