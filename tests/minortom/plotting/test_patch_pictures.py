"""Patches as pictures."""

import numpy as np
from training_shards import learnable_shards

from minortom.plotting.patch_pictures import patch_pictures
from minortom.shards.shard_set import ShardSet


def test_true_colour_is_reflectance_and_radar_is_db(tmp_path):
    data = ShardSet.open(learnable_shards(tmp_path / "shards", train=9))
    true_colour, radar = patch_pictures(data, 3)
    buffers = data.buffers(1)
    data.read_into(3, buffers, 0)
    red = buffers["s2_10m"][0, 2] * 1e-4  # B04
    np.testing.assert_allclose(
        true_colour[..., 0], np.clip(red / 0.3, 0, 1) ** (1 / 1.6), atol=1e-5
    )
    vh_db = buffers["s1"][0, 1] * 0.01
    np.testing.assert_allclose(radar[..., 1], np.clip((vh_db + 27) / 22, 0, 1), atol=1e-5)
