"""``minortom demo`` as a user types it."""

import json
import shutil

import pyarrow.parquet as pq
import pytest
from minortom_cli.console import run
from minortom_cli.curate.app import app


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


def test_overwrite_replaces_it(planet, tmp_path):
    out = tmp_path / "planets" / "one"
    shutil.copytree(planet, out)

    assert run(app, ["demo", str(out), "--tiles", "2"]) == 1
    assert run(app, ["demo", str(out), "--tiles", "2", "--overwrite"]) == 0
    assert len(pq.read_table(out / "Core-S2L2A" / "metadata.parquet")) == 2


def test_a_strangers_folder_is_never_replaced(tmp_path, capsys):
    (tmp_path / "thesis.tex").touch()

    assert run(app, ["demo", str(tmp_path), "--tiles", "1", "--overwrite"]) == 1
    assert capsys.readouterr().err.startswith("error: ")
    assert (tmp_path / "thesis.tex").exists()


def test_no_tiles_is_wrong_usage(tmp_path):
    assert run(app, ["demo", str(tmp_path / "planet"), "--tiles", "0"]) == 2
