"""The report: a page without network, its numbers and pictures, and wrong input."""

import json
import re
from html.parser import HTMLParser

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from file_hashes import hashes
from points_files import write_points
from report_inputs import annotated_table, report_of, written

import minortom
from minortom.errors import OutputExistsError
from minortom.grid.cells import cells_at
from minortom.io.provenance import Provenance
from minortom.reporting.comparison import SETS, compare
from minortom.reporting.measures import measure
from minortom.reporting.tables import PAPER
from minortom.sampling.selection import BASELINES
from minortom.sampling.strata import Tiles


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return written(tmp_path_factory.mktemp("input"), annotated_table())


@pytest.fixture(scope="module")
def report(files, tmp_path_factory):
    out = tmp_path_factory.mktemp("out") / "report"
    report_of(*files, out)
    return out


@pytest.fixture(scope="module")
def page(report):
    return (report / "report.html").read_text(encoding="utf-8")


class Links(HTMLParser):
    """Collect what a page would load, and the tags that are not closed."""

    def __init__(self):
        super().__init__()
        self.found, self.open = [], []

    def handle_starttag(self, tag, attributes):
        self.found += [value for name, value in attributes if name in ("src", "href", "action")]
        if tag not in ("meta", "img", "br", "link", "input"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def without_scripts(page):
    return re.sub(r"<script.*?</script>", "", page, flags=re.DOTALL)


def test_the_page_loads_nothing_and_closes_its_tags(page):
    links = Links()
    links.feed(page)

    assert len(links.found) == 3
    assert all(link.startswith("data:image/png;base64,") for link in links.found)
    assert not links.open
    assert not re.search(r"url\(|@import", without_scripts(page))


def test_the_page_forbids_the_browser_to_load_anything(page):
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]+)"', page)
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))

    assert rules["default-src"] == "'none'"
    assert {word for rule in rules.values() for word in rule.split()} <= {
        "'none'", "'unsafe-inline'", "data:", "blob:",
    }  # fmt: skip


def test_metrics_json_has_a_row_a_set_with_the_measures(files, report):
    record = json.loads((report / "metrics.json").read_text(encoding="utf-8"))
    annotated = pq.read_table(files[1])
    selected = pq.read_table(files[0])

    assert [row["set"] for row in record["rows"]] == list(SETS)
    expected = measure(annotated, selected, per_stratum=30).as_dict()
    assert record["rows"][-1] == {"set": "selection", **expected}
    assert record["rows"][0]["tiles"] == len(annotated)
    assert record["minortom"]["command"] == "report"
    assert set(record["minortom"]["inputs"]) == {"annotated", "selection"}


def test_the_draws_have_as_many_tiles_of_each_stratum_as_the_selection(files):
    annotated = pq.read_table(files[1])
    chosen = np.isin(annotated["grid_cell"], pq.read_table(files[0])["grid_cell"])
    found = compare(annotated, Tiles.of_table(annotated), chosen, draws=2)
    codes = found.tiles.strata.codes

    for name in BASELINES:
        assert np.bincount(codes[found.masks[name]]).tolist() == np.bincount(codes[chosen]).tolist()
        assert not np.array_equal(found.masks[name], chosen)


def test_every_baseline_is_the_method_with_the_same_seed_and_kept_tiles(tmp_path):
    table = annotated_table()
    _, annotated = written(tmp_path / "in", table)
    kept = table["grid_cell"].to_pylist()[0:60:2]
    chosen = minortom.sample(
        annotated, method="random", per_stratum=40, keep=kept, seed=9, out=tmp_path / "s.parquet"
    ).out
    rows = report_of(chosen, annotated, tmp_path / "report", draws=1, seed=3).rows
    assert "and the same 30 kept tiles" in (tmp_path / "report" / "report.html").read_text()

    for row in rows[1:-1]:
        same = minortom.sample(
            annotated, method=row["set"], per_stratum=40, keep=kept, seed=3, workers=1
        )
        found = measure(pq.read_table(annotated), same.table, per_stratum=40).as_dict()
        assert {name: row[name] for name in found} == found, row["set"]
        assert set(kept) <= set(same.table["grid_cell"].to_pylist())


def test_the_page_says_why_the_paper_s_distance_within_strata_differs(page):
    assert "from 2,748 km for all tiles to 1,811 km for a random draw" in page
    assert PAPER["Distance within a stratum"][:2] == ("2,748 km", "1,811 km")


def test_the_table_has_the_numbers_of_every_set_and_of_the_paper(page, report):
    rows = json.loads((report / "metrics.json").read_text(encoding="utf-8"))["rows"]
    for row in rows:
        ours = ' class="ours"' if row["set"] == "selection" else ""
        spread = f" ± {row['pairwise_km_sd']:,.0f}" if row["set"] == "random" else ""
        assert f"<td{ours}>{row['pairwise_km']:,.0f}{spread} km" in page
    for figures in PAPER.values():
        for figure in figures:
            assert f'<td class="paper">{figure}</td>' in page
    assert "another archive" in page


def test_strata_that_are_not_full_are_named_with_their_counts(page, files):
    annotated = pq.read_table(files[1])
    tiles = Tiles.of_table(annotated)
    sizes = dict(zip(tiles.strata.names, tiles.strata.sizes.tolist(), strict=True))
    small = {name: size for name, size in sizes.items() if size < 30}

    assert small
    for name, size in small.items():
        assert f"<span>{name}</span><span>{size} / 30 / {size}</span>" in page
    assert page.count(" / 30 / ") == len(small)


def test_text_from_files_is_escaped(tmp_path):
    evil = {10: "<script>alert(1)<", 60: 'x" onload="y'}
    files = written(
        tmp_path / "in", annotated_table(names=evil), licences=("<img src=http://evil.example>",)
    )
    report_of(*files, tmp_path / "report")
    page = (tmp_path / "report" / "report.html").read_text(encoding="utf-8")

    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)" in page
    assert "<img src=http" not in page
    links = Links()
    links.feed(page)
    assert all(link.startswith("data:") for link in links.found)


def test_licences_of_the_inputs_are_shown(page):
    assert "Map of © Someone (CC-BY-4.0)" in page


@pytest.mark.parametrize("on_land", [True, False])
def test_coast_lines_are_credited_where_they_are_drawn(tmp_path, on_land):
    table = annotated_table(40)
    if on_land:  # somewhere in Brazil
        lat_deg, lon_deg = np.linspace(-12, -5, 40), np.linspace(-60, -50, 40)
        table = table.set_column(0, "grid_cell", pa.array(cells_at(lon_deg, lat_deg).names()))
        table = table.set_column(1, "lat", pa.array(lat_deg))
        table = table.set_column(2, "lon", pa.array(lon_deg))
    report_of(*written(tmp_path / "in", table), tmp_path / "report")
    page = (tmp_path / "report" / "report.html").read_text(encoding="utf-8")

    assert ("Natural Earth" in page) == on_land
    assert ("No coast lines" in page) == (not on_land)


def test_the_same_inputs_give_the_same_bytes_and_another_seed_another_draw(files, report, tmp_path):
    report_of(*files, tmp_path / "same")
    report_of(*files, tmp_path / "other", seed=1)
    rows, others = (
        {row["set"]: row for row in json.loads((f / "metrics.json").read_text())["rows"]}
        for f in (report, tmp_path / "other")
    )

    assert hashes(tmp_path / "same") == hashes(report)
    assert rows["random"] != others["random"]
    assert rows["selection"] == others["selection"]


def test_pictures_are_pngs_wide_enough_to_read(report):
    import matplotlib.image

    for name in ("density", "strata", "distances"):
        picture = matplotlib.image.imread(report / f"{name}.png")
        assert picture.shape[1] >= 1200
        assert picture.std() > 0.05  # not blank


def test_a_selection_of_one_tile_is_reported_without_distances(tmp_path):
    files = written(tmp_path / "in", annotated_table(1))
    summary = report_of(*files, tmp_path / "report")

    assert summary.rows[-1]["nn_km"] is None
    text = (tmp_path / "report" / "metrics.json").read_text()
    assert "NaN" not in text
    assert "too few tiles to compare" in (tmp_path / "report" / "report.html").read_text()
    assert not (tmp_path / "report" / "distances.png").exists()


def test_reserves_are_not_measured(files, tmp_path):
    selection = pq.read_table(files[0]).drop_columns(["geometry"])
    roles = np.array(["selected"] * len(selection), object)
    roles[::2] = "reserve"
    selection = selection.set_column(
        selection.column_names.index("role"), "role", pa.array(roles.tolist())
    )
    write_points(selection, tmp_path / "s.parquet", Provenance(command="sample", options={}))
    rows = report_of(tmp_path / "s.parquet", files[1], tmp_path / "report").rows

    assert rows[-1]["tiles"] == (roles == "selected").sum()


# Bad input


def test_an_existing_report_stays_without_overwrite(files, report):
    before = hashes(report)

    with pytest.raises(OutputExistsError, match="--overwrite"):
        report_of(*files, report, seed=5)
    assert hashes(report) == before


def coloured(folder, colours):
    """Write the inputs again, with this text as the colours of the annotated tiles."""
    selection, annotated = written(folder, annotated_table())
    table = pq.read_table(annotated)
    more = {**table.schema.metadata, b"minortom_colours": colours.encode()}
    pq.write_table(table.replace_schema_metadata(more), annotated)
    return selection, annotated


def colours_on_the_page(page):
    boxes = re.findall(r'data-colour="(.*?)".*?</i>(.*?) <small>', page)
    return {name: colour for colour, name in boxes}


def test_the_map_has_the_colours_of_the_legends(tmp_path, page):
    legends = {"landcover": {"tree_cover": "#006400"}, "climate": {"Cfa": "#C8FF50", "Af": "#00f"}}
    report_of(*coloured(tmp_path, json.dumps(legends)), tmp_path / "report")
    changed = (tmp_path / "report" / "report.html").read_text(encoding="utf-8")
    usual = colours_on_the_page(page)
    assert colours_on_the_page(changed) == usual | {"tree cover": "#006400", "Cfa": "#C8FF50"}
    # Land cover is the first colour key: the map begins with its colours.
    assert re.search(r'"palette": \["#[0-9a-f]{6}", "#006400"\]|"palette": \["#006400"', changed)


@pytest.mark.parametrize(
    "text",
    [
        "[1", "[1]", '{"landcover": 3}', '{"landcover": {"tree_cover": "red;}<script>"}}',
        '{"landcover": {"tree_cover": ["#006400"]}}', '{"landcover": [["tree_cover", 7]]}',
    ],
)  # fmt: skip
def test_colours_that_are_none_are_left_out(tmp_path, page, text):
    report_of(*coloured(tmp_path, text), tmp_path / "report")
    changed = (tmp_path / "report" / "report.html").read_text(encoding="utf-8")
    assert colours_on_the_page(changed) == colours_on_the_page(page)
