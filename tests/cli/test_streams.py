"""Streams of a terminal that is not like ours: ASCII alone, or closed."""

import json
import os
import subprocess
import sys

import pytest

MINORTOM = "import sys; from minortom_cli.main import main; main()"
CSMOE = "import sys; from minortom_cli.main import main_csmoe; main_csmoe()"
ASCII = {"PYTHONIOENCODING": "ascii"}
C = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


def shell(program, words, *, closed="", env=None):
    """Run a program with some streams closed, as a shell does it."""
    command = f'exec "$0" -c "$1" "${{@:2}}" {closed}'
    return subprocess.run(
        ["bash", "-c", command, sys.executable, program, *words],
        capture_output=True, text=True, env=os.environ | (env or {}), check=False,
    )  # fmt: skip


@pytest.mark.parametrize("env", [ASCII, C])
@pytest.mark.parametrize(
    ("program", "words"), [(MINORTOM, ["annotate", "--help"]), (CSMOE, ["train", "--help"])]
)
def test_help_is_printed_where_only_ascii_can_be(env, program, words):
    done = shell(program, words, env=env)
    assert (done.returncode, done.stderr) == (0, "")
    assert "Usage:" in done.stdout and done.stdout.isascii()


def test_names_in_a_result_survive_an_ascii_stdout(tmp_path):
    out = tmp_path / "zellen_ü.csv"
    words = ["cells", "--bbox", "0,0,0.05,0.05", "--out", str(out), "--json"]
    done = shell(MINORTOM, words, env=ASCII)
    assert json.loads(done.stdout)["out"] == str(out)


@pytest.mark.parametrize("closed", [">&-", ">&- 2>&-", "<&- >&- 2>&-"])
@pytest.mark.parametrize("more", [[], ["--json"]])
def test_a_closed_stream_is_no_traceback_and_nothing_goes_into_a_file_instead(
    tmp_path, closed, more
):
    out = tmp_path / "cells.txt"
    words = ["cells", "--bbox", "0,0,0.05,0.05", "--out", str(out), *more]
    done = shell(MINORTOM, words, closed=closed)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert out.read_text() == "0U_0R\n"
