import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from minortom_cli.console import run
from minortom_cli.curate.app import app

from minortom.io.up_to_date import stored_provenance

CAPE_TOWN = ["locate", "--lat", "-33.92", "--lon", "18.42"]
POINTS = 'id,lat,lon,note\n007,-33.92,18.42,"a, b"\n008,48.86,2.35,\n'
LOCATED = 'id,lat,lon,note,grid_cell\n007,-33.92,18.42,"a, b",378D_170R\n008,48.86,2.35,,543U_17R\n'


@pytest.fixture
def points(tmp_path):
    (tmp_path / "points.csv").write_text(POINTS)
    return str(tmp_path / "points.csv")


def test_a_point_gives_its_cell_with_centre_and_edges(capsys):
    assert run(app, [*CAPE_TOWN, "--json"]) == 0
    # Row -378 from the equator, 180/2004 degrees each; its southern edge has 3325 columns.
    step = 180 / 2004
    assert json.loads(capsys.readouterr().out) == {
        "grid_cell": "378D_170R",
        "lat": pytest.approx(-377.5 * step), "lon": pytest.approx(170.5 * 360 / 3325),
        "west": pytest.approx(170 * 360 / 3325), "south": pytest.approx(-378 * step),
        "east": pytest.approx(171 * 360 / 3325), "north": pytest.approx(-377 * step),
    }  # fmt: skip


def test_people_get_all_digits(capsys):
    assert run(app, CAPE_TOWN) == 0
    shown = capsys.readouterr().out
    assert "378D_170R" in shown and "-33.952095" in shown


def test_points_get_a_column_and_keep_what_they_have(points, capsys):
    assert run(app, ["locate", "--points", points]) == 0
    assert capsys.readouterr().out == LOCATED


def test_links_and_words_of_the_users_table_are_printed_as_they_are(tmp_path, capsys):
    points, out = tmp_path / "points.csv", tmp_path / "out.csv"
    points.write_text(
        "lat,lon,photo,model\n"
        "-33.92,18.42,https://site/photo?id=42#top,hf_abcdefghijKLMNOPQRSTuvwxyz01234567\n"
    )
    assert run(app, ["locate", "--points", str(points), "--out", str(out), "--quiet"]) == 0
    capsys.readouterr()

    assert run(app, ["locate", "--points", str(points)]) == 0
    printed = capsys.readouterr().out
    assert "https://site/photo?id=42#top,hf_abcdefghijKLMNOPQRSTuvwxyz01234567,378D" in printed
    assert printed == out.read_text()


def test_points_as_json_are_a_list(points, capsys):
    assert run(app, ["locate", "--points", points, "--json"]) == 0
    first, _ = json.loads(capsys.readouterr().out)
    assert first == {"lat": -33.92, "lon": 18.42, "grid_cell": "378D_170R"}


@pytest.mark.parametrize("name", ["out.csv", "out.parquet"])
def test_a_file_of_points_is_written_once(points, tmp_path, capsys, name):
    out = str(tmp_path / name)
    arguments = ["locate", "--points", points, "--out", out]
    assert run(app, [*arguments, "--json"]) == 0
    summary = json.loads(capsys.readouterr().out)
    assert summary == {"out": out, "status": "written", "points": 2, "cells": 2}
    assert run(app, arguments) == 0
    assert "up to date" in capsys.readouterr().out
    (tmp_path / "points.csv").write_text(POINTS + "009,0,0,\n")
    assert run(app, arguments) == 1
    assert "give --overwrite" in capsys.readouterr().err
    assert run(app, [*arguments, "--overwrite"]) == 0


def test_a_csv_file_has_the_content_that_stdout_would_show(points, tmp_path):
    assert run(app, ["locate", "--points", points, "--out", str(tmp_path / "out.csv")]) == 0
    assert (tmp_path / "out.csv").read_text() == LOCATED


def test_parquet_points_keep_their_types_and_get_provenance(tmp_path):
    table = pa.table({"lon": [18.42], "lat": pa.array([-33.92], pa.float32()), "when": [b"x"]})
    pq.write_table(table, tmp_path / "points.parquet")
    out = tmp_path / "out.parquet"
    arguments = ["locate", "--points", str(tmp_path / "points.parquet")]
    assert run(app, [*arguments, "--out", str(out)]) == 0
    found = pq.read_table(out)
    assert found["grid_cell"].to_pylist() == ["378D_170R"]
    assert found.column_names == ["lon", "lat", "when", "grid_cell"]
    assert found["when"].to_pylist() == [b"x"]
    assert stored_provenance(out)["command"] == "locate"


def test_a_column_that_csv_cannot_contain_is_one_line(tmp_path, capsys):
    table = pa.table({"lon": [18.42], "lat": [-33.92], "geometry": [b"x"]})
    pq.write_table(table, tmp_path / "points.parquet")
    assert run(app, ["locate", "--points", str(tmp_path / "points.parquet")]) == 1
    assert "cannot store the column geometry of type binary" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--lat", "9", "--lon", "181"],
            "expected degrees from -180 to 180, found the longitude 181.0 (point 0)",
        ),
        (["--lat", "91", "--lon", "0"], "latitude 91.0"),
        (["--lat", "nan", "--lon", "0"], "latitude nan"),
        (["--lat", "9"], "expected --lat and --lon, or --points"),
        (["--points", "p.csv", "--lat", "9"], "expected --lat and --lon, or --points"),
        (["--lat", "9", "--lon", "1", "--out", "a.csv"], "expected --lat and --lon, or --points"),
        ([], "expected --lat and --lon, or --points"),
        (
            ["--points", "nowhere.csv"],
            "the columns lat and lon, found no file nowhere.csv; check",
        ),
    ],
)
def test_a_users_mistake_is_one_line_and_1(arguments, message, capsys):
    assert run(app, ["locate", *arguments]) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("error: ") and printed.err.count("\n") == 1
    assert message in printed.err


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("lat,east\n1,2\n", "points.csv, found the columns lat, east; rename the columns"),
        ("lat,lon,grid_cell\n1,2,x\n", "expected no column grid_cell yet in "),
        ("lat,lon\n1,181\n", "longitude 181.0 (point 0)"),
        ("lat,lon\n1,2\n,2\n", "latitude nan (point 1)"),
        ("lat,lon\n1,east\n", "expected degrees in the column lon of "),
        ("lat,lon\n1\n", "cannot read"),
        ("", "cannot read"),
    ],
)
def test_a_table_without_points_is_one_line(tmp_path, capsys, text, message):
    (tmp_path / "points.csv").write_text(text)
    assert run(app, ["locate", "--points", str(tmp_path / "points.csv")]) == 1
    assert message in capsys.readouterr().err
