"""Commands in processes that are killed at random moments.

A fork server has imported the packages, so that a process starts in milliseconds.
"""

import multiprocessing
import os
import sys
from pathlib import Path

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(
    ["killed_commands", "minortom.sampling.selection_file", "minortom.extraction.export"]
)


def _run(words, log):
    with Path(log).open("w") as stream:
        os.dup2(stream.fileno(), 1)
        os.dup2(stream.fileno(), 2)
    from minortom_cli.console import run
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
