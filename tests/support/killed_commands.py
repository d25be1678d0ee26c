"""Commands in processes that are killed at random moments.

A fork server has imported the packages, so that a process starts in milliseconds.
"""

import multiprocessing
import os
import sys
import time
from pathlib import Path

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(
    [
        "killed_commands",
        "minortom.sampling.selection_file",
        "minortom.extraction.export",
        "csmoe_model.training.train",
    ]
)


def _run(words, log):
    with Path(log).open("w") as stream:
        os.dup2(stream.fileno(), 1)
        os.dup2(stream.fileno(), 2)
    from minortom_cli.console import run

    if words[0] == "csmoe":
        from minortom_cli.model.app import app
    else:
        from minortom_cli.curate.app import app
    sys.argv = words
    sys.exit(run(app, words[1:]))


class Command:
    """A command that runs in a process of its own."""

    def __init__(self, words, log):
        """Start the command; its words begin with the name of the program."""
        self.log = log
        self.process = _CONTEXT.Process(target=_run, args=([str(w) for w in words], str(log)))
        self.process.start()

    def finish(self):
        """Wait for the end; return the exit code and the printed text."""
        self.process.join()
        return self.process.exitcode, self.log.read_text()

    def kill_after(self, seconds):
        """Kill the process after a time; return whether it still ran."""
        self.process.join(seconds)
        was_alive = self.process.is_alive()
        self.process.kill()
        self.process.join()
        return was_alive

    def kill_a_worker(self, seconds, rng):
        """Kill one of the process's workers after a time; return whether there was one."""
        end = time.monotonic() + seconds
        while self.process.is_alive() and (time.monotonic() < end or not self._workers()):
            time.sleep(0.01)
        workers = self._workers()
        if workers:
            os.kill(workers[int(rng.integers(len(workers)))], 9)
        return bool(workers)

    def _workers(self):
        found = []
        for path in Path("/proc").glob("[0-9]*/stat"):
            try:
                parent = int(path.read_text().rpartition(")")[2].split()[1])
                command = (path.parent / "cmdline").read_bytes()
            except (OSError, ValueError):
                continue
            if parent == self.process.pid and b"spawn_main" in command:
                found.append(int(path.parent.name))
        return sorted(found)
