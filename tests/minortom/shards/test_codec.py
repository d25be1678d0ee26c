"""Shards with compressed values: smaller, and read in the same way."""

import builtins
import json

import blosc2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from shard_maker import PROVENANCE, made_up_metadata, made_up_tensors

from minortom.dataset.verify import verify
from minortom.errors import InputError, ShardError
from minortom.shards.codec import _blosc2
from minortom.shards.formats import Codec
from minortom.shards.layout import SampleSpec
from minortom.shards.rows import decode
from minortom.shards.shard_set import ShardSet
from minortom.shards.writer import write_shards

FIRST = "shard-00000-of-00002.parquet"


def smooth_tensors(num_patches=150, patch_px=16):
    """Patches that can be packed: each a constant plus a little noise."""
    tensors = made_up_tensors(num_patches, patch_px)
    return {c: (a // 512 + np.arange(num_patches)[:, None, None, None]).astype(a.dtype)
            for c, a in tensors.items()}  # fmt: skip


def write_packed(folder, codec=Codec.BLOSC2):
    tensors = smooth_tensors()
    write_shards(
        folder, tensors=tensors, metadata=made_up_metadata(150, num_val=12),
        provenance=PROVENANCE, rows_per_shard=100, spec=SampleSpec(patch_px=16, codec=codec),
    )  # fmt: skip
    return tensors


@pytest.fixture
def folder(tmp_path):
    write_packed(tmp_path / "packed")
    return tmp_path / "packed"


def read_all(shards):
    buffers = shards.buffers(len(shards))
    order = np.random.default_rng(3).permutation(len(shards))
    shards.read_rows(order.tolist(), buffers)
    return {column: array[np.argsort(order)] for column, array in buffers.items()}


def test_packed_values_are_read_back_by_offset(folder):
    shards = ShardSet.open(folder)
    assert shards.spec.codec == Codec.BLOSC2
    assert all(offsets for file in shards.files for offsets in file.offsets.values())
    for column, found in read_all(shards).items():
        np.testing.assert_array_equal(found, smooth_tensors()[column])


def test_each_value_is_a_chunk_that_blosc2_alone_unpacks(folder):
    values = pq.read_table(folder / FIRST, columns=["s1"])["s1"]
    assert len({len(value.as_py()) for value in values}) > 1
    for number in (0, 63, 64, 99):
        found = np.frombuffer(blosc2.decompress2(values[number].as_py()), "<i2")
        np.testing.assert_array_equal(found.reshape(2, 16, 16), smooth_tensors()["s1"][number])


def test_packed_shards_are_smaller_and_hold_the_same_statistics(folder, tmp_path):
    write_packed(tmp_path / "plain", Codec.NONE)
    packed, plain = (
        json.loads((place / "dataset.json").read_text()) for place in (folder, tmp_path / "plain")
    )
    assert (packed["codec"], plain["codec"]) == ("blosc2", "none")
    assert packed["shards"][0]["bytes"] < 0.8 * plain["shards"][0]["bytes"]
    assert packed["statistics"] == plain["statistics"]


def test_packing_again_gives_the_same_bytes(folder, tmp_path):
    write_packed(tmp_path / "again")
    for path in folder.iterdir():
        assert path.read_bytes() == (tmp_path / "again" / path.name).read_bytes()


@pytest.mark.parametrize("options", [{}, {"compression": "zstd", "row_group_size": 7}])
def test_packed_shards_that_another_tool_rewrote_are_still_read(folder, options):
    for path in folder.glob("*.parquet"):
        pq.write_table(pq.read_table(path), path, **options)
    for column, found in read_all(ShardSet.open(folder)).items():
        np.testing.assert_array_equal(found, smooth_tensors()[column])


def test_verify_reads_packed_values(folder):
    for deep in (False, True):
        assert verify(folder, deep=deep).problems == ()


def test_verify_finds_a_flipped_bit_in_a_packed_value(folder):
    path = folder / FIRST
    data = bytearray(path.read_bytes())
    data[1000] ^= 1
    path.write_bytes(data)
    problems = verify(folder, deep=True).problems
    assert any(problem.startswith(FIRST) and "SHA-256" in problem for problem in problems)


def test_rows_are_decoded_with_the_codec(folder):
    row = pq.read_table(folder / FIRST).slice(70, 1).to_pylist()[0]
    found = decode(row, codec="blosc2")
    np.testing.assert_array_equal(found["s2_20m"], smooth_tensors()["s2_20m"][70])
    with pytest.raises(ShardError, match="must have a square of .* and the codec"):
        decode(row)
    with pytest.raises(ShardError, match="s2_10m is damaged or not compressed with blosc2"):
        decode({"s2_10m": bytes(64)}, codec="blosc2")


@pytest.mark.parametrize("wrong", [b"", b"ab" * 40, blosc2.compress2(bytes(100))])
def test_a_value_of_another_length_is_never_unpacked(folder, wrong):
    table = pq.read_table(folder / FIRST)
    number = table.column_names.index("s1")
    table = table.set_column(number, "s1", pa.array([wrong] * 100, pa.binary()))
    pq.write_table(table, folder / FIRST)
    shards = ShardSet.open(folder)
    with pytest.raises(ShardError, match=r"shard-00000.* is damaged \(a value "):
        shards.read_into(0, shards.buffers(1), 0)


def test_without_blosc2_one_line_says_what_to_install(folder, monkeypatch):
    real = builtins.__import__

    def without(name, *args, **kwargs):
        if name == "blosc2":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    _blosc2.cache_clear()
    with pytest.raises(InputError, match=r"pip install 'minortom\[blosc2\]'"):
        ShardSet.open(folder)
    with pytest.raises(InputError, match="--codec none"):
        write_packed(folder.parent / "other")
