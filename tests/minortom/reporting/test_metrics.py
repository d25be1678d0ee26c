"""``minortom.metrics``: the numbers of the report, of files and of tables in memory."""

import json
import re

import numpy as np
import pyarrow.parquet as pq
import pytest
from report_inputs import annotated_table, report_of, written
from repository import DOCS

import minortom
from minortom.errors import InputError


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return written(tmp_path_factory.mktemp("input"), annotated_table())


@pytest.fixture(scope="module")
def rows(files, tmp_path_factory):
    found = report_of(*files, tmp_path_factory.mktemp("out") / "report", draws=3, seed=4)
    return {row["set"]: row for row in found.rows}


def test_the_measures_are_those_of_the_report(files, rows):
    found = minortom.metrics(*files)

    assert {"set": "selection", **found.as_dict()} == rows["selection"]
    assert found.cover_km == rows["selection"]["cover_km"]
    assert found.random is None


def test_random_draws_are_those_of_the_report(files, rows):
    found = minortom.metrics(*files, draws=3, seed=4)

    assert {"set": "random", **found.as_dict()["random"]} == rows["random"]
    assert found.random.sd["nn_km"] == rows["random"]["nn_km_sd"]
    assert found.random.mean.nn_km == rows["random"]["nn_km"]


def test_tables_in_memory_are_measured_like_their_files(files):
    selection, annotated = map(pq.read_table, files)
    needed = annotated.select(["grid_cell", "lat", "lon", "stratum"])

    assert minortom.metrics(selection, needed) == minortom.metrics(*files)
    # Without its provenance the selection does not tell what was requested: the maximum is taken.
    counts = np.unique(selection["stratum"].to_pylist(), return_counts=True)[1]
    bare = minortom.metrics(selection.replace_schema_metadata({}), annotated)
    assert bare.taken_whole == sum(counts < max(counts))
    assert bare.underfull == 0


def test_a_selection_in_memory_is_measured_without_any_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    tiles = annotated_table(200)
    selection = minortom.sample(tiles, per_stratum=20, min_distance_km=300, workers=1)
    found = minortom.metrics(selection.table, tiles)

    assert found.tiles == selection.tiles
    assert found.underfull == selection.underfull
    assert found.taken_whole == selection.taken_whole
    assert list(tmp_path.iterdir()) == []


def test_a_measure_without_a_value_is_null_in_json(tmp_path):
    files = written(tmp_path, annotated_table(1))
    found = minortom.metrics(*files)

    assert np.isnan(found.nn_km)
    assert json.loads(json.dumps(found.as_dict()))["nn_km"] is None


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"selection": 5}, "selection must be a path, .* GeoDataFrame, found int"),
        ({"annotated": None}, "annotated must be a path, .* found NoneType"),
        ({"draws": -1}, "draws must be a whole number of at least 0, found -1"),
        ({"annotated": annotated_table(600, seed=1)}, "stratum .* in the table annot"),
    ],
)  # fmt: skip
def test_a_wrong_argument_is_an_error_that_says_what_was_expected(files, wrong, message):
    arguments = {"selection": files[0], "annotated": files[1]} | wrong

    with pytest.raises(InputError, match=message):
        minortom.metrics(**arguments)


def test_the_documented_script_runs(files, monkeypatch, capsys):
    (code,) = re.findall(r"```python\n(.*?)```", (DOCS / "report.md").read_text(), re.DOTALL)
    monkeypatch.chdir(files[0].parent)
    exec(compile(code, "report.md", "exec"), {})

    assert len(capsys.readouterr().out.split()) == 4
