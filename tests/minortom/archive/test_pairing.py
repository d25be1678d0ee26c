"""Whole archives paired: compared with a slow implementation, and sums of cells."""

from collections import Counter
from datetime import UTC, date, datetime

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from archive_maker import S1_BYTES, S2_BYTES, open_pair, write_archive
from pairing_twin import days_apart, paired, place_of, time_of

from minortom.archive.archive import Archive
from minortom.archive.pair_rules import PairRules
from minortom.archive.pairing import find_pairs, pair_archives
from minortom.errors import ArchiveError

CELLS = ["1U_1R", "502U_1415R", "502U_1415L", "3D_4L", "700D_0R", "0U_0R"]
TIMES = [None, "", "yesterday", "20200101T000000", "20200102T120000", "20200110T000000"]
KINDS = {
    "grid_cell": pa.string(), "product_id": pa.string(), "timestamp": pa.string(),
    "nodata": pa.float64(), "crs": pa.string(), "parquet_url": pa.string(),
    "parquet_row": pa.int64(), "cloud_cover": pa.float64(),
}  # fmt: skip


def random_rows(rng, count):
    """Rows of few cells with many ties, unknown values and rows that are there twice."""
    pick = lambda values: values[rng.integers(len(values))]  # noqa: E731
    rows = [
        {
            "grid_cell": pick(CELLS), "product_id": pick([None, "a", "b", "é"]),
            "timestamp": pick(TIMES), "nodata": pick([None, float("nan"), 0.0, 0.25, 0.5]),
            "crs": pick([None, "", "EPSG:32631", "EPSG:32632"]),
            "cloud_cover": pick([None, float("nan"), 0.0, 30.0, 90.0]),
            "parquet_url": f"https://h/images/part_{rng.integers(1, 3):05d}.parquet",
            "parquet_row": int(rng.integers(3)),
        }
        for _ in range(count)
    ]  # fmt: skip
    return rows + rows[: count // 10]


def random_rules(rng):
    maybe = lambda *values: values[rng.integers(len(values))]  # noqa: E731
    looks = {
        "since": maybe(None, date(2020, 1, 2), datetime(2020, 1, 2, 12, tzinfo=UTC)),
        "until": maybe(None, date(2020, 1, 2), datetime(2020, 1, 10, tzinfo=UTC)),
        "max_cloud": maybe(None, 0, 30.0), "max_nodata": maybe(None, 25, 0),
        "max_dt_days": maybe(None, 1.5, 0), "same_crs": maybe(False, True),
    }  # fmt: skip
    return PairRules(**looks, require_known=any(looks.values()) and maybe(False, True))


def archive_of(folder, rows, sensor):
    (folder / "images").mkdir(parents=True)
    schema = pa.schema(KINDS)
    if sensor == "s1":
        schema = schema.remove(schema.get_field_index("cloud_cover"))
    pq.write_table(pa.Table.from_pylist(rows, schema), folder / "metadata.parquet")
    return Archive.open(folder, sensor)


@pytest.mark.parametrize("seed", range(40))
def test_every_cell_gets_what_the_slow_twin_gives_it(tmp_path, seed):
    rng = np.random.default_rng(seed)
    s2_rows, s1_rows = random_rows(rng, 25), random_rows(rng, 25)
    rules = random_rules(rng)
    result = pair_archives(
        archive_of(tmp_path / "s2", s2_rows, "s2"),
        archive_of(tmp_path / "s1", s1_rows, "s1"),
        rules,
    )
    found, removed = paired(s2_rows, s1_rows, rules)
    rows = {row["grid_cell"]: row for row in result.table.to_pylist()}
    assert {cell: expected_row(cell, *both) for cell, both in found.items()} == rows
    assert {name: count for name, count in result.removed.items() if count} == Counter(
        removed.values()
    )
    assert result.cells_in == sum(result.removed.values()) + len(result.table)
    assert result.repeated == {
        name: len(some) - len({row["grid_cell"].replace("1415R", "1415L") for row in some})
        for name, some in (("s2", s2_rows), ("s1", s1_rows))
    }
    for column, count in result.unknown.items():
        assert count == sum(row[column] is None for row in rows.values())


def expected_row(cell, a, b):
    unknown = lambda value: None if value is None or value != value else value  # noqa: E731
    return {
        "grid_cell": cell, "s2_product_id": a["product_id"], "s1_product_id": b["product_id"],
        "s2_timestamp": time_of(a["timestamp"]), "s1_timestamp": time_of(b["timestamp"]),
        "dt_days": days_apart(a, b), "s2_crs": a["crs"] or None, "s1_crs": b["crs"] or None,
        "s2_cloud_cover": unknown(a["cloud_cover"]), "s2_nodata": unknown(a["nodata"]),
        "s1_nodata": unknown(b["nodata"]), "s2_part": place_of(a)[0], "s2_row": place_of(a)[1],
        "s1_part": place_of(b)[0], "s1_row": place_of(b)[1],
    }  # fmt: skip


def both(tmp_path, s2_rows, s1_rows, rules=None, **more):
    return pair_archives(*open_pair(tmp_path, s2_rows, s1_rows), rules or PairRules(), **more)


def test_cells_come_by_grid_row_then_column(tmp_path):
    cells = ["1U_1R", "2D_9R", "10U_0R", "1U_11R", "1U_2L", "0U_3R"]
    rows = [{"grid_cell": cell} for cell in cells]
    found = both(tmp_path, rows, rows).table["grid_cell"].to_pylist()
    assert found == ["2D_9R", "0U_3R", "1U_2L", "1U_1R", "1U_11R", "10U_0R"]


def test_a_cell_is_removed_by_the_rule_at_which_its_last_row_falls(tmp_path):
    rows = [{"cloud_cover": 90.0}, {"cloud_cover": 10.0, "nodata": 0.9}]
    result = both(tmp_path, rows, [{}], PairRules(max_cloud=50, max_nodata=50))
    assert result.removed == {"max_cloud": 0, "max_nodata_s2": 1, "without_s1": 0,
                              "max_nodata_s1": 0}  # fmt: skip


def test_a_cloudy_row_that_would_have_come_first_gives_way_to_one_that_keeps_the_rule(tmp_path):
    rows = [{"product_id": "cloudy", "nodata": 0.0, "cloud_cover": 90.0},
            {"product_id": "clear", "nodata": 0.4, "cloud_cover": 1.0}]  # fmt: skip
    result = both(tmp_path, rows, [{}], PairRules(max_cloud=50))
    assert result.table["s2_product_id"].to_pylist() == ["clear"]


@pytest.mark.parametrize(
    ("rules", "tiles"),
    [
        ({"since": date(2020, 1, 10)}, 1),
        ({"since": date(2020, 1, 11)}, 0),
        ({"since": date.min, "until": date.max, "max_dt_days": 1e300}, 1),
        ({"until": date(2020, 1, 10)}, 1),
        ({"until": date(2020, 1, 9)}, 0),
        ({"until": datetime(2020, 1, 10, 23, 59, 58, tzinfo=UTC)}, 0),
        ({"until": datetime(2020, 1, 10, 23, 59, 59, tzinfo=UTC)}, 1),
        ({"max_cloud": 30}, 1),
        ({"max_cloud": 29.999}, 0),
        ({"max_nodata": 25}, 1),
        ({"max_nodata": 24.9}, 0),
        ({"max_dt_days": 2}, 1),
        ({"max_dt_days": 1.9999}, 0),
        ({"same_crs": True}, 0),
    ],
)
def test_limits_belong_to_what_is_kept(tmp_path, rules, tiles):
    a = {"timestamp": "20200110T235959", "cloud_cover": 30.0, "nodata": 0.25}
    b = {"timestamp": "20200108T235959", "nodata": 0.25, "crs": "EPSG:32632"}
    assert len(both(tmp_path, [a], [b], PairRules(**rules)).table) == tiles


UNKNOWN = {"timestamp": "TerraMesh", "cloud_cover": float("nan"), "nodata": None, "crs": ""}


@pytest.mark.parametrize(
    "rule", [{"since": date(2020, 1, 1)}, {"max_cloud": 5}, {"max_nodata": 0.0},
             {"max_dt_days": 1}, {"same_crs": True}],
)  # fmt: skip
def test_what_is_unknown_breaks_a_rule_only_when_it_has_to_be_known(tmp_path, rule):
    s1 = {name: value for name, value in UNKNOWN.items() if name != "cloud_cover"}
    s2, s1 = open_pair(tmp_path, [UNKNOWN], [s1])
    kept = pair_archives(s2, s1, PairRules(**rule))
    assert set(kept.unknown.values()) == {1}
    strict = pair_archives(s2, s1, PairRules(**rule, require_known=True))
    assert len(strict.table) == 0
    assert sum(n for name, n in strict.removed.items() if name.startswith("require_known")) == 1


def test_places_act_first_and_count_what_they_remove(tmp_path):
    rows = [{"grid_cell": f"{n}U_{n}R", "cloud_cover": 99.0 if n == 1 else 0.0} for n in range(9)]
    north = ("north", lambda cells: cells.row >= 3)
    even = ("even", lambda cells: cells.col % 2 == 0)
    result = both(tmp_path, rows, rows[:7], PairRules(max_cloud=50), places=[north, even])
    assert result.removed == {"north": 3, "even": 3, "max_cloud": 0, "without_s1": 1}
    assert result.table["grid_cell"].to_pylist() == ["4U_4R", "6U_6R"]
    assert result.cells_in == 9


def test_no_cell_left_is_an_empty_table_of_the_same_columns(tmp_path):
    nowhere = ("bbox", lambda cells: np.zeros(len(cells), bool))
    result = both(tmp_path, [{}], [{}], places=[nowhere])
    assert (len(result.table), result.removed) == (0, {"bbox": 1, "without_s1": 0})
    whole = both(tmp_path / "again", [{}], [{}]).table
    assert result.table.schema == whole.schema


@pytest.mark.parametrize("name", ["0D_1R", "01U_1R", "1U_1R ", "1U", "2004U_0R", "1U_2005R", ""])
def test_another_name_than_of_a_cell_is_one_line(tmp_path, name):
    rows = [{"grid_cell": "1U_1R"}, {"grid_cell": name}]
    with pytest.raises(ArchiveError, match=f"expected cells .*/s2, found 1 rows .*'{name}'"):
        both(tmp_path, rows, [{}])


def test_the_choice_is_the_same_for_a_list_of_cells(tmp_path):
    rng = np.random.default_rng(0)
    s2 = archive_of(tmp_path / "s2", random_rows(rng, 40), "s2")
    s1 = archive_of(tmp_path / "s1", random_rows(rng, 40), "s1")
    whole = pair_archives(s2, s1, PairRules())
    listed = find_pairs(s2, s1, ["700D_0R", "1U_1R", "502U_1415L", "0U_0R", "3D_4L"])
    assert listed.table.equals(whole.table)


def test_a_folder_may_be_called_anything(tmp_path):
    result = both(tmp_path / "it's [a] *? folder", [{}], [{}])
    assert len(result.table) == 1


def test_numbers_and_text_of_other_widths_serve_as_well(tmp_path):
    s2, s1 = (
        write_archive(tmp_path / name, [{"grid_cell": "1U_1R", "bands": images}])
        for name, images in (("s2", S2_BYTES), ("s1", S1_BYTES))
    )
    narrow = {"nodata": pa.float32(), "parquet_row": pa.int16(), "product_id": pa.large_string(),
              "crs": pa.dictionary(pa.int8(), pa.string()), "timestamp": pa.null()}  # fmt: skip
    for folder in (s2, s1):
        table = pq.read_table(folder / "metadata.parquet").to_pydict()
        columns = {name: pa.array(values, narrow.get(name)) for name, values in table.items()}
        pq.write_table(pa.table(columns), folder / "metadata.parquet")
    result = pair_archives(Archive.open(s2, "s2"), Archive.open(s1, "s1"), PairRules())
    assert result.table.schema.field("s2_row").type == pa.int64()
    assert result.table["s2_timestamp"].to_pylist() == [None]


def test_the_real_archive_is_seven_cells_of_which_five_are_paired(real_data):
    sample = real_data / "majortom-sample"
    result = pair_archives(
        Archive.open(sample / "Core-S2L2A", "s2"), Archive.open(sample / "Core-S1RTC", "s1"),
        PairRules(max_cloud=100, max_nodata=100, max_dt_days=7, same_crs=True),
    )  # fmt: skip
    assert (result.cells_in, len(result.table), result.removed["without_s1"]) == (7, 5, 2)
    assert result.repeated == {"s2": 0, "s1": 0}
    unknown = {name: count for name, count in result.unknown.items() if count}
    assert unknown == {"s2_timestamp": 5, "s1_timestamp": 5, "s2_cloud_cover": 5}


def test_too_little_space_is_one_line_that_says_where(tmp_path, monkeypatch):
    monkeypatch.setattr("minortom.io.database.MEMORY_LIMIT", "1MB")
    rows = [{"grid_cell": f"{n}U_0R"} for n in range(1000)]
    with pytest.raises(ArchiveError, match=r"no space to pair .*/s2 and .*/s1 .*TMPDIR"):
        both(tmp_path, rows, rows[:1])
