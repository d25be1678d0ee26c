"""`minortom sample --spread-over` and `report` as commands, and their refusals."""

import json

import pyarrow.parquet as pq
import pytest
from minortom_cli.console import run
from minortom_cli.curate.app import app
from points_files import write_points
from spread_tables import spread_table

from minortom.io.provenance import Provenance


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made_by = Provenance(command="annotate", options={})
    write_points(spread_table(), tmp_path / "annotated.parquet", made_by)
    return tmp_path


def sampled(*words):
    more = ("--per-stratum", "20", "--workers", "1")
    return run(app, ["sample", "annotated.parquet", "--out", "s.parquet", *more, *words])


def test_a_selection_over_place_and_columns_is_measured_in_that_space(folder, capsys):
    over = "place,log:precipitation*2,vector"
    words = ["--spread-over", over, "--spread-components", "2", "--spread-weight", "1.5"]
    assert sampled(*words) == 0
    words = ["report", "s.parquet", "--annotated", "annotated.parquet", "--out", "r", "--draws"]
    assert run(app, [*words, "2"]) == 0

    capsys.readouterr()
    made = json.loads(pq.read_schema(folder / "s.parquet").metadata[b"minortom"])["options"]
    assert made["spread_over"] == over.split(",")
    assert (made["spread_components"], made["spread_weight"]) == (2, 1.5)
    rows = json.loads((folder / "r" / "metrics.json").read_text())["spread_over"]
    ours = {row["part"]: row for row in rows if row["set"] == "selection"}
    assert ours["log:precipitation × vector"]["difference"] < 0
    assert ours["vector"]["unit"] == "spread"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--spread-over", "place,elevation"], "error: --spread-over elevation: column not found"),
        (["--spread-over", "climate"], "error: --spread-over climate: expected a column of num"),
        (["--spread-over", "t*0"], "error: --spread-over t: the weight must be a number above 0"),
        (["--spread-components", "3"], "error: --spread-components needs --spread-over"),
        (
            ["--spread-over", "temperature", "--method", "random"],
            "error: --spread-over works with --method genetic or k-means only, found random",
        ),
    ],
)
def test_a_space_that_cannot_be_used_is_one_line_and_no_file(folder, capsys, words, message):
    assert sampled(*words) == 1

    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith(message)
    assert sorted(path.name for path in folder.iterdir()) == ["annotated.parquet"]
