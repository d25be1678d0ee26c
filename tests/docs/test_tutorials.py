"""The tutorials run in Jupyter's kernel, and print what the stored notebooks show."""

import nbformat
import pytest
from repository import DOCS

from website import tutorials

NOTEBOOKS = sorted((DOCS / "tutorials").glob("*.ipynb"))


def test_there_is_a_tutorial_for_each_way_in():
    assert {path.stem for path in NOTEBOOKS} == {"region", "pretrain", "images"}


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_stored_with_its_outputs_and_without_errors(path):
    notebook = nbformat.read(path, as_version=4)
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]

    nbformat.validate(notebook)
    assert sum("image/png" in output.get("data", {}) for output in outputs) >= 1
    assert len(tutorials.words_of(notebook)) >= 4
    assert [output.output_type for output in outputs if output.output_type == "error"] == []
    assert path.stat().st_size < 1_000_000


def test_numbers_and_rules_of_tables_do_not_count():
    def printed(text):
        output = nbformat.v4.new_output("stream", text=text)
        cell = nbformat.v4.new_code_cell("print()", outputs=[output])
        return tutorials.words_of(nbformat.v4.new_notebook(cells=[cell]))

    assert printed("tiles 1,024\n ─────── \n loss −0.25") == printed("tiles  7\n ── \n loss 12")
    assert printed("tiles 3") != printed("cells 3")


@pytest.mark.soak
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_and_prints_what_it_shows(path, tmp_path):
    again = tutorials.executed(path, tmp_path)

    assert tutorials.words_of(again) == tutorials.words_of(nbformat.read(path, as_version=4))
