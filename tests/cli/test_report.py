"""``minortom report`` as a user types it."""

import json

import numpy as np
import pytest
from error_lines import json_error
from map_maker import write_map
from minortom_cli.console import run
from minortom_cli.curate.app import app
from report_inputs import annotated_table, written

from minortom.reporting.comparison import SETS


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    selection, annotated = written(tmp_path_factory.mktemp("input"), annotated_table(200))
    return [str(selection), "--annotated", str(annotated)]


def test_it_prints_one_row_a_set_and_the_path_of_the_page(files, tmp_path, capsys):
    assert run(app, ["report", *files, "--out", str(tmp_path / "report")]) == 0
    shown = capsys.readouterr()

    assert "report.html: written" in shown.err
    for name in SETS:
        assert name in shown.out
    assert (tmp_path / "report" / "report.html").is_file()
    assert (tmp_path / "report.run.json").is_file()


def test_a_repeated_report_is_up_to_date_and_json_has_only_the_result(files, tmp_path, capsys):
    out = tmp_path / "report"
    run(app, ["report", *files, "--out", str(out)])
    made = (out / "metrics.json").stat().st_mtime_ns
    capsys.readouterr()

    assert run(app, ["report", *files, "--out", str(out), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["status"] == "up to date"
    assert found["report"] == str(out / "report.html")
    assert found["rows"] == json.loads((out / "metrics.json").read_text())["rows"]
    assert (out / "metrics.json").stat().st_mtime_ns == made


def test_another_seed_needs_overwrite(files, tmp_path, capsys):
    command = ["report", *files, "--out", str(tmp_path / "report")]
    run(app, command)
    capsys.readouterr()

    assert run(app, [*command, "--seed", "3"]) == 1
    error = capsys.readouterr().err.strip()
    assert error.startswith("error: ")
    assert "\n" not in error
    assert run(app, [*command, "--seed", "3", "--overwrite"]) == 0


@pytest.mark.parametrize("content", [None, b"no parquet"], ids=["missing", "no Parquet"])
def test_a_file_that_cannot_be_read_is_an_error_of_one_line(files, tmp_path, capsys, content):
    bad = tmp_path / "bad.parquet"
    if content is not None:
        bad.write_bytes(content)

    for command in (
        [str(bad), *files[1:]],
        [files[0], "--annotated", str(bad)],
    ):
        assert run(app, ["report", *command, "--out", str(tmp_path / "report")]) == 1
        error = capsys.readouterr().err.strip()
        assert error.startswith("error: ")
        assert "\n" not in error
        assert "bad.parquet" in error
    assert not (tmp_path / "report").exists()


def test_a_missing_option_annotated_is_wrong_usage(files, tmp_path):
    assert run(app, ["report", files[0], "--out", str(tmp_path / "report")]) == 2


def test_the_number_of_draws_is_an_option_and_in_the_result(files, tmp_path, capsys):
    out = tmp_path / "report"

    assert run(app, ["report", *files, "--out", str(out), "--draws", "3", "--json"]) == 0
    random = json.loads(capsys.readouterr().out)["rows"][1]
    assert random["set"] == "random"
    assert random["draws"] == 3
    assert random["nn_km_sd"] > 0
    assert run(app, ["report", *files, "--out", str(out)]) == 1  # 20 are another report
    assert "--overwrite" in capsys.readouterr().err
    assert run(app, ["report", *files, "--out", str(out), "--draws", "0"]) == 2


def test_the_printed_table_has_the_same_columns_for_every_set(files, tmp_path, capsys):
    run(app, ["report", *files, "--out", str(tmp_path / "report"), "--draws", "2"])
    lines = [line for line in capsys.readouterr().out.splitlines() if line.strip()]

    assert lines[0].split()[0] == "set"
    assert {len(line.split()) for line in lines if "─" not in line} == {len(lines[0].split())}


def test_held_out_rasters_are_measured_and_a_wrong_one_is_an_error_of_one_line(
    files, tmp_path, capsys
):
    rows = np.repeat(np.arange(180, dtype=np.int16)[:, None], 360, axis=1)
    raster = write_map(tmp_path / "rows.tif", np.stack([rows, rows % 7]))
    command = ["report", *files, "--out", str(tmp_path / "report"), "--draws", "2", "--json"]
    held_out = ["--held-out", f"row={raster}:1", "--held-out", f"rest={raster}:2"]

    assert run(app, [*command, *held_out]) == 0
    found = json.loads(capsys.readouterr().out)["held_out"]
    assert len(found) == 3 * (len(SETS) - 1)
    assert found[0]["rasters"] == ["row", "rest"]
    assert run(app, [*command, "--overwrite", *held_out, "--held-out-legend", "x=igbp"]) == 1
    error = json_error(capsys.readouterr().err)
    assert error.startswith("--held-out-legend x=igbp has no raster")
