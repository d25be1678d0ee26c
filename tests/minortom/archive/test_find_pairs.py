"""The rows that are selected for a cell: among repeated rows, and with published names."""

from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from archive_maker import S2_BYTES, open_pair

from minortom.archive.archive import Archive
from minortom.archive.pairing import find_pairs
from minortom.errors import ArchiveError, InputError


def chosen(folder, s2_rows, s1_rows):
    [row] = find_pairs(*open_pair(folder, s2_rows, s1_rows), ["1U_1R"]).table.to_pylist()
    return row


def product(name, **more):
    return {"product_id": name, **more}


@pytest.mark.parametrize(
    ("best", "others"),
    [
        ({"nodata": 0.0, "cloud_cover": 90.0}, [{"nodata": 0.1, "cloud_cover": 0.0}]),
        ({"nodata": 0.5}, [{"nodata": None}]),
        ({"cloud_cover": 1.0}, [{"cloud_cover": 2.0}, {"cloud_cover": None}]),
        ({"timestamp": "20220101T000000"}, [{"timestamp": "20210101T000000"},
                                            {"timestamp": None}, {"timestamp": "yesterday"}]),
        ({}, [{"product_id": "b"}, {"product_id": "c"}]),
    ],
)  # fmt: skip
@pytest.mark.parametrize("reverse", [False, True])
def test_of_repeated_optical_rows_the_best_is_chosen(tmp_path, best, others, reverse):
    rows = [{"product_id": "a", **best}, *({"product_id": "z", **row} for row in others)]
    found = chosen(tmp_path, rows[::-1] if reverse else rows, [product("s1")])
    assert found["s2_product_id"] == "a"


@pytest.mark.parametrize(
    ("best", "others"),
    [
        ({"nodata": 0.0, "timestamp": None}, [{"nodata": 0.1, "timestamp": "20200110T000000"}]),
        ({"timestamp": "20200108T000000"}, [{"timestamp": "20200113T000000"}, {"timestamp": None}]),
        ({"timestamp": "20200113T000000"}, [{"timestamp": "20200101T000000"}]),
        ({}, [{"product_id": "b"}, {"product_id": "c"}]),
    ],
)
@pytest.mark.parametrize("reverse", [False, True])
def test_of_repeated_radar_rows_the_closest_in_time_is_chosen(tmp_path, best, others, reverse):
    rows = [{"product_id": "a", **best}, *({"product_id": "z", **row} for row in others)]
    s2 = [product("s2", timestamp="20200110T000000")]
    assert chosen(tmp_path, s2, rows[::-1] if reverse else rows)["s1_product_id"] == "a"


def test_a_row_that_is_there_twice_is_one_tile(tmp_path):
    found = chosen(tmp_path, [product("a")] * 3, [product("b")] * 3)
    assert (found["s2_part"], found["s2_row"]) == ("part_00001.parquet", 0)
    assert (found["s1_part"], found["s1_row"]) == ("part_00001.parquet", 0)


def test_timestamps_are_utc_and_their_difference_is_radar_minus_optical(tmp_path):
    found = chosen(
        tmp_path, [product("a", timestamp="20200110T120000")],
        [product("b", timestamp="20200109T060000")],
    )  # fmt: skip
    assert found["s2_timestamp"] == datetime(2020, 1, 10, 12, tzinfo=UTC)
    assert found["s1_timestamp"] == datetime(2020, 1, 9, 6, tzinfo=UTC)
    assert found["dt_days"] == -1.25


@pytest.mark.parametrize("text", [None, "", "2020", "20201301T000000", "TerraMesh"])
def test_a_timestamp_that_cannot_be_read_is_unknown(tmp_path, text):
    found = chosen(
        tmp_path, [product("a", timestamp=text)], [product("b", timestamp="20200109T060000")]
    )
    assert found["s2_timestamp"] is None
    assert found["dt_days"] is None


def test_the_place_of_a_row_comes_from_its_url_and_row(tmp_path):
    others = [product(f"{n}", grid_cell=f"{n}U_0R") for n in range(2, 7)]
    s2, s1 = open_pair(tmp_path, [*others, product("a")], [product("b")])
    [row] = find_pairs(s2, s1, ["1U_1R"]).table.to_pylist()
    assert (row["s2_part"], row["s2_row"]) == ("part_00003.parquet", 1)


def test_pairs_come_by_cell_and_the_others_are_named(tmp_path):
    s2 = [product("a", grid_cell=cell) for cell in ("3U_3R", "2U_2R", "1U_1R", "9U_9R")]
    s1 = [product("b", grid_cell=cell) for cell in ("3U_3R", "1U_1R", "8U_8R")]
    pairs = find_pairs(*open_pair(tmp_path, s2, s1), ["3U_3R", "1U_1R", "2U_2R", "8U_8R", "7U_7R"])
    assert pairs.table["grid_cell"].to_pylist() == ["1U_1R", "3U_3R"]
    assert pairs.without_s2 == ("8U_8R", "7U_7R")
    assert pairs.without_s1 == ("2U_2R",)


def test_a_cell_at_the_antimeridian_is_found_under_its_published_name(tmp_path):
    # Row 502 has an even number of columns, 2830; the archive says 1415R for 1415L.
    s2, s1 = open_pair(
        tmp_path, [product("a", grid_cell="502U_1415R")], [product("b", grid_cell="502U_1415L")]
    )
    [row] = find_pairs(s2, s1, ["502U_1415L"]).table.to_pylist()
    assert row["grid_cell"] == "502U_1415L"
    assert s2.read_tile(row["s2_part"], 0, cell=row["grid_cell"], product_id="a") == S2_BYTES


def test_an_archive_without_any_of_the_cells_is_an_error(tmp_path):
    pair = open_pair(tmp_path, [product("a")], [product("b", grid_cell="2U_2R")])
    with pytest.raises(ArchiveError, match=r"found none of 2 \(1 in .*s2\)"):
        find_pairs(*pair, ["1U_1R", "2U_2R"])


def test_another_name_than_of_a_cell_is_named(tmp_path):
    with pytest.raises(InputError, match="'1X_1R'"):
        find_pairs(*open_pair(tmp_path, [{}], [{}]), ["1X_1R"])


@pytest.mark.parametrize("column", ["parquet_url", "parquet_row"])
def test_a_row_that_does_not_say_where_its_images_lie_is_passed_over(tmp_path, column):
    nowhere = product("a", nodata=0.0, **{column: None})
    assert chosen(tmp_path, [nowhere, product("b", nodata=0.5)], [{}])["s2_product_id"] == "b"


def test_metadata_that_break_off_are_an_error(tmp_path):
    s2, s1 = open_pair(tmp_path, [{}], [{}])
    chunk = pq.read_metadata(s2.metadata_path).row_group(0).column(0)
    data = bytearray(s2.metadata_path.read_bytes())
    data[4 : chunk.data_page_offset + chunk.total_compressed_size] = bytes(
        chunk.data_page_offset + chunk.total_compressed_size - 4
    )
    s2.metadata_path.write_bytes(data)
    with pytest.raises(ArchiveError, match="the metadata of .* cannot be read"):
        find_pairs(s2, s1, ["1U_1R"])


def test_the_real_archive_pairs_its_five_windows_and_names_its_two_tiles(real_data):
    sample = real_data / "majortom-sample"
    s2 = Archive.open(sample / "Core-S2L2A", "s2")
    s1 = Archive.open(sample / "Core-S1RTC", "s1")
    cells = pq.read_table(s2.metadata_path)["grid_cell"].to_pylist()
    pairs = find_pairs(s2, s1, cells)
    assert pairs.without_s1 == ("0U_199R", "199U_1099R")
    assert pairs.without_s2 == ()
    assert pairs.table["grid_cell"].to_pylist() == [
        "433D_629L", "282D_485L", "38D_378R", "609U_541L", "637U_59R"
    ]  # fmt: skip
    assert pairs.table["dt_days"].null_count == 5
    assert pairs.table["s2_timestamp"].type == pa.timestamp("us", tz="UTC")
