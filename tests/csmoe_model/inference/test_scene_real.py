"""A real Sentinel-2 tile: blended features have no seams at the edges of tiles."""

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from rasterio.io import MemoryFile
from scene_fixtures import STATISTICS, MadeScene
from training_shards import MODEL

from csmoe_model.csmoe import CSMoE
from csmoe_model.data.preprocess import Preprocess
from csmoe_model.inference.scene_encoder import SceneEncoder
from csmoe_model.inference.scene_features import feature_rows
from csmoe_model.inference.tile_grid import TileGrid
from minortom.sensors import MODEL_BANDS

TILE_PX = 32  # in 4 tokens: many tiles, quickly encoded


@pytest.fixture(scope="module")
def scene(real_data):
    """Return the Sentinel-2 tile, with its 20 m bands resampled to 10 m."""
    path = real_data / "majortom-sample" / "Core-S2L2A" / "images" / "part_00001.parquet"
    row = pq.ParquetFile(path).read_row_group(1, columns=list(MODEL_BANDS["s2"])).to_pylist()[0]
    bands = []
    for name in MODEL_BANDS["s2"]:
        with MemoryFile(row[name]) as file, file.open() as dataset:
            found = dataset.read(1)
        times = 1068 // len(found)
        bands.append(found.repeat(times, 0).repeat(times, 1))
    return MadeScene({"s2": np.stack(bands).astype(np.float32)})


def step_at_edges(scene, *, overlap):
    """Return the mean step between tokens at the edges of tiles, relative to that elsewhere."""
    torch.manual_seed(0)
    model = CSMoE(MODEL).eval()
    model.preprocess = Preprocess(STATISTICS)
    grid = TileGrid(height_px=1068, width_px=1068, tile_px=TILE_PX, tile_tokens=4, overlap=overlap)
    rows = feature_rows(
        scene, grid, SceneEncoder(model=model), channels={"s2": range(10)}, width=MODEL.width
    )
    step = np.linalg.norm(np.diff(np.concatenate(list(rows)), axis=1), axis=2).mean(axis=0)
    edges = [left - 1 for left in grid.lefts if left]
    return step[edges].mean() / np.delete(step, edges).mean()


def test_edges_of_tiles_are_visible_only_without_overlap(scene):
    assert step_at_edges(scene, overlap=0) > 1.05
    assert step_at_edges(scene, overlap=0.5) == pytest.approx(1, abs=0.03)
