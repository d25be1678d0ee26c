"""Reports of selections over place and columns: coverage in the space and in its parts."""

import json

import numpy as np
import pyarrow.parquet as pq
import pytest
from points import distances_km
from points_files import write_points
from report_inputs import annotated_table, report_of
from spread_tables import with_columns

import minortom
from minortom.errors import InputError
from minortom.io.provenance import Provenance
from minortom.reporting.comparison import SETS
from minortom.sampling.strata import Tiles

OVER = "place*2,temperature,log:precipitation"
PARTS = {
    "place × temperature × log:precipitation": "spread", "place": "km", "temperature": "spread",
    "log:precipitation": "spread", "temperature × log:precipitation": "spread",
}  # fmt: skip


@pytest.fixture(scope="module")
def table():
    return with_columns(annotated_table(300))


@pytest.fixture(scope="module")
def folder(table, tmp_path_factory):
    folder = tmp_path_factory.mktemp("spread")
    made_by = Provenance(command="annotate", options={})
    write_points(table, folder / "annotated.parquet", made_by)
    minortom.sample(
        folder / "annotated.parquet", per_stratum=20, method="k-means", spread_over=OVER,
        out=folder / "selection.parquet",
    )  # fmt: skip
    return folder


@pytest.fixture(scope="module")
def report(folder):
    result = report_of(
        folder / "selection.parquet", folder / "annotated.parquet", folder / "report", draws=3
    )
    return result, json.loads((folder / "report" / "metrics.json").read_text())["spread_over"]


def slow_covers(annotated, cells):
    """Return part -> mean cover by its definition, over strata with more than 20 tiles."""
    lon, lat = (annotated[name].to_numpy() for name in ("lon", "lat"))
    tiles = Tiles.of_table(annotated)
    is_chosen = np.isin(annotated["grid_cell"], cells)
    columns = np.stack(
        [annotated["temperature"].to_numpy(), np.log(annotated["precipitation"].to_numpy())], axis=1
    )
    found = {part: [] for part in PARTS}
    for s in np.flatnonzero(tiles.strata.sizes > 20):
        rows = tiles.strata.rows(s)
        arcs, points = distances_km(lon[rows], lat[rows]), tiles.points[rows]
        here = (columns[rows] - columns[rows].mean(axis=0)) / columns[rows].std(axis=0)
        apart2 = (here[:, None] - here[None]) ** 2
        chords2 = ((points[:, None] - points[None]) ** 2).sum(axis=2) / points.var(axis=0).sum()
        distances = (
            np.sqrt(4 * chords2 + apart2.sum(axis=2)), arcs, np.sqrt(apart2[..., 0]),
            np.sqrt(apart2[..., 1]), np.sqrt(apart2.sum(axis=2)),
        )  # fmt: skip
        for part, of_part in zip(PARTS, distances, strict=True):
            found[part].append(of_part[:, is_chosen[rows]].min(axis=1).mean())
    return {part: np.mean(values) for part, values in found.items()}


def values_of(rows, name):
    return {row["part"]: row["value"] for row in rows if row["set"] == name}


def test_the_cover_of_each_part_is_its_definition_written_out(report, folder):
    _, rows = report
    tables = {
        name: minortom.sample(
            folder / "annotated.parquet", per_stratum=20, method=name, **more
        ).table
        for name, more in (("k-means", {}), ("grts", {}))
    }
    tables["selection"] = minortom.sample(
        folder / "annotated.parquet", per_stratum=20, method="k-means", spread_over=OVER
    ).table

    annotated = pq.read_table(folder / "annotated.parquet")
    for name, selected in tables.items():
        expected = slow_covers(annotated, selected["grid_cell"])
        assert values_of(rows, name) == pytest.approx(expected, rel=1e-6)


def test_each_set_has_a_row_a_part_with_its_unit_and_interval(report):
    result, rows = report

    assert [dict(row) for row in result.spread_over] == rows
    assert list(dict.fromkeys(row["set"] for row in rows)) == list(SETS[1:])
    for name in SETS[1:]:
        assert {row["part"]: row["unit"] for row in rows if row["set"] == name} == PARTS
    ours = {row["part"]: row for row in rows if row["set"] == "selection"}
    assert ours["temperature × log:precipitation"]["high"] < 0
    assert values_of(rows, "selection")["place"] > values_of(rows, "k-means")["place"]


def test_the_page_shows_the_parts(report):
    result, _ = report
    page = result.report.read_text()

    assert "Coverage in the space of the selection" in page
    assert f"in the space of {next(iter(PARTS))}." in page
    for heading in ("all parts", "place", "temperature", "log:precipitation", "all columns"):
        assert page.count(f"<th>{heading}<br>") == 1
    assert "<small>km; less is better</small>" in page


def test_a_selection_over_the_ground_has_no_such_part(folder, tmp_path):
    minortom.sample(
        folder / "annotated.parquet", per_stratum=20, method="random", out=tmp_path / "s.parquet"
    )
    result = report_of(
        tmp_path / "s.parquet", folder / "annotated.parquet", tmp_path / "r", draws=1
    )

    assert result.spread_over == ()
    assert "spread_over" not in json.loads((tmp_path / "r" / "metrics.json").read_text())
    assert "Coverage in the space" not in result.report.read_text()


def test_annotated_tiles_without_the_columns_are_refused(table, folder, tmp_path):
    made_by = Provenance(command="annotate", options={})
    write_points(table.drop_columns(["temperature"]), tmp_path / "a.parquet", made_by)

    with pytest.raises(InputError, match="must have the column temperature"):
        report_of(folder / "selection.parquet", tmp_path / "a.parquet", tmp_path / "r", draws=1)
    assert not (tmp_path / "r").exists()
