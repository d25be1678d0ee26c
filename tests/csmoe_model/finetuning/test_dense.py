"""Fine-tuning on label maps, with a small head in place of UPerNet (tests_eo has the real one)."""

from dataclasses import replace

import numpy as np
import pytest
import rasterio
import torch
from geotiff_maker import tiff
from label_maps import halves, segmentation_set
from model_folders import write_model
from torch import nn
from training_shards import learnable_shards

import csmoe_model
from minortom.errors import InputError
from minortom.sensors import MODEL_BANDS
from minortom.shards.shard_set import ShardSet


class LastMap(nn.Module):
    """A linear layer on the pixels of the last of four maps."""

    def __init__(self, width, num_classes, *, seed):
        super().__init__()
        torch.manual_seed(seed)
        self.layer = nn.Conv2d(width, num_classes, 1)

    def forward(self, maps):
        assert len(maps) == 4
        return self.layer(maps[-1])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dense")
    write_model(
        folder / "model",
        ShardSet.open(learnable_shards(folder / "shards", train=5, val=0)),
        seed=7,
    )
    return folder


@pytest.fixture(scope="module")
def tuned(folder):
    """Return a checkpoint that was fine-tuned on bright and dark halves, and its result."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("csmoe_model.finetuning.head_files.UPerNet", LastMap)
        patch.setattr("csmoe_model.finetuning.run.NUM_DRAWS", 20)
        result = csmoe_model.finetune(
            folder / "model", data=segmentation_set((16, 4, 6)), root=None, out=folder / "run",
            epochs=20, batch_size=8, validations=4, lr=1e-2, drop_path=0.0, compare=False,
            tensorboard=False, class_weights="balanced",
        )  # fmt: skip
        yield folder / "run", result


def test_label_maps_are_learned(tuned):
    _, result = tuned
    assert (result.headline, result.task) == ("miou", "segmentation")
    assert result.rows[0]["scores"]["miou"]["value"] > 0.8


def test_each_pixel_of_a_scene_gets_a_class_where_it_was_measured(tuned, tmp_path):
    run, _ = tuned
    images = halves(4, 9)
    tiles = images.images(np.arange(4))["s2"]
    scene = np.concatenate([np.concatenate(tiles[:2], 2), np.concatenate(tiles[2:], 2)], 1)
    scene[:, :4, :4] = 0
    tiff(tmp_path / "s.tif", scene, names=MODEL_BANDS["s2"], nodata=0)
    found = csmoe_model.predict(run, tmp_path / "s.tif", out=tmp_path / "c.tif", tile_px=16)

    with rasterio.open(tmp_path / "s.tif") as given, rasterio.open(tmp_path / "c.tif") as file:
        assert (file.transform, file.crs, file.shape) == (given.transform, given.crs, given.shape)
        codes = file.read(1)
    assert found.pixel_px == 1
    assert (codes[:4, :4] == 255).all() and (codes != 255).sum() == codes.size - 16
    labels = images.labels
    wanted = np.block([[labels[0], labels[1]], [labels[2], labels[3]]])
    assert (codes == wanted)[codes != 255].mean() > 0.9


def test_images_need_one_class_each(folder, tuned, tmp_path):
    run, _ = tuned
    with pytest.raises(InputError, match="found a segmentation head"):
        csmoe_model.predict(run, folder / "shards", out=tmp_path / "p.parquet")


def test_a_segmentation_head_takes_one_sensor(folder, tmp_path):
    data = segmentation_set((4, 2, 2))
    bands = {**data.bands, "s1": MODEL_BANDS["s1"]}
    with pytest.raises(InputError, match="takes one sensor, found s2, s1 .*--sensor s2"):
        csmoe_model.finetune(
            folder / "model", data=replace(data, bands=bands), root=None, out=tmp_path / "run"
        )
