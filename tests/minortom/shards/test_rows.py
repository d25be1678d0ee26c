"""Rows that other libraries read from shards become the arrays that were written."""

import subprocess
import sys

import numpy as np
import pyarrow.parquet as pq
import pytest
from shard_maker import PROVENANCE, made_up_metadata, made_up_tensors, write_made_up_shards

from minortom.errors import ShardError
from minortom.shards.rows import decode
from minortom.shards.writer import write_shards

COLUMNS = ("s2_10m", "s2_20m", "s1")


def rows_of(folder):
    return [
        row for path in sorted(folder.glob("*.parquet")) for row in pq.read_table(path).to_pylist()
    ]


def test_a_row_of_pyarrow_is_what_was_written(tmp_path):
    tensors = write_made_up_shards(tmp_path / "shards", num_patches=20, num_val=4)
    for number, row in enumerate(rows_of(tmp_path / "shards")):
        found = decode(row)
        for column in COLUMNS:
            np.testing.assert_array_equal(found[column], tensors[column][number])
            assert found[column].dtype == tensors[column].dtype
        assert found["grid_cell"] == row["grid_cell"]


def test_bands_scale_and_unit_come_with_the_array(tmp_path):
    write_made_up_shards(tmp_path / "shards", num_patches=20, num_val=4)
    found = decode(rows_of(tmp_path / "shards")[0])
    assert found["s2_10m_bands"] == ["B02", "B03", "B04", "B08"]
    assert (found["s1_scale"], found["s1_unit"]) == (0.01, "dB (gamma0)")


def test_a_row_without_some_tensors_keeps_the_others():
    found = decode({"s1": np.arange(8, dtype="<i2").tobytes(), "split": "val"})
    assert sorted(found) == ["s1", "s1_bands", "s1_scale", "s1_unit", "split"]
    np.testing.assert_array_equal(found["s1"], np.arange(8).reshape(2, 2, 2))


def test_decoded_arrays_are_writable():
    found = decode({"s1": bytes(16)})
    found["s1"][0, 0, 0] = 7


@pytest.mark.parametrize("num_bytes", [0, 4 * 3, 2 * 2 * 5])
def test_a_value_that_is_not_square_is_refused(num_bytes):
    with pytest.raises(ShardError, match="must have a square of pixels in each of"):
        decode({"s1": bytes(num_bytes)})


STREAM = """
import sys
from datasets import load_dataset
from minortom.shards.rows import decode
rows = load_dataset("parquet", data_files=sys.argv[1], split="train", streaming=True)
raw = next(iter(rows))
assert all(isinstance(raw[name], bytes) for name in ("s2_10m", "s2_20m", "s1")), raw
for row in rows.filter(lambda row: row["split"] == "train").map(decode):
    print(row["s2_product_id"], row["s1"].shape, row["s1"].dtype, int(row["s1"].sum()),
          row["s1_bands"])
"""


def test_the_datasets_library_streams_them_and_zeros_at_the_end_survive(tmp_path):
    pytest.importorskip("datasets")
    tensors = made_up_tensors(10, 8)
    for column in COLUMNS:
        tensors[column][:, -1] = 0  # the last band: a value's last bytes
    write_shards(
        tmp_path / "own", tensors=tensors, metadata=made_up_metadata(10, num_val=4),
        provenance=PROVENANCE,
    )  # fmt: skip
    # In a separate process, since the library writes a cache to the folder HF_HOME.
    environment = {
        "HF_HOME": str(tmp_path / "home"), "HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1",
        "PATH": "/usr/bin:/bin",
    }  # fmt: skip
    ran = subprocess.run(
        [sys.executable, "-c", STREAM, str(tmp_path / "own" / "*.parquet")],
        capture_output=True, text=True, env=environment, timeout=120, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.splitlines() == [
        f"s2-{number} (2, 8, 8) int16 {tensors['s1'][number].sum()} ['vv', 'vh']"
        for number in range(4, 10)
    ]
