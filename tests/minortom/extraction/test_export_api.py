"""`minortom.export` as Python users call it; the same work is tested through `write_export`."""

import inspect
import json

import pytest
from archive_maker import CELLS, write_selection
from export_maker import files_of
from minortom_cli.console import run
from minortom_cli.curate.app import app

import minortom
from minortom.errors import InputError

pytest_plugins = ("export_fixtures",)


@pytest.fixture
def call(archives, tmp_path):
    selection = write_selection(tmp_path / "selection.parquet", CELLS)
    s2, s1 = archives

    def export(**options):
        words = {"s2": s2, "s1": s1, "out": tmp_path / "shards", "patch_size": 12, "workers": 1}
        return minortom.export(selection, **words | options)

    return export


def test_it_makes_the_bytes_and_the_json_of_the_command(call, archives, tmp_path, capsys):
    counts = []
    result = call(
        s2=str(archives[0]), out=str(tmp_path / "python"), bands=["vv", "B02", "B11"],
        max_invalid=50, codec="blosc2", seed=3, on_progress=lambda *c: counts.append(c),
    )  # fmt: skip
    assert counts[-1] == (7, 7)
    arguments = [
        "export", tmp_path / "selection.parquet", "--s2", archives[0], "--s1", archives[1],
        "--out", tmp_path / "typed", "--patch-size", 12, "--bands", "vv, B02,B11", "--seed", 3,
        "--max-invalid", 50, "--codec", "blosc2", "--workers", 1, "--json",
    ]  # fmt: skip
    assert run(app, list(map(str, arguments))) == 0
    printed = json.loads(capsys.readouterr().out)
    assert list(result.as_dict()) == list(printed)
    assert result.as_dict() | {"out": 0} == printed | {"out": 0}
    assert files_of(tmp_path / "python") == files_of(tmp_path / "typed")


def test_a_dry_run_returns_the_forecast_and_writes_nothing(call, tmp_path):
    before = sorted(tmp_path.iterdir())
    forecast = call(dry_run=True, rate_mb_s=50)
    assert (forecast.status, forecast.tiles) == ("dry run: nothing written", 7)
    assert (forecast.rate_mb_s, call(dry_run=True).rate_mb_s) == (50.0, 100.0)
    assert sorted(tmp_path.iterdir()) == before


def test_the_result_prints_as_the_command_does(call):
    assert "tiles not replaced" in str(call())
    assert call().status == "up to date"


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"patch_size": "12"}, "patch_size must be a whole number of at least 2, found '12'"),
        ({"stride": 2.5}, "stride must be a whole number of at least 2, found 2.5"),
        ({"missing": "ignore"}, "missing must be one of error, skip, found 'ignore'"),
        ({"origin": None}, "origin must be one of center, topleft, found None"),
        ({"resampling": "cubic"}, "resampling must be one of nearest, bilinear, found 'cubic'"),
        (
            {"resampling": "bilinear", "strict_grid": True},
            "--strict-grid resamples nothing, found --resampling bilinear; leave one of them out",
        ),
        ({"codec": "zstd"}, "codec must be one of none, blosc2, found 'zstd'"),
        ({"format": "zarr"}, "format must be one of parquet, webdataset, found 'zarr'"),
        ({"bands": [1, 2]}, "bands must be names of bands, such as B02,B03,B04, found list"),
        ({"bands": 3}, "bands must be names of bands, such as B02,B03,B04, found 3"),
        ({"strict_grid": "no"}, "strict_grid must be True or False, found 'no'"),
        ({"dry_run": "no"}, "dry_run must be True or False, found 'no'"),
        ({"overwrite": "no"}, "overwrite must be True or False, found 'no'"),
        ({"max_invalid": "few"}, "max_invalid must be a number, found 'few'"),
        ({"max_cloud": "10"}, "max_cloud must be a number, found '10'"),
        ({"seed": -1}, "seed must be a whole number of at least 0, found -1"),
        ({"workers": 0}, "workers must be a whole number of at least 1, found 0"),
        ({"rate_mb_s": 10}, r"rate_mb_s \(--rate-mb-s\) needs dry_run"),
        ({"rate_mb_s": 0, "dry_run": True}, "rate_mb_s must be above 0 MB/s, found 0"),
        ({"s2": 3}, "s2 must be a path"),
        ({"out": None}, "out must be a path"),
    ],
)
def test_a_wrong_argument_is_one_line(call, wrong, message):
    with pytest.raises(InputError, match=message) as caught:
        call(**wrong)
    assert "\n" not in str(caught.value)


def test_all_options_are_named():
    kinds = [p.kind for p in inspect.signature(minortom.export).parameters.values()][1:]
    assert set(kinds) == {inspect.Parameter.KEYWORD_ONLY}
