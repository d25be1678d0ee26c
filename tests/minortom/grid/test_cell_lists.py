from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest

from minortom.errors import InputError
from minortom.grid.cell_lists import cell_sources, hash_cells, read_cells
from minortom.io.geoparquet import write_table

NAMES = ["5U_1R", "3D_2L", "922D_249L"]
IN_ORDER = ["922D_249L", "3D_2L", "5U_1R"]


def write(path, content):
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        path.write_text(content, encoding="utf-8", newline="")
    return str(path)


@pytest.mark.parametrize(
    "content",
    ["5U_1R\n3D_2L\n922D_249L\n", "5U_1R\n3D_2L\n922D_249L", "5U_1R\r\n3D_2L\r\n922D_249L\r\n",
     "\n5U_1R\n\n  3D_2L \n922D_249L\n\n", "\ufeff5U_1R\n3D_2L\n922D_249L", "\n".join(NAMES * 3)],
    ids=["plain", "no newline at the end", "CRLF", "blank lines", "byte-order mark", "repeated"],
)  # fmt: skip
def test_a_text_file_has_a_name_a_line(tmp_path, content):
    assert read_cells([write(tmp_path / "cells.txt", content)]).names().tolist() == IN_ORDER


@pytest.mark.parametrize(
    "kind", [pa.string(), pa.large_string(), pa.dictionary(pa.int8(), pa.string())]
)
def test_a_parquet_file_has_a_column(tmp_path, kind):
    table = pa.table({"other": [1, 2, 3], "grid_cell": pa.array(NAMES).cast(kind)})
    pq.write_table(table, tmp_path / "cells.parquet")
    assert read_cells([str(tmp_path / "cells.parquet")]).names().tolist() == IN_ORDER


def test_a_csv_file_has_a_column(tmp_path):
    pa_csv.write_csv(pa.table({"grid_cell": NAMES, "n": [1, 2, 3]}), tmp_path / "cells.csv")
    assert read_cells([str(tmp_path / "cells.csv")]).names().tolist() == IN_ORDER


def test_real_metadata_is_a_list_of_cells(real_data):
    path = real_data / "majortom-sample" / "Core-S1RTC" / "metadata.parquet"
    names = read_cells([str(path)]).names().tolist()
    assert names == ["433D_629L", "282D_485L", "38D_378R", "609U_541L", "637U_59R"]


def test_the_real_list_and_the_paired_cells_are_101752(real_data):
    listed = str(real_data / "cells" / "cop-gen-hold-out.txt")
    paired = str(real_data / "majortom-sample" / "Core-S1RTC" / "metadata.parquet")
    assert len(read_cells([listed])) == 101_748
    assert len(read_cells([listed, paired])) == 101_752


def test_the_word_grid_is_the_whole_grid():
    assert len(read_cells(["grid"])) == 5_094_350


def test_several_lists_are_merged_in_any_order(tmp_path):
    one = write(tmp_path / "one.txt", "5U_1R\n3D_2L")
    other = write(tmp_path / "other.csv", "grid_cell\n922D_249L\n5U_1R\n")
    assert read_cells([one, other]).names().tolist() == IN_ORDER
    assert read_cells([other, one]).names().tolist() == IN_ORDER


def test_hashes_do_not_depend_on_order_or_repetition(tmp_path):
    one = write(tmp_path / "one.txt", "5U_1R")
    other = write(tmp_path / "other.txt", "3D_2L")
    assert hash_cells([one, other]) == hash_cells([other, one, other])
    assert hash_cells([one]) != hash_cells([other])
    several = [write(tmp_path / f"{i}.txt", f"{i}U_1R") for i in range(9)]
    assert list(hash_cells(several).values()) == sorted(hash_cells(several).values())
    assert hash_cells([one, "grid"])["cells"] == "grid"


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.txt", "", "contains no cell name"),
        ("a.txt", "\n \n", "contains no cell name"),
        ("a.csv", "grid_cell\n", "contains no cell name"),
        (
            "a.txt",
            "5U_1R\n0D_1R\n",
            "a.txt: expected names .* 1 of 2 names that are not, first '0D_1R'",
        ),
        ("a.txt", b"\x00\xff\xfe\x89PNG", "expected text in UTF-8"),
        ("a.csv", "cell,n\n5U_1R,1\n", "has no column grid_cell; it has cell, n;"),
        ("a.csv", "grid_cell,n\n5U_1R,1\n,2\n", "1 rows have no grid_cell"),
        ("a.csv", "", "cannot read .*it is empty"),
        ("a.csv", "grid_cell,n\n5U_1R\n1,2,3\n", "cannot read"),
        ("a.csv", "grid_cell,grid_cell\n5U_1R,3D_2L\n", "has the column grid_cell more than once"),
        ("a.parquet", "5U_1R", "cannot read"),
        ("a.parquet", "", "cannot read"),
    ],
)
def test_an_unusable_list_is_an_error_that_names_the_file(tmp_path, name, content, message):
    with pytest.raises(InputError, match=message) as caught:
        read_cells([write(tmp_path / name, content)])
    assert str(tmp_path / name) in str(caught.value)


def test_a_parquet_file_without_the_column_is_an_error(tmp_path):
    pq.write_table(pa.table({f"c{i}": [1] for i in range(20)}), tmp_path / "a.parquet")
    with pytest.raises(InputError, match=r"has no column grid_cell; it has c0, .*, c11, …;"):
        read_cells([str(tmp_path / "a.parquet")])


@pytest.mark.parametrize("values", [[["5U_1R"], ["3D_2L"]], [{"name": "5U_1R"}], [b"\xff\xfe"]])
def test_a_column_without_text_is_an_error_that_names_the_file(tmp_path, values):
    pq.write_table(pa.table({"grid_cell": values}), tmp_path / "a.parquet")
    with pytest.raises(InputError, match=r"text in the column grid_cell of .*a\.parquet"):
        read_cells([str(tmp_path / "a.parquet")])


def test_a_parquet_file_that_was_cut_short_is_an_error(tmp_path):
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"grid_cell": NAMES}), path)
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(InputError, match="cannot read"):
        read_cells([str(path)])


def test_a_folder_a_missing_file_and_no_list_are_errors(tmp_path):
    with pytest.raises(InputError, match=r"expected Parquet files in the folder .*, found none"):
        read_cells([str(tmp_path)])
    with pytest.raises(InputError, match="does not exist; expected"):
        read_cells([str(tmp_path / "nowhere.txt")])
    with pytest.raises(InputError, match="no list of cells was given"):
        read_cells([])


def test_a_table_in_memory_is_a_list_of_cells():
    table = pa.table({"grid_cell": [*NAMES, NAMES[0]]})
    for given in (table, table.to_pandas(), [table], (table.to_pandas(), table)):
        assert read_cells(cell_sources(given)).names().tolist() == IN_ORDER


def test_a_table_has_the_hash_of_its_file(tmp_path):
    table = pa.table({"grid_cell": NAMES})
    write_table(table, tmp_path / "cells.parquet")
    assert hash_cells([table, table]) == hash_cells([str(tmp_path / "cells.parquet")])


def test_paths_and_the_word_grid_are_taken_as_the_command_line_takes_them():
    assert cell_sources(None) == []
    assert cell_sources("grid") == ["grid"]
    assert cell_sources(Path("grid")) == ["./grid"]
    assert cell_sources([Path("a.txt"), "b.csv"]) == ["a.txt", "b.csv"]


@pytest.mark.parametrize("given", [3, [3], {"grid_cell": ["5U_1R"]}, [b"5U_1R"]])
def test_another_type_is_an_error_that_says_what_was_expected(given):
    wanted = "cells must be a path, the word grid, a table with .* found"
    with pytest.raises(InputError, match=wanted):
        cell_sources(given)


def test_a_cell_name_in_the_place_of_a_path_is_an_error_that_says_where_names_go():
    with pytest.raises(InputError, match=r"5U_1R does not exist.*pyarrow.table\("):
        read_cells(cell_sources(["5U_1R"]))


def test_a_table_without_names_is_an_error():
    for table, message in (
        (pa.table({"cell": ["5U_1R"]}), "the table has no column grid_cell; it has cell;"),
        (pa.table({"grid_cell": pa.array([], pa.string())}), "the table contains no cell name"),
        (pa.table({"grid_cell": [["5U_1R"]]}), "expected text in the column grid_cell"),
        (pa.table({"grid_cell": ["5U_1R", None]}), "the table: 1 rows have no grid_cell"),
        (pa.table({"grid_cell": ["0D_1R"]}), "the table: expected names of cells .* 1 of 1"),
    ):
        with pytest.raises(InputError, match=message):
            read_cells([table])
