"""Calls of ``minortom cluster`` that are refused."""

from embedding_maker import cell_names, clumped, write_fragments
from error_lines import one_line
from minortom_cli.console import run
from minortom_cli.main import app

CELLS = cell_names(30)
VALUES, _ = clumped(30)


def write_fine(folder):
    write_fragments(folder / "e.parquet", CELLS, VALUES)


def refused(folder, options, capsys):
    """Cluster `e.parquet`; return exit code and error line of a call that leaves nothing."""
    words = ["cluster", str(folder / "e.parquet"), *options.format(folder=folder).split()]
    words += [] if "--out" in words else ["--out", str(folder / "out.parquet")]
    before = {*folder.rglob("*")}
    code = run(app, words)
    assert {*folder.rglob("*")} == before
    return code, one_line(capsys.readouterr().err)
