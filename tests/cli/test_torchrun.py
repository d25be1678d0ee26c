"""``python -m minortom_cli.torchrun`` exits with the code of its processes."""

import subprocess
import sys

import pytest

TORCHRUN = (sys.executable, "-m", "minortom_cli.torchrun", "--nproc-per-node", "1", "--no-python")


@pytest.mark.parametrize(
    ("code_line", "code"),
    [("pass", 0), ("raise SystemExit(3)", 3), ("import os; os.kill(os.getpid(), 15)", 143)],
)
def test_the_exit_code_is_that_of_the_process(code_line, code):
    command = [*TORCHRUN, sys.executable, "-c", code_line]

    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout) == (code, ""), done.stderr
    assert ("process 0 ended with exit code 3" in done.stderr) == (code == 3)
