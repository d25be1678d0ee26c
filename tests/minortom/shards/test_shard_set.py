"""Shards: written values are read back, by offset and by other tools."""

import hashlib
import json
import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from shard_maker import PROVENANCE, made_up_metadata, made_up_tensors, write_made_up_shards

from minortom.errors import InputError, ShardError
from minortom.shards.layout import SampleSpec, shard_schema
from minortom.shards.shard_set import ShardSet
from minortom.shards.writer import write_shards

FIRST = "shard-00000-of-00002.parquet"


@pytest.fixture
def folder(tmp_path):
    write_made_up_shards(tmp_path / "shards")
    return tmp_path / "shards"


@pytest.fixture
def tensors():
    return made_up_tensors(150, 8)


def read_all(shards):
    buffers = shards.buffers(len(shards))
    for index in range(len(shards)):
        shards.read_into(index, buffers, index)
    return buffers


def rewrite(path, **options):
    table = pq.read_table(path)
    pq.write_table(table, path, **options)


def test_every_sample_is_read_back_by_offset(folder, tensors):
    shards = ShardSet.open(folder)
    assert all(offsets for file in shards.files for offsets in file.offsets.values())
    for column, found in read_all(shards).items():
        np.testing.assert_array_equal(found, tensors[column])


def test_pyarrow_alone_reads_the_same_bytes(folder, tensors):
    table = pa.concat_tables(pq.read_table(path) for path in sorted(folder.glob("*.parquet")))
    for column, wanted in tensors.items():
        assert [value.as_py() for value in table[column]] == [patch.tobytes() for patch in wanted]


def test_page_checksums_agree_when_asked_for(folder):
    with pq.ParquetFile(folder / FIRST, page_checksum_verification=True) as file:
        assert file.read().num_rows == 100


def test_a_flipped_bit_breaks_a_page_checksum(folder):
    path = folder / FIRST
    data = bytearray(path.read_bytes())
    data[1000] ^= 1
    path.write_bytes(data)
    with (
        pq.ParquetFile(path, page_checksum_verification=True) as file,
        pytest.raises(OSError, match="CRC"),
    ):
        file.read()


def test_tensor_columns_are_plain_required_and_without_statistics(folder):
    footer = pq.read_metadata(folder / FIRST)
    assert [footer.row_group(g).num_rows for g in range(2)] == [64, 36]
    for number in range(3):
        chunk = footer.row_group(0).column(number)
        assert footer.schema.column(number).max_definition_level == 0
        assert footer.schema.column(number).physical_type == "BYTE_ARRAY"
        assert chunk.compression == "UNCOMPRESSED"
        assert not chunk.has_dictionary_page
        assert not chunk.is_stats_set


def test_threads_may_fill_one_batch(folder, tensors):
    shards, order = ShardSet.open(folder), np.random.default_rng(1).permutation(150)
    buffers = shards.buffers(150)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda row: shards.read_into(int(order[row]), buffers, row), range(150)))
    for column, found in buffers.items():
        np.testing.assert_array_equal(found, tensors[column][order])


def test_only_the_columns_of_the_buffers_are_read(folder, tensors):
    shards = ShardSet.open(folder)
    buffers = {"s1": np.zeros((1, 2, 8, 8), "int16")}
    shards.read_into(123, buffers, 0)
    np.testing.assert_array_equal(buffers["s1"][0], tensors["s1"][123])


def test_a_pickled_set_reads_the_same(folder, tensors):
    shards = pickle.loads(pickle.dumps(ShardSet.open(folder)))
    np.testing.assert_array_equal(read_all(shards)["s2_10m"], tensors["s2_10m"])


def test_statistics_are_those_of_the_train_split(folder, tensors):
    shards = ShardSet.open(folder)
    for column, found in shards.statistics.items():
        train = tensors[column][10:].astype(float)
        np.testing.assert_allclose(found["mean"], train.mean(axis=(0, 2, 3)), rtol=1e-12)
        np.testing.assert_allclose(found["std"], train.std(axis=(0, 2, 3)), rtol=1e-9)
    assert shards.statistics["s1"]["bands"] == ("vv", "vh")


def test_statistics_stay_exact_for_the_largest_values(tmp_path):
    tensors = made_up_tensors(8, 200)
    tensors["s2_10m"][:] = 65535
    tensors["s2_10m"][0, :, 0, 0] = 65534
    write_shards(
        tmp_path / "s", tensors=tensors, metadata=made_up_metadata(8), provenance=PROVENANCE
    )
    found, share = ShardSet.open(tmp_path / "s").statistics["s2_10m"], 1 / (8 * 200 * 200)
    assert found["mean"] == pytest.approx([65535 - share] * 4, rel=1e-15)
    assert found["std"] == pytest.approx([(share * (1 - share)) ** 0.5] * 4, rel=1e-12)


def test_the_types_need_no_arrow_schema(folder):
    assert pq.read_schema(folder / FIRST).equals(shard_schema(SampleSpec(patch_px=8)))


def test_each_footer_repeats_the_record(folder):
    record = json.loads((folder / "dataset.json").read_text())
    for path in folder.glob("*.parquet"):
        stored = pq.read_schema(path).metadata
        assert json.loads(stored[b"minortom"]) == record["minortom"]
        repeated = json.loads(stored[b"minortom.shards"])
        assert repeated == {key: record[key] for key in repeated}
        assert repeated["statistics"] and repeated["columns"]


def test_the_record_holds_hashes_rows_and_splits(folder):
    record = json.loads((folder / "dataset.json").read_text())
    assert record["splits"] == {"train": 140, "val": 10}
    assert [entry["rows"] for entry in record["shards"]] == [100, 50]
    for entry in record["shards"]:
        data = (folder / entry["file"]).read_bytes()
        assert entry["sha256"] == hashlib.sha256(data).hexdigest()
        assert entry["bytes"] == len(data)


def test_metadata_and_splits_come_in_order_of_the_samples(folder):
    shards = ShardSet.open(folder)
    assert shards.metadata(["grid_cell", "lat"]).equals(
        made_up_metadata(150).select(["grid_cell", "lat"])
    )
    np.testing.assert_array_equal(shards.indices("val"), np.arange(10))
    assert len(shards.indices("test")) == 0


def test_metadata_tells_which_columns_there_are(folder):
    with pytest.raises(ShardError, match=r"no metadata column colour; they have grid_cell"):
        ShardSet.open(folder).metadata(["colour"])


@pytest.mark.parametrize(
    "options",
    [{}, {"compression": "zstd"}, {"compression": "none", "use_dictionary": False},
     {"compression": "none", "use_dictionary": False, "data_page_version": "2.0"},
     {"compression": "none", "use_dictionary": False, "data_page_size": 600,
      "write_batch_size": 1, "write_statistics": False},
     {"row_group_size": 7, "compression": "lz4"}],
)  # fmt: skip
def test_shards_that_another_tool_rewrote_are_still_read(folder, tensors, options):
    for path in folder.glob("*.parquet"):
        rewrite(path, **options)
    for column, found in read_all(ShardSet.open(folder)).items():
        np.testing.assert_array_equal(found, tensors[column])


def test_same_input_gives_the_same_bytes(folder, tmp_path):
    write_made_up_shards(tmp_path / "again")
    for path in folder.iterdir():
        assert path.read_bytes() == (tmp_path / "again" / path.name).read_bytes()


def test_a_patch_of_an_odd_side_is_refused():
    with pytest.raises(InputError, match=r"positive multiple of 2 px, .* found 121 px"):
        SampleSpec(patch_px=121)


def test_a_set_without_training_patches_is_refused(tmp_path):
    with pytest.raises(InputError, match="must be in the split `train`"):
        write_made_up_shards(tmp_path / "s", num_patches=5, num_val=5)
    assert list(tmp_path.iterdir()) == []


def test_a_buffer_of_another_shape_is_a_bug(folder):
    with pytest.raises(ValueError, match=r"use ShardSet.buffers"):
        ShardSet.open(folder).read_into(0, {"s1": np.zeros((1, 2, 8, 8), "float32")}, 0)


def test_a_sample_that_does_not_exist_is_an_index_error(folder):
    shards = ShardSet.open(folder)
    with pytest.raises(IndexError):
        shards.read_into(150, shards.buffers(1), 0)


def test_reading_needs_numpy_and_pyarrow_only():
    code = (
        "import sys, minortom.shards.shard_set\n"
        "heavy = {'rasterio', 'duckdb', 'pyproj', 'torch', 'geopandas', 'numba', 'pandas'}\n"
        "sys.exit(', '.join(heavy & set(sys.modules)) or 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"statistics": {"s1": [1]}}, "statistics.s1 must be keys and values, found list"),
        ({"shards": "all"}, "shards must be a list, found 'all'"),
        ({"shards": [{"file": 3, "rows": 1}]}, r"shards\[0\].file must be the name of a file"),
        (
            {"shards": [{"file": "/etc/passwd", "rows": 1}]},
            ".*of a file without folders, found '/etc",
        ),
        ({"patch_px": "120"}, "patch_px must be a whole number of at least 0, found '120'"),
        ({"columns": []}, "columns must be keys and values, found list"),
        ({"splits": {"train": "8"}}, "splits.train must be a whole number"),
        ({"codec": None}, "codec must be text, found None"),
        ({"codec": "zip"}, "'zip' is not a valid"),
        ({"minortom": {"licences": [3]}}, r"minortom.licences\[0\] must be text, found 3"),
        ({"minortom": {"inputs": []}}, "minortom.inputs must be keys and values"),
    ],
)
def test_a_value_of_another_type_in_the_record_is_named(tmp_path, change, message):
    folder = tmp_path / "shards"
    write_made_up_shards(folder, num_patches=4, rows_per_shard=4, num_val=0)
    record = json.loads((folder / "dataset.json").read_text())
    (folder / "dataset.json").write_text(json.dumps(record | change))
    with pytest.raises(ShardError, match=rf"dataset.json is damaged \({message}"):
        ShardSet.open(folder)


def test_a_record_that_is_nested_deeply_is_one_line(tmp_path):
    folder = tmp_path / "shards"
    write_made_up_shards(folder, num_patches=4, rows_per_shard=4, num_val=0)
    (folder / "dataset.json").write_text("[" * 50_000 + "]" * 50_000)
    with pytest.raises(ShardError, match="nested more than 200 levels deep"):
        ShardSet.open(folder)
