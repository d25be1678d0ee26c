"""Further columns of tiles: their types, names, codes and metadata in the annotated file."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from minortom.annotation.column_names import require_distinct, require_free_name
from minortom.annotation.further_columns import ClassColumn, FurtherColumns, NumberColumn
from minortom.errors import InputError
from minortom.io.column_metadata import class_columns_in, classes_metadata, source_of, unit_of


def classes_of(index, names, codes=None) -> pa.Table:
    column = ClassColumn(index=np.array(index, np.int32), names=names, codes=codes)
    return FurtherColumns(columns={"c": column}).add_to(pa.table({"a": index}), after="a")


def test_a_number_keeps_its_type_unit_and_source_through_parquet(tmp_path):
    values = pa.array([1.5, float("nan"), None], pa.float32())
    column = NumberColumn(values=values, unit="m", source="table 1: elevation")
    table = FurtherColumns(columns={"z": column}).add_to(pa.table({"a": [1, 2, 3]}), after="a")
    pq.write_table(table, tmp_path / "z.parquet")
    read = pq.read_table(tmp_path / "z.parquet")
    assert read["z"].to_pylist() == [1.5, None, None]
    assert read.schema.field("z").type == pa.float32()
    assert (unit_of(read.schema.field("z")), source_of(read.schema.field("z"))) == (
        "m", "table 1: elevation",
    )  # fmt: skip
    assert (unit_of(read.schema.field("a")), column.num_missing) == (None, 2)


def test_a_class_has_a_name_and_a_code_and_unmapped_comes_last():
    table = classes_of([1, -1, 0, 1], ["ice", "sea", "unused"])
    assert table["c"].to_pylist() == ["sea", "unmapped", "ice", "sea"]
    assert table["c"].chunk(0).dictionary.to_pylist() == ["ice", "sea", "unmapped"]
    assert table["c_code"].to_pylist() == [1, 255, 0, 1]
    assert table.schema.field("c").type == pa.dictionary(pa.int32(), pa.string())


@pytest.mark.parametrize(
    ("codes", "kind", "unmapped"),
    [
        ((0, 254), pa.uint8(), 255),
        ((0, 255), pa.uint16(), 65535),
        ((3, 65534), pa.uint16(), 65535),
        ((0, 65535), pa.int32(), 2**31 - 1),
        ((-1, 4), pa.int32(), 2**31 - 1),
    ],
)
def test_the_type_of_codes_is_the_smallest_that_holds_them(codes, kind, unmapped):
    table = classes_of([0, 1, -1], ["a", "b"], codes)
    assert table["c_code"].to_pylist() == [*codes, unmapped]
    assert table.schema.field("c_code").type == kind


def test_columns_follow_the_named_one_and_dropped_tiles_have_none():
    columns = {
        "n": NumberColumn(values=pa.array([7, 9])),
        "c": ClassColumn(index=np.array([0, -1], np.int32), names=["x"]),
    }
    kept = np.array([True, False, True])
    table = FurtherColumns(columns=columns, kept=kept).add_to(
        pa.table({"a": [1, 2, 3], "b": [4, 5, 6]}), after="a"
    )
    assert table.to_pydict() == {
        "a": [1, 3], "n": [7, 9], "c": ["x", "unmapped"], "c_code": [0, 255], "b": [4, 6],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("names", "codes", "message"),
    [
        (["unmapped"], None, "expected no class 'unmapped'"),
        (["a", "b"], (0, 2**31 - 1), "expected codes of c from -2147483648 to 2147483646"),
    ],
)
def test_classes_that_cannot_be_stored_are_refused(names, codes, message):
    with pytest.raises(InputError, match=message):
        classes_of([0], names, codes)


@pytest.mark.parametrize("name", ["lat", "stratum", "x_code", "fraction_x", "s2_part", "a b", ""])
def test_names_of_other_columns_are_refused(name):
    with pytest.raises(InputError, match="give another name"):
        require_free_name(name, option="--table")


def test_two_columns_of_one_name_are_refused():
    with pytest.raises(InputError, match="found x more than once"):
        require_distinct(["x", "y", "x"])


def test_a_file_says_which_whole_numbers_are_classes():
    schema = pa.schema([("a", pa.int64())])
    assert class_columns_in(schema.with_metadata(classes_metadata(["a", "é"]))) == ("a", "é")
    for other in (None, {"minortom_classes": "{"}, {"minortom_classes": "3"}):
        assert class_columns_in(schema.with_metadata(other)) == ()
