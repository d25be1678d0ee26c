"""`minortom.shards.open`: samples as dictionaries, by number, slice, split and in workers."""

import multiprocessing
import pickle
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from shard_maker import PROVENANCE, made_up_metadata, made_up_tensors, write_made_up_shards

import minortom.shards
from minortom.errors import InputError, ShardError
from minortom.shards.formats import Codec
from minortom.shards.layout import METADATA_SCHEMA, SampleSpec
from minortom.shards.writer import write_shards


@pytest.fixture
def folder(tmp_path):
    write_made_up_shards(tmp_path / "shards")
    return tmp_path / "shards"


@pytest.fixture
def tensors():
    return made_up_tensors(150, 8)


def test_each_sample_has_its_tensors_and_its_metadata(folder, tensors):
    samples = minortom.shards.open(folder)
    assert len(samples) == 150
    wanted = made_up_metadata(150, num_val=10).to_pylist()
    for number in (0, 63, 64, 99, 100, 149):
        sample = samples[number]
        assert list(sample) == ["s2_10m", "s2_20m", "s1", *METADATA_SCHEMA.names]
        for column, arrays in tensors.items():
            assert sample[column].dtype == arrays.dtype
            np.testing.assert_array_equal(sample[column], arrays[number])
        assert {name: sample[name] for name in METADATA_SCHEMA.names} == wanted[number]


def test_arrays_of_a_sample_are_its_own(folder):
    samples = minortom.shards.open(str(folder))
    first, again = samples[3], samples[3]
    first["s1"][:] = 0
    assert again["s1"].any() and again["s1"].flags.writeable
    assert samples[4]["s1"].any()


def test_a_split_has_its_samples_alone(folder, tensors):
    val, train = (minortom.shards.open(folder, split=name) for name in ("val", "train"))
    assert (len(val), len(train)) == (10, 140)
    assert {sample["split"] for sample in val} == {"val"}
    np.testing.assert_array_equal(train[0]["s1"], tensors["s1"][10])
    np.testing.assert_array_equal(train.numbers, np.arange(10, 150))


def test_an_unknown_split_names_those_of_the_set(folder):
    with pytest.raises(InputError, match=r"one of train, val \(the splits of .*\), found 'tset'"):
        minortom.shards.open(folder, split="tset")
    with pytest.raises(InputError, match="found ndarray; leave it out"):
        minortom.shards.open(folder, split=np.array(["train", "val"]))
    with pytest.raises(InputError, match="folder must be a path"):
        minortom.shards.open(None)


def test_numbers_count_from_the_end_and_end_with_an_index_error(folder):
    val = minortom.shards.open(folder, split="val")
    assert val[-1]["s1_product_id"] == val[9]["s1_product_id"] == "s1-9"
    assert val[np.int64(2)]["s1_product_id"] == "s1-2"
    for number in (10, -11):
        with pytest.raises(IndexError, match=f"sample {number} is out of range: .* 10 samples"):
            val[number]
    with pytest.raises(TypeError, match="whole numbers or slices, found str"):
        val["s1"]


def test_a_slice_is_a_sequence_again(folder):
    part = minortom.shards.open(folder)[120:100:-5]
    assert len(part) == 4
    wanted = ["s2-120", "s2-115", "s2-110", "s2-105"]
    assert [sample["s2_product_id"] for sample in part] == wanted
    assert [sample["s2_product_id"] for sample in part] == wanted, "a second time"
    assert len(part[9:]) == 0


@pytest.mark.parametrize("copied", [False, True])
def test_processes_read_a_pickled_sequence(folder, tensors, copied):
    samples = minortom.shards.open(folder, split="train")[::2]
    if copied:
        samples[0]  # handles and metadata in memory stay behind
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        found = pool.submit(samples.__getitem__, 5).result()
    np.testing.assert_array_equal(found["s2_20m"], tensors["s2_20m"][20])
    assert len(pickle.dumps(samples)) < 5_000


def test_threads_may_share_a_sequence(folder, tensors):
    samples, order = minortom.shards.open(folder), np.random.default_rng(1).permutation(150)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(samples.__getitem__, order))
    np.testing.assert_array_equal(np.stack([s["s1"] for s in found]), tensors["s1"][order])


def test_packed_samples_and_some_bands_are_read_the_same(tmp_path):
    bands = ("B03", "B11", "vh")
    tensors = made_up_tensors(20, 8, bands=bands)
    write_shards(
        tmp_path / "packed", tensors=tensors, metadata=made_up_metadata(20), provenance=PROVENANCE,
        spec=SampleSpec(patch_px=8, bands=bands, codec=Codec.BLOSC2),
    )  # fmt: skip
    for number, sample in enumerate(minortom.shards.open(tmp_path / "packed")):
        for column, arrays in tensors.items():
            np.testing.assert_array_equal(sample[column], arrays[number])


def test_shards_that_another_tool_rewrote_are_read(folder, tensors):
    for path in folder.glob("*.parquet"):
        table = pq.read_table(path)
        number = table.column_names.index("climate")
        wide = table["climate"].cast(pa.large_string())
        pq.write_table(table.set_column(number, "climate", wide), path, compression="zstd")
    sample = minortom.shards.open(folder)[120]
    np.testing.assert_array_equal(sample["s2_10m"], tensors["s2_10m"][120])
    assert sample["climate"] == "Af"


def test_times_are_datetimes_in_utc(tmp_path):
    metadata, when = made_up_metadata(4), datetime(2020, 2, 29, 10, 30, tzinfo=UTC)
    number = METADATA_SCHEMA.get_field_index("s2_timestamp")
    times = pa.array([when] * 4, METADATA_SCHEMA.field(number).type)
    write_shards(
        tmp_path / "s", tensors=made_up_tensors(4, 8),
        metadata=metadata.set_column(number, METADATA_SCHEMA.field(number), times),
        provenance=PROVENANCE,
    )  # fmt: skip
    sample = minortom.shards.open(tmp_path / "s")[1]
    assert (sample["s2_timestamp"], sample["s1_timestamp"]) == (when, None)


def test_a_shard_that_is_cut_while_open_is_found_when_read(folder):
    samples = minortom.shards.open(folder)
    assert samples[0]["split"] == "val"
    path = folder / "shard-00000-of-00002.parquet"
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(ShardError, match="shard-00000-of-00002.parquet is damaged"):
        samples[60]


def test_opening_loads_no_torch():
    code = (
        "import sys, minortom.shards\n"
        "assert 'numpy' not in sys.modules\n"
        "minortom.shards.open\n"
        "heavy = {'rasterio', 'duckdb', 'pyproj', 'torch', 'geopandas', 'numba', 'pandas'}\n"
        "sys.exit(', '.join(heavy & set(sys.modules)) or 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_files_are_closed_with_the_sequence_and_at_the_end_of_a_program(folder):
    # A global sequence lives until the interpreter takes its modules down.
    code = (
        "import os, time, minortom.shards\n"
        "def handles():\n"
        "    links = [f'/proc/self/fd/{n}' for n in os.listdir('/proc/self/fd')]\n"
        "    return sum(os.readlink(link).endswith('.parquet') for link in links\n"
        "               if os.path.lexists(link))\n"
        f"samples = minortom.shards.open({str(folder)!r}); samples[0]\n"
        "assert handles() >= 1\n"
        "del samples\n"
        "end = time.monotonic() + 10  # pyarrow closes what it read of the metadata in a thread\n"
        "while handles() and time.monotonic() < end: time.sleep(0.01)\n"
        "assert handles() == 0, handles()\n"
        f"samples = minortom.shards.open({str(folder)!r}); samples[0]\n"
    )

    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert (done.returncode, done.stderr) == (0, "")
