"""Made-up shards for the tests of batches."""

import pytest
from shard_maker import write_made_up_shards

from minortom.shards.shard_set import ShardSet


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data") / "shards"
    write_made_up_shards(folder, num_patches=50, num_val=10, rows_per_shard=17)
    return folder


@pytest.fixture
def shards(folder):
    return ShardSet.open(folder)
