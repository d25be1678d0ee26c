"""The options of `minortom sample` for distances, reserves, splits, budgets and engines."""

import json

import dask_processes as processes
import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
import typer
from error_lines import json_error
from minortom_cli.console import run
from minortom_cli.curate.sample import sample
from points import annotated_table, distances_km, random_lonlat
from points_files import write_points

from minortom.io.provenance import Provenance

METHODS = ["genetic", "random", "farthest-point", "grts", "k-means"]
app = typer.Typer()
app.command()(sample)


@pytest.fixture
def annotated(tmp_path):
    lon, lat = random_lonlat(400, 1)
    names = ["A/x"] * 200 + ["B/y"] * 150 + ["C/z"] * 50
    table = annotated_table(lon / 9, lat / 9, names)  # 4,400 km by 2,200 km
    write_points(table, tmp_path / "annotated.parquet", Provenance(command="annotate", options={}))
    return tmp_path / "annotated.parquet"


def sampled(annotated, *more, out="selection.parquet"):
    words = [annotated, "--out", annotated.with_name(out), "--workers", 1, "--json", *more]
    return run(app, [str(word) for word in words])


def written(annotated, out="selection.parquet"):
    return pq.read_table(annotated.with_name(out))


def between(table):
    km = distances_km(table["lon"].to_numpy(), table["lat"].to_numpy())
    return km + np.diag(np.full(len(table), np.inf))


@pytest.mark.parametrize("method", METHODS)
def test_no_two_tiles_are_closer_than_the_minimum_distance(annotated, capsys, method):
    words = ("--per-stratum", 30, "--min-distance-km", 150, "--reserves", 3, "--method", method)
    assert sampled(annotated, *words) == 0

    result = json.loads(capsys.readouterr().out)
    assert between(written(annotated)).min() >= 150
    assert result["tiles"] + result["short"] == 90
    assert result["tiles"] > 60


def test_strata_that_cannot_be_filled_are_counted(annotated, capsys):
    assert sampled(annotated, "--per-stratum", 30, "--min-distance-km", 600) == 0

    result = json.loads(capsys.readouterr().out)
    assert result["underfull"] == 3
    assert 0 < result["tiles"] == 90 - result["short"]


def test_kept_cells_that_are_too_close_are_named(annotated, capsys):
    table = written(annotated, "annotated.parquet")
    one, other = np.unravel_index(np.argmin(between(table)), (400, 400))
    keep = annotated.with_name("keep.txt")
    names = table["grid_cell"].take([one, other]).to_pylist()
    keep.write_text("\n".join(names))

    assert sampled(annotated, "--keep", keep, "--min-distance-km", 150) == 1
    error = json_error(capsys.readouterr().err)
    assert error.startswith("kept cells must be at least 150 km apart")
    assert f"found {names[0]} and {names[1]} at" in error


@pytest.mark.parametrize("method", METHODS)
def test_reserves_come_last_ranked_in_each_stratum(annotated, capsys, method):
    assert sampled(annotated, "--per-stratum", 48, "--reserves", 4, "--method", method) == 0
    table = written(annotated)
    reserves = table.slice(144)

    assert json.loads(capsys.readouterr().out)["reserves"] == 10
    assert table["role"].to_pylist() == ["selected"] * 144 + ["reserve"] * 10
    assert reserves["stratum"].to_pylist() == ["A/x"] * 4 + ["B/y"] * 4 + ["C/z"] * 2
    assert reserves["reserve_rank"].to_pylist() == [1, 2, 3, 4, 1, 2, 3, 4, 1, 2]
    assert table.slice(0, 144)["reserve_rank"].null_count == 144
    assert not any(reserves["kept"].to_pylist())
    assert len(set(table["grid_cell"].to_pylist())) == 154


def test_reserves_change_no_selected_tile(annotated, capsys):
    assert sampled(annotated, "--per-stratum", 30) == 0
    assert sampled(annotated, "--per-stratum", 30, "--reserves", 4, out="more.parquet") == 0
    capsys.readouterr()

    more, fewer = (written(annotated, name) for name in ("more.parquet", "selection.parquet"))
    assert more["grid_cell"].to_pylist()[:90] == fewer["grid_cell"].to_pylist()


def test_splits_keep_their_distance_and_their_shares(annotated, capsys):
    words = ("--per-stratum", 40, "--reserves", 5, "--split", "0.6,0.2,0.2")
    assert sampled(annotated, *words, "--split-block-km", 150) == 0
    table, result = written(annotated), json.loads(capsys.readouterr().out)
    split = np.array(table["split"].to_pylist())

    assert set(split) == {"train", "val", "test"}
    other = split[:, None] != split[None, :]
    assert between(table)[other].min() > 20
    assert sum(result["split"].values()) == result["tiles"]
    assert result["split"]["train"] == pytest.approx(0.6 * result["tiles"], rel=0.15)
    options = json.loads(pq.read_schema(result["out"]).metadata[b"minortom"])["options"]
    assert options["split"] == [0.6, 0.2, 0.2]
    assert (options["split_block_km"], options["split_buffer_km"]) == (150, 20)


def test_blocks_are_100_km_by_default(annotated, capsys):
    assert sampled(annotated, "--method", "random", "--split", "0.8,0.1,0.1") == 0
    result = json.loads(capsys.readouterr().out)
    options = json.loads(pq.read_schema(result["out"]).metadata[b"minortom"])["options"]

    assert options["split_block_km"] == 100


@pytest.fixture
def crowd(tmp_path):
    lon, lat = np.meshgrid(np.arange(60) * 0.1, np.arange(20) * 0.1)  # 11 km, 660 km by 220 km
    table = annotated_table(lon.ravel(), lat.ravel(), ["A/x"] * 1200)
    write_points(table, tmp_path / "crowd.parquet", Provenance(command="annotate", options={}))
    return tmp_path / "crowd.parquet"


def test_dense_tiles_between_splits_are_removed_and_ranks_renumbered(crowd, capsys):
    words = ("--method", "random", "--per-stratum", 1100, "--reserves", 60)
    assert sampled(crowd, *words, "--split", "0.5,0.25,0.25") == 0
    table, result = written(crowd), json.loads(capsys.readouterr().out)
    split = np.array(table["split"].to_pylist())

    assert 0 < result["short"] == 1100 - result["tiles"]
    assert result["underfull"] == 1
    assert between(table)[split[:, None] != split[None, :]].min() > 20
    ranks = table.filter(pc.equal(table["role"], "reserve"))["reserve_rank"].to_pylist()
    assert ranks == list(range(1, result["reserves"] + 1))
    assert 0 < len(ranks) < 60


def test_a_kept_cell_between_splits_is_an_error_of_one_line(crowd, capsys):
    keep = crowd.with_name("keep.txt")
    keep.write_text("\n".join(written(crowd, "crowd.parquet")["grid_cell"].to_pylist()[:700]))
    words = ("--method", "random", "--per-stratum", 1200, "--keep", keep)

    assert sampled(crowd, *words, "--split", "0.5,0.25,0.25") == 1
    assert "every kept cell must belong to a split" in json_error(capsys.readouterr().err)


def test_a_file_with_a_column_split_is_refused(annotated, capsys):
    assert sampled(annotated, "--method", "random", "--split", "0.8,0.1,0.1") == 0
    table = written(annotated).drop(["role", "kept", "reserve_rank", "geometry"])
    write_points(table, annotated, Provenance(command="annotate", options={}))
    capsys.readouterr()

    assert sampled(annotated, "--split", "0.8,0.1,0.1", out="again.parquet") == 1
    assert "already has a column split" in capsys.readouterr().err


def test_a_time_budget_ends_the_search_and_is_reported(annotated, capsys):
    words = ("--coupling", "off", "--generations", 10**6, "--time-budget", 3)
    assert sampled(annotated, "--per-stratum", 20, *words) == 0

    result = json.loads(capsys.readouterr().out)
    assert result["tiles"] == 60
    assert result["search"]["complete"] is False
    assert result["search"]["searches"] == 9


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (("--min-distance-km", 0), "--min-distance-km must be above 0"),
        (("--reserves", 10**6), "--reserves must be from 0"),
        (("--split", "0.9,0.2"), "with three shares"),
        (("--split", "0.9,0.2,0.2"), "add up to 1.3"),
        (("--split-block-km", 50), "--split-block-km needs --split"),
        (("--split", "0.8,0.1,0.1", "--split-block-km", 5), "--split-block-km"),
        (("--time-budget", 0), "--time-budget must be above 0 seconds"),
        (("--time-budget", 5, "--method", "grts"), "works with --method genetic only"),
        (("--scheduler", "tcp://127.0.0.1:1"), "add --engine dask"),
    ],
)
def test_a_value_out_of_range_is_an_error_of_one_line(annotated, capsys, wrong, said):
    assert sampled(annotated, *wrong) == 1

    assert said in json_error(capsys.readouterr().err)


def test_a_dask_cluster_gives_the_same_bytes(annotated, capsys):
    words = ("--per-stratum", 20, "--reserves", 2)
    assert sampled(annotated, *words) == 0
    with processes.scheduler() as (_, address), processes.workers(address):
        on_cluster = ("--engine", "dask", "--scheduler", address, "--workers", 2)
        assert sampled(annotated, *words, *on_cluster, out="dask.parquet") == 0
    capsys.readouterr()

    ours, theirs = (annotated.with_name(n) for n in ("selection.parquet", "dask.parquet"))
    assert theirs.read_bytes() == ours.read_bytes()
