"""``minortom demo`` as a user types it."""

import json

import pytest
from minortom_cli.console import run
from minortom_cli.curate import app


@pytest.fixture(scope="module")
def planet(tmp_path_factory):
    out = tmp_path_factory.mktemp("cli") / "planet"
    assert run(app, ["demo", str(out), "--tiles", "1", "--seed", "5"]) == 0
    return out


def test_json_is_the_summary_alone(planet, capsys):
    code = run(app, ["demo", str(planet), "--tiles", "1", "--seed", "5", "--json"])
    summary = json.loads(capsys.readouterr().out)

    assert code == 0
    assert summary["status"] == "up to date"
    assert (summary["tiles"], summary["seed"], summary["cells"]) == (1, 5, 60_000)


def test_another_planet_in_its_place_is_an_error_of_one_line(planet, capsys):
    before = (planet / "planet.json").read_bytes()

    assert run(app, ["demo", str(planet), "--tiles", "1", "--seed", "6"]) == 1
    error = capsys.readouterr().err.strip()
    assert error.startswith("error: ")
    assert "\n" not in error
    assert "--overwrite" in error
    assert (planet / "planet.json").read_bytes() == before


def test_overwrite_replaces_it(tmp_path):
    out = tmp_path / "planet"
    out.mkdir()
    (out / "mine.txt").write_text("x")

    assert run(app, ["demo", str(out), "--tiles", "1"]) == 1
    assert run(app, ["demo", str(out), "--tiles", "1", "--overwrite"]) == 0
    assert not (out / "mine.txt").exists()
    assert (out / "cells.txt").exists()


def test_a_missing_parent_folder_is_an_error_of_one_line(tmp_path, capsys):
    assert run(app, ["demo", str(tmp_path / "none" / "planet")]) == 1
    assert capsys.readouterr().err.startswith("error: ")


def test_no_tiles_is_wrong_usage(tmp_path):
    assert run(app, ["demo", str(tmp_path / "planet"), "--tiles", "0"]) == 2
