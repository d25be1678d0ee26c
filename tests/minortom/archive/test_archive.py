"""The archive: checks of its layout, and the bytes of a row."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from archive_maker import S1_BYTES, S2_BYTES, open_pair, write_archive

from minortom.archive.archive import Archive
from minortom.errors import ArchiveError


def test_a_row_of_images_is_read_alone(tmp_path):
    s2, _ = open_pair(
        tmp_path, [{"product_id": "a"}, {"product_id": "b", "grid_cell": "2U_2R"}], [{}]
    )
    part = tmp_path / "s2" / "images" / "part_00001.parquet"
    chunk = pq.read_metadata(part).row_group(0).column(4)
    data = bytearray(part.read_bytes())
    # The other row's group is overwritten: reading it as well would fail.
    data[4 : chunk.data_page_offset + chunk.total_compressed_size] = b"\xff" * (
        chunk.data_page_offset + chunk.total_compressed_size - 4
    )
    part.write_bytes(data)
    assert s2.read_tile(part.name, 1, cell="2U_2R", product_id="b") == S2_BYTES
    with pytest.raises(ArchiveError, match=r"s2 part_00001\.parquet row 0"):
        s2.read_tile(part.name, 0, cell="1U_1R", product_id="a")


@pytest.mark.parametrize(
    ("part", "row", "cell", "message"),
    [
        ("part_00009.parquet", 0, "1U_1R", "the part does not exist"),
        ("part_00001.parquet", 1, "1U_1R", "has only 1 row groups"),
        ("part_00001.parquet", -1, "1U_1R", "has only 1 row groups"),
        (
            "part_00001.parquet",
            0,
            "2U_2R",
            "expected 2U_2R of a as in the metadata, found 1U_1R of a",
        ),
    ],
)
def test_a_row_that_is_not_where_metadata_say_is_an_error(tmp_path, part, row, cell, message):
    s2, _ = open_pair(tmp_path, [{"product_id": "a"}], [{}])
    with pytest.raises(ArchiveError, match=message):
        s2.read_tile(part, row, cell=cell, product_id="a")


def test_a_truncated_part_is_an_error(tmp_path):
    s2, _ = open_pair(tmp_path, [{"product_id": "a"}], [{}])
    part = tmp_path / "s2" / "images" / "part_00001.parquet"
    part.write_bytes(part.read_bytes()[:-50])
    with pytest.raises(ArchiveError, match=r"s2 part_00001\.parquet row 0: "):
        s2.read_tile(part.name, 0, cell="1U_1R", product_id="a")


def test_a_part_with_several_rows_a_group_is_an_error(tmp_path):
    s2, _ = open_pair(tmp_path, [{"product_id": "a"}, {"product_id": "b"}], [{}])
    part = tmp_path / "s2" / "images" / "part_00001.parquet"
    pq.write_table(pq.read_table(part), part)
    with pytest.raises(ArchiveError, match="expected 1 row in a row group, found 2"):
        s2.read_tile(part.name, 0, cell="1U_1R", product_id="a")


def test_a_part_without_a_band_is_an_error(tmp_path):
    s2, _ = open_pair(tmp_path, [{"product_id": "a"}], [{}])
    part = tmp_path / "s2" / "images" / "part_00001.parquet"
    pq.write_table(pq.read_table(part).drop_columns(["B8A"]), part)
    with pytest.raises(ArchiveError, match="the column B8A is missing"):
        s2.read_tile(part.name, 0, cell="1U_1R", product_id="a")


@pytest.mark.parametrize("column", ["parquet_row", "parquet_url", "grid_cell"])
def test_metadata_of_another_kind_are_an_error_that_names_the_column(tmp_path, column):
    s1 = write_archive(tmp_path / "s1", [{"grid_cell": "1U_1R", "bands": S1_BYTES}])
    path = s1 / "metadata.parquet"
    table = pq.read_table(path)
    place = table.column_names.index(column)
    pq.write_table(table.set_column(place, column, pa.array([["x"]])), path)
    with pytest.raises(
        ArchiveError, match=f"in the column {column} of the metadata of .*/s1, found list"
    ):
        Archive.open(s1, "s1")


@pytest.mark.parametrize("values", [[1], [[b"tiff"]]])
def test_a_band_of_another_type_than_bytes_is_an_error_that_names_the_row(tmp_path, values):
    s2, _ = open_pair(tmp_path, [{"product_id": "a"}], [{}])
    part = tmp_path / "s2" / "images" / "part_00001.parquet"
    table = pq.read_table(part)
    place = table.column_names.index("B02")
    pq.write_table(table.set_column(place, "B02", pa.array(values)), part)
    with pytest.raises(ArchiveError, match=r"s2 part_00001\.parquet row 0: "):
        s2.read_tile(part.name, 0, cell="1U_1R", product_id="a")


def test_another_folder_than_an_archive_is_an_error_that_says_what_was_expected(tmp_path):
    with pytest.raises(ArchiveError, match="does not exist; expected an archive in Major TOM's"):
        Archive.open(tmp_path / "none", "s2")
    with pytest.raises(ArchiveError, match=r"has no metadata\.parquet"):
        Archive.open(tmp_path, "s2")
    (tmp_path / "metadata.parquet").write_bytes(b"PAR1")
    with pytest.raises(ArchiveError, match="has no folder images"):
        Archive.open(tmp_path, "s2")
    (tmp_path / "images").mkdir()
    with pytest.raises(ArchiveError, match="the metadata of .* cannot be read"):
        Archive.open(tmp_path, "s2")


def test_the_archive_of_the_other_sensor_is_found_out(tmp_path):
    open_pair(tmp_path, [{}], [{}])
    with pytest.raises(ArchiveError, match=r"expected the column cloud_cover.*the archive of s2\?"):
        Archive.open(tmp_path / "s1", "s2")
