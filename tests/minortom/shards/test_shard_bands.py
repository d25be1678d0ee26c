"""Shards with some bands only."""

import numpy as np
import pyarrow.parquet as pq
import pytest
from shard_maker import PROVENANCE, made_up_metadata, made_up_tensors

from csmoe_model.data.loader import Loader
from minortom.dataset.verify import verify
from minortom.errors import InputError
from minortom.shards.layout import SampleSpec
from minortom.shards.rows import decode
from minortom.shards.shard_set import ShardSet
from minortom.shards.writer import write_shards

FEW = ("B04", "B02", "vh")


def write_few_bands(folder):
    spec = SampleSpec(patch_px=8, bands=FEW)
    whole = made_up_tensors(20, 8)
    tensors = {"s2_10m": whole["s2_10m"][:, [0, 2]], "s1": whole["s1"][:, [1]]}
    write_shards(
        folder, tensors=tensors, metadata=made_up_metadata(20, num_val=4), spec=spec,
        provenance=PROVENANCE,
    )  # fmt: skip
    return tensors


def test_a_data_set_may_have_some_bands_only(tmp_path):
    tensors = write_few_bands(tmp_path / "few")
    shards = ShardSet.open(tmp_path / "few")

    assert shards.spec.bands == ("B02", "B04", "vh")
    assert [group.column for group in shards.spec.groups] == ["s2_10m", "s1"]
    buffers = shards.buffers(1)
    shards.read_into(7, buffers, 0)
    for column, array in tensors.items():
        np.testing.assert_array_equal(buffers[column][0], array[7])
    assert shards.statistics["s2_10m"]["bands"] == ("B02", "B04")
    red = tensors["s2_10m"][4:, 1]
    assert shards.statistics["s2_10m"]["mean"][1] == pytest.approx(red.mean(), rel=1e-12)
    assert verify(tmp_path / "few", deep=True).problems == ()


def test_rows_are_decoded_with_the_bands(tmp_path):
    tensors = write_few_bands(tmp_path / "few")
    row = pq.read_table(tmp_path / "few" / "shard-00000-of-00001.parquet").to_pylist()[3]
    found = decode(row, bands=FEW)
    np.testing.assert_array_equal(found["s2_10m"], tensors["s2_10m"][3])
    assert (found["s2_10m_bands"], found["s1_bands"]) == (["B02", "B04"], ["vh"])
    assert "s2_20m" not in found


def test_the_loader_names_the_bands_that_are_missing(tmp_path):
    write_few_bands(tmp_path / "few")
    with pytest.raises(
        InputError, match=r"the model needs all bands .* does not have B03, B08, B05, .*, vv;"
    ):
        Loader(ShardSet.open(tmp_path / "few"), [])


@pytest.mark.parametrize(
    ("bands", "message"),
    [
        (("B02", "B01", "vv"), "bands must be among B02, .*, found B01"),
        (("B02", "B02", "vv"), "each band must be named once, found B02, B02, vv"),
        (("B02", "B11"), "a sample must have a band of each sensor, .* none of s1"),
    ],
)
def test_invalid_bands_are_refused(bands, message):
    with pytest.raises(InputError, match=message):
        SampleSpec(patch_px=8, bands=bands)
