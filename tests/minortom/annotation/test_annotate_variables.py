"""Continuous rasters and bins as further columns of the annotated tiles."""

import json
import re

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import rasterio
from annotating import MANIFEST, annotated
from map_maker import write_map
from minortom_cli.console import run
from minortom_cli.curate.app import app

import minortom
from minortom.annotation.bins import BINS_KEY
from minortom.grid.cells import cells_from_names
from minortom.io.column_metadata import source_of, unit_of

pytest_plugins = ("annotate_fixtures",)


@pytest.fixture
def heights(tmp_path):
    """Write two bands over 1.5 degrees, height in half metres and noise, without a corner."""
    rng = np.random.default_rng(7)
    values = rng.integers(0, 4000, (2, 150, 150)).astype(np.int16)
    values[0, -12:, :12] = -9999
    path = write_map(tmp_path / "h.tif", values, west=0, north=1.5, step=0.01, nodata=-9999)
    with rasterio.open(path, "r+") as target:
        target.scales, target.offsets, target.units = (0.5, 1), (-100, 0), ("m", None)
        target.descriptions = ("height", None)
    with rasterio.open(tmp_path / "landcover.tif", "r+") as target:  # a class in every cell
        target.write(np.full((200, 200), 10, np.uint8), 1)
    (tmp_path / "cells.txt").write_text(
        "\n".join(f"{i}U_{j}R" for i in range(16) for j in range(16))
    )
    return path


def pixel_at(path, row):
    """Return the value of the first band at the centre of a tile; None without one."""
    with rasterio.open(path) as source:
        stored = source.read(1)
    i, j = int((1.5 - row["lat"]) / 0.01), int(row["lon"] / 0.01)
    is_there = 0 <= i < 150 and 0 <= j < 150 and stored[i, j] != -9999
    return float(stored[i, j]) * 0.5 - 100 if is_there else None


def test_a_variable_is_the_pixel_at_the_centre_with_its_unit_and_source(arguments, heights, capsys):
    summary, table = annotated(arguments, capsys, "--variable", f"height={heights}:1")
    rows = table.to_pylist()
    missing = [row for row in rows if row["height"] is None]

    assert [row["height"] for row in rows] == [pixel_at(heights, row) for row in rows]
    assert 0 < len(missing) < 20 and summary["unknown"] == {"height": len(missing)}
    field = table.schema.field("height")
    assert (unit_of(field), source_of(field)) == ("m", "variable height: band 1, height")
    names = table.column_names
    assert names[names.index("stratum") + 1] == "height"
    options = json.loads(table.schema.metadata[b"minortom"])["options"]
    assert (options["variables"], options["variable_mode"]) == ({"height": 1}, "center")


def test_the_mean_of_a_cell_weighs_pixels_by_area_and_workers_do_not_change_it(
    arguments, heights, capsys
):
    more = ("--variable", f"height={heights}:1", "--variable-mode", "mean")
    _, alone = annotated(arguments, capsys, *more)
    _, pooled = annotated([*arguments[:-1], "2"], capsys, *more)
    with rasterio.open(heights) as source:
        stored = source.read(1).astype(float)
    lon, lat = 0.01 * np.arange(151), 1.5 - 0.01 * np.arange(151)
    rows = {row["grid_cell"]: row["height"] for row in alone.to_pylist()}
    for name in ("5U_7R", "1U_0R"):  # the second is partly on nodata
        west, south, east, north = (float(e[0]) for e in cells_from_names([name]).bounds_deg())
        wide = np.diff(np.clip(lon, west, east))
        high = -np.diff(np.sin(np.radians(np.clip(lat, south, north))))
        weights = high[:, None] * wide * (stored != -9999)
        expected = (weights * (stored * 0.5 - 100)).sum() / weights.sum()
        assert rows[name] == pytest.approx(expected, rel=1e-9)
    assert pooled.equals(alone, check_metadata=True)


def test_bins_are_classes_that_the_sampler_stratifies_by(arguments, heights, capsys):
    summary, table = annotated(
        arguments, capsys, "--variable", f"height={heights}:1", "--variable",
        f"noise={heights}:2", "--bins", "height=0,500", "--bins", "noise=quantiles:3",
    )  # fmt: skip
    rows = table.to_pylist()

    def name_of(height):
        if height is None:
            return "unmapped"
        return "< 0 m" if height < 0 else "0–500 m" if height < 500 else "≥ 500 m"

    assert [row["height_bin"] for row in rows] == [name_of(row["height"]) for row in rows]
    codes = {"< 0 m": 0, "0–500 m": 1, "≥ 500 m": 2, "unmapped": 255}
    assert all(row["height_bin_code"] == codes[row["height_bin"]] for row in rows)
    assert summary["unmapped"]["height_bin"] == summary["unknown"]["height"] > 0
    assert sum(summary["bins"]["height_bin"].values()) == len(rows) - summary["unknown"]["height"]

    known = [row["noise"] for row in rows if row["noise"] is not None]
    edges = np.quantile(known, [1 / 3, 2 / 3]).tolist()
    record = json.loads(table.schema.metadata[b"minortom"])
    assert record["options"]["bins"] == {"height": {"edges": [0, 500]}, "noise": {"quantiles": 3}}
    assert record["derived"] == {"quantile_edges": {"noise": edges}}
    legends = json.loads(table.schema.metadata[BINS_KEY.encode()])
    assert legends["noise_bin"]["edges"] == edges
    assert legends["height_bin"] == {
        "of": "height", "unit": "m", "edges": [0, 500], "classes": ["< 0 m", "0–500 m", "≥ 500 m"],
    }  # fmt: skip

    selection = minortom.sample(
        summary["out"], stratify_by=["climate", "height_bin"], per_stratum=2, method="random"
    ).table
    strata = set(selection["stratum"].cast("string").to_pylist())
    assert strata == {f"Af/{row['height_bin']}" for row in rows}


def test_numbers_of_tables_are_binned_over_the_tiles_that_are_kept(
    arguments, heights, tmp_path, capsys
):
    """The table lacks the column of cells 15R, whose tiles are dropped before the quantiles."""
    names = [f"{i}U_{j}R" for i in range(16) for j in range(15)]
    depth = np.arange(len(names))
    field = pa.field("depth", pa.int64(), metadata={"unit": "cm"})
    table = pa.table([names, depth], pa.schema([("grid_cell", pa.string()), field]))
    pq.write_table(table, tmp_path / "t.parquet")
    summary, found = annotated(
        arguments, capsys, "--table", str(tmp_path / "t.parquet"), "--table-missing", "drop",
        "--variable", f"height={heights}:1", "--bins", "depth=quantiles:2",
    )  # fmt: skip
    rows = found.to_pylist()

    assert len(rows) == 240 and summary["dropped"]["not_in_table"] == 16
    assert [row["height"] for row in rows] == [pixel_at(heights, row) for row in rows]
    legend = json.loads(found.schema.metadata[BINS_KEY.encode()])["depth_bin"]
    assert (legend["edges"], legend["unit"]) == ([119.5], "cm")
    assert legend["classes"] == ["< 120 cm", "≥ 120 cm"]
    assert all((row["depth"] >= 119.5) == (row["depth_bin_code"] == 1) for row in rows)


def test_a_file_with_quantiles_is_up_to_date_and_other_bins_are_not(arguments, heights, capsys):
    words = [*arguments, "--variable", f"height={heights}:1", "--bins", "height=quantiles:3"]
    assert run(app, words) == 0
    capsys.readouterr()

    assert run(app, words) == 0
    summary = json.loads(capsys.readouterr().out)
    assert summary["status"] == "up to date" and summary["unknown"]["height"] > 0
    assert run(app, [*words[:-1], "height=quantiles:4"]) == 1
    assert "exists and was made with other inputs or options" in capsys.readouterr().err


def test_further_maps_come_before_the_numbers_and_credits_are_inherited(
    arguments, heights, tmp_path, capsys
):
    (tmp_path / "my.yaml").write_text(MANIFEST)
    write_map(tmp_path / "my.tif", np.full((20, 20), 1, np.uint8), west=0, north=2, step=0.1)
    with rasterio.open(heights, "r+") as target:
        target.update_tags(TIFFTAG_COPYRIGHT="CC BY 4.0, the surveyors")
    _, table = annotated(
        arguments, capsys, "--variable", f"height={heights}:1", "--bins", "height=1000",
        "--descriptor", f"ecoregion={tmp_path / 'my.tif'}", "--manifest", str(tmp_path / "my.yaml"),
    )  # fmt: skip

    names = table.column_names
    assert names[names.index("stratum") + 1 :] == [
        "ecoregion", "ecoregion_code", "height", "height_bin", "height_bin_code",
        "bbox", "geometry",
    ]  # fmt: skip
    assert "CC BY 4.0, the surveyors" in json.loads(table.schema.metadata[b"minortom"])["licences"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--variable", "height"], "expected --variable NAME=RASTER or NAME=RASTER:BAND, found"),
        (["--variable", "lat={h}:1"], "expected a --variable name of letters"),
        (["--variable", "a b={h}:1"], "expected a --variable name of letters"),
        (["--variable", "h={h}:1", "--variable", "h={h}:2"], "found h more than once"),
        (["--variable", "h={h}:3"], "h.tif has no band 3; its bands are 1 height, 2"),
        (["--variable", "h={h}"], "expected one band of"),
        (["--variable", "h=none.tif:1"], "h: expected a raster file, found no file none"),
        (["--variable", "h={cells}"], "cannot read the map"),
        (["--variable", "h={far}"], "--variable h: expected a value at some tile, found none at"),
        (["--bins", "h=1,2"], "--bins h: .* found no such column; the columns are none"),
        (["--variable", "h={h}:1", "--bins", "h=2,1"], "with finite edges that ascend, found 2,1"),
        (["--variable", "h={h}:1", "--bins", "h=1", "--bins", "h=2"], "found h more than once"),
        (["--variable", "h={h}:1", "--variable", "h_bin={h}:2", "--bins", "h=1"],
         "expected further columns with distinct names, found h_bin"),
        (["--variable", "z={flat}", "--bins", "z=quantiles:2"], "found the edge 3 twice"),
        (["--variable", "eco={h}:1", "--descriptor", "eco={my}", "--manifest", "{yaml}"],
         "expected further columns with distinct names, found eco more"),
    ],
)  # fmt: skip
def test_bad_input_is_one_line_and_nothing_is_written(
    arguments, heights, tmp_path, capsys, words, message
):
    (tmp_path / "my.yaml").write_text(MANIFEST)
    places = {
        "h": heights, "cells": tmp_path / "cells.txt", "yaml": tmp_path / "my.yaml",
        "far": write_map(tmp_path / "far.tif", np.ones((9, 9), np.float32), west=90, step=1),
        "flat": write_map(tmp_path / "flat.tif", np.full((9, 18), 3, np.float32)),
        "my": write_map(tmp_path / "my.tif", np.ones((9, 18), np.uint8)),
    }  # fmt: skip
    words = [word.format(**places) for word in words]

    assert run(app, [word for word in arguments if word != "--json"] + words) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: ") and error.count("\n") == 1
    assert re.search(message, error)
    assert not (tmp_path / "a.parquet").exists()


def test_a_wrong_band_or_bin_is_found_before_any_look_up(arguments, heights, monkeypatch, capsys):
    monkeypatch.setattr("minortom.annotation.job.look_up", None)
    for more in (["--variable", f"h={heights}:3"], ["--bins", "h=1"]):
        assert run(app, [word for word in arguments if word != "--json"] + more) == 1
        assert re.match(r"error: .* has no band 3|error: --bins h", capsys.readouterr().err)


def test_the_file_without_these_options_has_no_trace_of_them(arguments, capsys):
    summary, _ = annotated(arguments, capsys)
    schema = pq.read_schema(summary["out"])

    assert set(schema.metadata) == {b"geo", b"minortom"}
    record = json.loads(schema.metadata[b"minortom"])
    assert not {"variables", "variable_mode", "bins"} & set(record["options"])
    assert "derived" not in record
