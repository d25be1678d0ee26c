"""Held-out rasters in a report: the option, the rows, the page, and bad input."""

import json

import numpy as np
import points
import pyarrow.parquet as pq
import pytest
from map_maker import write_map
from points_files import write_points
from report_inputs import annotated_table, report_of, written

import minortom
from minortom.errors import InputError
from minortom.io.provenance import Provenance, sha256_of
from minortom.maps.continuous import ContinuousRaster
from minortom.reporting.comparison import SETS
from minortom.reporting.held_out import HeldOutVariables, figures, mean_over_draws
from minortom.reporting.held_out_rasters import parse_held_out
from minortom.sampling.strata import Tiles


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return written(tmp_path_factory.mktemp("input"), annotated_table())


@pytest.fixture(scope="module")
def rasters(tmp_path_factory):
    """Return two bands that vary from pole to pole, with a hole in the north, and classes."""
    folder = tmp_path_factory.mktemp("rasters")
    rows, columns = np.mgrid[0:180, 0:360].astype(np.float32)
    values = np.stack([rows, np.hypot(rows, columns)])
    values[:, :30] = -1  # north of 60° N
    koppen = np.where(columns < 180, 4, 14).astype(np.uint8)
    return (
        write_map(folder / "two.tif", values, nodata=-1),
        write_map(folder / "koppen.tif", koppen),
    )


@pytest.fixture(scope="module")
def report(files, rasters, tmp_path_factory):
    out = tmp_path_factory.mktemp("out") / "report"
    two, koppen = rasters
    result = report_of(
        *files, out, draws=3, seed=1, held_out_legend="zone=koppen",
        held_out=[f"row={two}:1", f"zone={koppen}", f"far={two}:2"],
    )  # fmt: skip
    return result, json.loads((out / "metrics.json").read_text())


def test_each_set_has_a_row_a_measure_and_continuous_rasters_are_measured_together(report):
    result, record = report
    rows = record["held_out"]

    assert [dict(row) for row in result.held_out] == rows
    assert [row["set"] for row in rows[::3][:5]] == list(SETS[1:])
    assert {(tuple(row["rasters"]), row["measure"]) for row in rows} == {
        (("row", "far"), "nn_error"), (("row", "far"), "environment_cover"),
        (("row", "far"), "distortion"), (("zone",), "accuracy"), (("zone",), "share_difference"),
    }  # fmt: skip
    for row in rows:
        assert (row["difference"] is None) == (row["set"] == "random")
        if row["set"] != "random":
            assert row["low"] < row["difference"] < row["high"]


def test_the_figures_are_those_of_the_measure_on_the_pixels_of_the_tiles(report, files):
    _, record = report
    annotated = pq.read_table(files[1])
    tiles = Tiles.of_table(annotated)
    lon, lat = (annotated[name].to_numpy() for name in ("lon", "lat"))
    rows, columns = np.floor(90 - lat), np.floor(lon + 180)
    values = np.stack([rows, np.hypot(rows, columns).astype(np.float32)], axis=1)
    values[rows < 30] = np.nan
    data = HeldOutVariables.of(tiles, values, np.full(len(tiles.strata), 30))

    def mask(method, seed):
        table = minortom.sample(files[1], per_stratum=30, method=method, seed=seed).table
        return np.isin(annotated["grid_cell"], table["grid_cell"])

    draws = [data.scores(mask("random", seed)) for seed in (1, 2, 3)]
    of_set = {"random": figures(mean_over_draws(draws), [])}
    of_set["grts"] = figures(data.scores(mask("grts", 1)), draws)
    of_set["selection"] = figures(data.scores(mask("random", 7)), draws)
    for name, expected in of_set.items():
        found = [
            row for row in record["held_out"] if row["set"] == name and "row" in row["rasters"]
        ]
        for row, figure in zip(found, expected, strict=True):
            assert {key: row[key] for key in figure.as_dict()} == pytest.approx(figure.as_dict())


def test_tiles_in_holes_are_left_out_and_counted(report, files):
    result, record = report
    annotated = pq.read_table(files[1])
    tiles = Tiles.of_table(annotated)
    large = (tiles.strata.sizes > 30)[tiles.strata.codes]
    in_hole = large & (annotated["lat"].to_numpy() > 60)
    page = result.report.read_text()

    assert in_hole.sum() > 5
    assert record["held_out_data"][0] == {
        "rasters": ["row", "far"], "strata": record["held_out_data"][1]["strata"],
        "tiles": int(large.sum() - in_hole.sum()), "tiles_without_value": int(in_hole.sum()),
        "strata_without_value": 0,
    }  # fmt: skip
    assert f"{in_hole.sum()} tiles without a value were left out" in page
    assert page.count('<table class="held-out">') == 2
    assert "95 % confidence interval" in page


def test_the_provenance_has_the_rasters_and_the_report_is_up_to_date(report, files, rasters):
    result, record = report
    two, koppen = rasters
    made = record["minortom"]
    again = report_of(
        *files, result.out, draws=3, seed=1, held_out_legend=["zone=koppen"],
        held_out=[f"row={two}:1", f"zone={koppen}", f"far={two}:2"],
    )  # fmt: skip

    assert again.status == "up to date" and again.held_out == result.held_out
    assert made["options"]["held_out"] == {
        "row": {"band": 1, "legend": None}, "zone": {"band": None, "legend": "koppen"},
        "far": {"band": 2, "legend": None},
    }  # fmt: skip
    assert {"held_out row", "held_out zone", "held_out far"} <= set(made["inputs"])
    assert any("Köppen" in line or "Koppen" in line for line in made["licences"])


def test_a_hole_over_a_whole_stratum_leaves_it_out(files, tmp_path):
    annotated = pq.read_table(files[1])
    tiles = Tiles.of_table(annotated)
    stratum = int(np.argmin(np.where(tiles.strata.sizes > 30, tiles.strata.sizes, 10**6)))
    rows = tiles.strata.rows(stratum)
    lon, lat = (annotated[name].to_numpy() for name in ("lon", "lat"))
    values = np.random.default_rng(0).normal(size=(1800, 3600)).astype(np.float32)
    values[(10 * (90 - lat[rows])).astype(int), (10 * (lon[rows] + 180)).astype(int)] = np.nan
    path = write_map(tmp_path / "noise.tif", values)
    report_of(*files, tmp_path / "report", draws=2, held_out=f"noise={path}")
    record = json.loads((tmp_path / "report" / "metrics.json").read_text())

    assert record["held_out_data"][0]["strata_without_value"] == 1
    assert record["held_out_data"][0]["tiles_without_value"] >= len(rows)
    assert {row["strata"] for row in record["held_out"]} == {record["held_out_data"][0]["strata"]}
    assert "and with them 1 whole strata" in (tmp_path / "report" / "report.html").read_text()


@pytest.mark.parametrize(
    ("texts", "legends", "message"),
    [
        (["two.tif"], [], r"expected --held-out NAME=RASTER or NAME=RASTER:BAND, found 'two.tif'"),
        (["a={two}:1", "a={two}:2"], [], "each name once, found 'a' twice"),
        (
            ["a={two}:1"],
            ["b=koppen"],
            "--held-out-legend b=koppen has no raster; give --held-out b",
        ),
        (["a={koppen}"], ["a=koppen", "a=igbp"], "found 'a' twice"),
        (["a={koppen}:1"], ["a=koppen"], "a raster of classes has one band, found the band 1"),
        (["a=none.tif"], [], r"--held-out a: expected a raster file, found no file none\.tif"),
        (["a={two}:7"], [], "has no band 7; its bands are 1, 2"),
        (["a={two}"], [], "expected one band of .*, found 2"),
        (["a={koppen}"], ["a=nonsense"], "expected the name of a legend"),
        (["a={koppen}"], ["a=igbp"], None),
        (["a={bare}"], [], "has no coordinate system"),
        (["a={empty}"], [], "expected a value at some tile of a stratum"),
    ],
)
def test_bad_input_is_an_error_of_one_line(files, rasters, tmp_path, texts, legends, message):
    places = {
        "two": rasters[0], "koppen": rasters[1],
        "bare": write_map(tmp_path / "bare.tif", np.ones((2, 4), np.float32), crs=None),
        "empty": write_map(tmp_path / "empty.tif", np.full((2, 4), -1, np.int16), nodata=-1),
    }  # fmt: skip
    held_out = [text.format(**places) for text in texts]
    if message is None:  # codes that a legend has by chance are classes of that legend
        report_of(*files, tmp_path / "r", draws=1, held_out=held_out, held_out_legend=legends)
        return
    with pytest.raises(InputError, match=message) as raised:
        report_of(*files, tmp_path / "r", draws=1, held_out=held_out, held_out_legend=legends)
    assert "\n" not in str(raised.value)
    assert not (tmp_path / "r").exists()


def test_a_selection_without_a_choice_cannot_be_measured(rasters, tmp_path):
    files = written(tmp_path / "in", annotated_table(40), per_stratum=100)

    with pytest.raises(InputError, match="needs a stratum with more tiles than requested"):
        report_of(*files, tmp_path / "r", draws=1, held_out=f"a={rasters[0]}:1")


def test_a_file_may_have_a_colon_in_its_name(tmp_path):
    plain = write_map(tmp_path / "a.tif", np.ones((2, 4), np.float32))
    odd = tmp_path / "a.tif:1"
    odd.write_bytes(plain.read_bytes())
    with_colon, with_band = parse_held_out([f"x={odd}", f"y={plain}:2"], [])

    assert with_colon.raster == ContinuousRaster(path=odd)
    assert with_band.raster == ContinuousRaster(path=plain, band=2)


def test_clusters_predict_the_real_climate_better_than_random_draws(real_data, tmp_path):
    lon, lat = (x.ravel() for x in np.meshgrid(np.arange(5, 35, 0.5), np.arange(42, 60, 0.4)))
    strata = [
        f"A{int(x // 5)}/{'north' if y > 50 else 'south'}" for x, y in zip(lon, lat, strict=True)
    ]
    table = points.annotated_table(lon, lat, strata)
    write_points(table, tmp_path / "a.parquet", Provenance(command="annotate", options={}))
    selection = minortom.sample(
        tmp_path / "a.parquet", per_stratum=15, method="k-means", seed=2, out=tmp_path / "s.parquet"
    ).out
    climate = real_data / "descriptors" / "era5_climatology_0p25.tif"
    rows = report_of(
        selection, tmp_path / "a.parquet", tmp_path / "report", draws=5,
        held_out=[f"temperature={climate}:1", f"rain={climate}:4"],
    ).held_out  # fmt: skip
    ours = {row["measure"]: row for row in rows if row["set"] == "selection"}

    assert ours["nn_error"]["high"] < 0 and ours["environment_cover"]["high"] < 0
    assert 0.1 < ours["nn_error"]["value"] < 0.6
    assert ours["nn_error"]["strata"] == 12


def test_a_legend_may_come_from_a_file(files, rasters, tmp_path):
    legend = tmp_path / "zones.yaml"
    legend.write_text("name: zones\nnodata: [0]\nclasses: {4: west, 14: east}\n")
    report_of(
        *files, tmp_path / "report", draws=1,
        held_out=f"zone={rasters[1]}", held_out_legend=f"zone={legend}",
    )  # fmt: skip
    made = json.loads((tmp_path / "report" / "metrics.json").read_text())["minortom"]

    assert made["options"]["held_out"] == {"zone": {"band": None, "legend": "zones"}}
    assert made["inputs"]["held_out_legend zone"] == sha256_of(legend)
