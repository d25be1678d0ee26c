"""Errors for missing or damaged shards and for other folders."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from shard_maker import write_made_up_shards

from minortom.dataset.verify import verify
from minortom.errors import ShardError
from minortom.shards.shard_set import ShardSet

FIRST = "shard-00000-of-00002.parquet"


@pytest.fixture
def folder(tmp_path):
    write_made_up_shards(tmp_path / "shards")
    return tmp_path / "shards"


def edit_record(folder, **changes):
    path = folder / "dataset.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_a_missing_folder_says_what_to_do(tmp_path):
    with pytest.raises(ShardError, match=r"does not exist; make shards with `minortom export`"):
        ShardSet.open(tmp_path / "none")


def test_an_empty_folder_says_so(tmp_path):
    with pytest.raises(ShardError, match=r"but .* is empty; make shards"):
        ShardSet.open(tmp_path)


def test_a_folder_without_its_record_says_so(folder):
    (folder / "dataset.json").unlink()
    with pytest.raises(ShardError, match=r"has no dataset\.json"):
        ShardSet.open(folder)


def test_another_schema_version_is_refused(folder):
    edit_record(folder, schema_version=1)
    with pytest.raises(ShardError, match=r"version 1, but this minortom reads version 2"):
        ShardSet.open(folder)


def test_another_order_of_bands_is_refused(folder):
    columns = json.loads((folder / "dataset.json").read_text())["columns"]
    columns["s1"]["bands"] = ["vh", "vv"]
    edit_record(folder, columns=columns)
    with pytest.raises(ShardError, match="names bands in another order"):
        ShardSet.open(folder)


@pytest.mark.parametrize(
    "changes",
    [
        {"statistics": {"s1": None}},
        {"statistics": {"s1": {"mean": 1.5}}},
        {"shards": [{"file": None, "rows": 100}]},
        {"splits": ["train"]},
        {"export": [3]},
        {"minortom": "export"},
    ],
)
def test_a_record_with_values_of_another_kind_is_refused(folder, changes):
    edit_record(folder, **changes)
    with pytest.raises(ShardError, match=r"dataset\.json is damaged"):
        ShardSet.open(folder)
    with pytest.raises(ShardError, match=r"dataset\.json is damaged"):
        verify(folder)


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"schema_version": 2}'])
def test_a_damaged_record_is_refused(folder, text):
    (folder / "dataset.json").write_text(text)
    with pytest.raises(ShardError, match=r"dataset\.json is damaged"):
        ShardSet.open(folder)


def test_a_record_that_is_not_text_is_not_printed(folder):
    (folder / "dataset.json").write_bytes(b"PAR1\xff" * 1000)
    with pytest.raises(ShardError, match=r"dataset\.json is damaged \(it is not text\)"):
        ShardSet.open(folder)


def test_a_missing_shard_is_named(folder):
    (folder / FIRST).unlink()
    with pytest.raises(ShardError, match=f"should have the shard {FIRST}, which is missing"):
        ShardSet.open(folder)


@pytest.mark.parametrize("kept", [0, 3, 40_000])
def test_a_truncated_shard_is_named(folder, kept):
    data = (folder / FIRST).read_bytes()
    (folder / FIRST).write_bytes(data[:kept])
    with pytest.raises(ShardError, match=f"{FIRST} is damaged"):
        ShardSet.open(folder)


def test_a_shard_with_other_rows_than_recorded_is_named(folder):
    pq.write_table(pq.read_table(folder / FIRST)[:99], folder / FIRST)
    with pytest.raises(ShardError, match=r"99 rows where dataset\.json records 100"):
        ShardSet.open(folder)


def test_a_shard_without_a_tensor_column_is_named(folder):
    pq.write_table(pq.read_table(folder / FIRST).drop_columns(["s1"]), folder / FIRST)
    with pytest.raises(ShardError, match="it has no column s1"):
        ShardSet.open(folder)


@pytest.mark.parametrize(
    ("column", "values", "found"),
    [
        ("lat", [float("nan")] * 100, "a patch whose lat is no finite number"),
        ("lon", [float("inf")] * 100, "a patch whose lon is no finite number"),
        ("grid_cell", [None, *["0U_0R"] * 99], "Casting field .grid_cell. with null .+"),
    ],
)
def test_patches_without_a_place_are_found_when_read(folder, column, values, found):
    table = pq.read_table(folder / FIRST)
    place = table.column_names.index(column)
    pq.write_table(table.set_column(place, column, pa.array(values)), folder / FIRST)
    with pytest.raises(ShardError, match=rf"{FIRST} is damaged \({found}\); copy"):
        ShardSet.open(folder).metadata([column])


def test_values_of_another_length_are_found_when_read(folder):
    table = pq.read_table(folder / FIRST)
    short = pa.array([b"ab"] * 100, pa.binary())
    table = table.set_column(table.column_names.index("s1"), "s1", short)
    pq.write_table(table, folder / FIRST)
    shards = ShardSet.open(folder)
    with pytest.raises(ShardError, match="a value should have 256 bytes, found 2"):
        shards.read_into(0, shards.buffers(1), 0)


def test_a_shard_that_is_cut_while_open_is_found_when_read(folder):
    shards = ShardSet.open(folder)
    (folder / FIRST).write_bytes((folder / FIRST).read_bytes()[:2000])
    with pytest.raises(ShardError, match="no value of 512 bytes at"):
        shards.read_into(60, shards.buffers(1), 0)


def test_a_value_whose_length_is_damaged_is_found_when_read(folder):
    shards = ShardSet.open(folder)
    place = shards.files[0].offsets["s1"][1]  # the first value of the second row group
    with (folder / FIRST).open("r+b") as stream:
        stream.seek(place)
        stream.write(bytes(4))
    with pytest.raises(ShardError, match=f"no value of 256 bytes at {place}"):
        shards.read_into(64, shards.buffers(1), 0)
