"""The forecast of a dry run is what the export then does."""

import json
import shutil
from collections import namedtuple
from dataclasses import replace

import pyarrow.parquet as pq
import pytest
from archive_maker import CELLS, write_selection
from export_maker import apart
from minortom_cli.console import run
from minortom_cli.curate.app import app

from minortom.errors import ArchiveError, InputError
from minortom.extraction.forecast import forecast as forecast_export
from minortom.extraction.inputs import ExportInputs
from minortom.extraction.options import Missing
from minortom.sensors import MODEL_BANDS

pytest_plugins = ["export_fixtures"]


@pytest.fixture
def selection(tmp_path):
    return write_selection(tmp_path / "selection.parquet", CELLS)


@pytest.fixture
def forecast(archives, selection, tmp_path):
    def call(folders=archives, **options):
        words = apart(options)
        del words["engine"]
        inputs = ExportInputs.open(selection, *folders)
        return forecast_export(inputs, tmp_path / "shards", **words)

    return call


def test_tiles_and_shards_are_those_of_the_export(forecast, export):
    told, made = forecast(), export()
    assert (told.tiles, told.shards) == (7, made.shards)
    assert told.cells_missing == told.tiles_without_part == told.requests_at_most == 0


def test_the_export_writes_at_most_the_forecast(forecast, export, tmp_path):
    told = forecast()
    made = export()
    size = sum(path.stat().st_size for path in (tmp_path / "shards").glob("*.parquet"))
    assert told.patches_at_most >= made.patches
    assert told.gigabytes_to_write_at_most * 1e9 >= size


def test_gigabytes_to_read_are_those_of_the_bands_in_the_parts(forecast, archives):
    total = 0
    for folder, sensor in zip(archives, ("s2", "s1"), strict=True):
        for path in (folder / "images").glob("*.parquet"):
            file = pq.read_metadata(path)
            for group in range(file.num_row_groups):
                for number, name in enumerate(file.schema.names):
                    if name in MODEL_BANDS[sensor]:
                        total += file.row_group(group).column(number).total_compressed_size
    told = forecast()
    assert told.gigabytes_to_read * 1e9 == pytest.approx(total)
    assert told.reading_is == "counted"


def test_hours_are_bytes_over_the_rate(forecast):
    told = forecast(rate_mb_s=2.5)
    hours = told.gigabytes_to_read * 1000 / 2.5 / 3600
    assert hours / 10 < told.hours_to_read == pytest.approx(hours, rel=0.05)
    assert f"{told.hours_to_read:.1e}" == f"{hours:.1e}"  # two digits
    assert replace(told, hours_to_read=2.51).shown()["time_to_read"] == "about 2 h 31 min"
    assert "hours" not in str(told)


def test_patches_at_most_fill_the_block_of_each_tile(forecast):
    assert forecast(patch_px=120).patches_at_most == 7 * 8 * 8


def test_one_patch_of_120_px_is_216_kilobytes_and_little_more(forecast):
    told = forecast(patch_px=120)
    assert 216_000 * 448 < told.gigabytes_to_write_at_most * 1e9 < 217_000 * 448


def test_a_disk_that_is_too_small_is_reported(forecast, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10**6, 0, 10**6))
    told = forecast()
    assert (told.fits, told.gigabytes_free) == (False, 0.001)


def test_a_missing_part_is_counted(forecast, own_archives):
    (own_archives[0] / "images" / "part_00001.parquet").unlink()
    assert forecast(own_archives).tiles_without_part == 2


def test_missing_cells_are_counted_or_an_error_as_in_the_export(forecast, tmp_path):
    write_selection(tmp_path / "selection.parquet", [*CELLS, "90U_1R"])
    with pytest.raises(ArchiveError, match="have no tile for 1 of 8 selected cells"):
        forecast()
    told = forecast(missing=Missing.SKIP)
    assert (told.tiles, told.cells_missing) == (7, 1)


def test_a_remote_archive_is_an_estimate_of_10_megabytes_a_row(forecast, archives, web_server):
    for folder in archives:
        shutil.copytree(folder, web_server.folder / folder.name)
    told = forecast([f"{web_server.url}/{folder.name}" for folder in archives])
    assert told.reading_is == "estimated"
    assert told.requests_at_most == 28  # 7 tiles, 2 sensors, a footer and a row
    assert told.gigabytes_to_read == pytest.approx(14 * (0.010 + 1.5 * 1024**2 / 1e9))
    assert not [request for request in web_server.requests if "images" in request.path]


@pytest.mark.parametrize("rate", [0.0, -1.0, float("nan")])
def test_a_rate_that_is_not_positive_is_refused(forecast, rate):
    with pytest.raises(InputError, match="rate_mb_s must be above 0 MB/s, found"):
        forecast(rate_mb_s=rate)


@pytest.fixture
def typed(archives, selection, tmp_path):
    def call(*options):
        places = ["--s2", archives[0], "--s1", archives[1], "--out", tmp_path / "shards"]
        return run(app, ["export", *map(str, [selection, *places, *options])])

    return call


def test_dry_run_writes_nothing_and_lists_licences(typed, tmp_path, capsys):
    before = sorted(tmp_path.rglob("*"))
    assert typed("--patch-size", 12, "--dry-run", "--rate-mb-s", 50, "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert sorted(tmp_path.rglob("*")) == before
    assert (told["tiles"], told["rate_mb_s"]) == (7, 50.0)
    assert "CC-BY-SA-4.0" in told["licences"][0]


def test_dry_run_without_a_rate_assumes_100_and_prints_a_table(typed, capsys):
    assert typed("--patch-size", 12, "--dry-run") == 0
    out = capsys.readouterr().out
    assert "dry run: nothing written" in out
    assert "rate mb s" in out and "100" in out


def test_a_rate_without_dry_run_is_wrong_usage(typed, tmp_path):
    assert typed("--rate-mb-s", 50) == 2
    assert not (tmp_path / "shards").exists()


def test_a_dry_run_of_options_that_the_export_would_refuse_is_refused(typed, capsys):
    assert typed("--patch-size", 12, "--dry-run", "--scheduler", "tcp://a:1") == 1
    assert "--scheduler needs the Dask engine" in capsys.readouterr().err
