"""Encoding of tiles: the same tokens as from `prepare` and `encode`."""

import numpy as np
import pytest
import torch
from scene_fixtures import STATISTICS, MadeScene
from torch.nn import functional as F
from training_shards import MODEL

from csmoe_model.csmoe import CSMoE
from csmoe_model.data.preprocess import Preprocess
from csmoe_model.inference.scene_encoder import SceneEncoder, resampled
from csmoe_model.inference.scene_features import feature_rows
from csmoe_model.inference.tile_grid import TileGrid


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    model = CSMoE(MODEL)
    model.preprocess = Preprocess(STATISTICS)
    return model.eval()


def pixels(side, *, count=1, seed=0):
    rng = np.random.default_rng(seed)
    return {
        "s2": rng.uniform(500, 3000, (count, 10, side, side)).astype(np.float32),
        "s1": rng.uniform(-20, -5, (count, 2, side, side)).astype(np.float32),
    }


def tokens_of(model, images, sensor):
    """Return tokens by the steps of docs/use.md."""
    given = {sensor: torch.from_numpy(images[sensor])}
    with torch.inference_mode():
        prepared = model.prepare(**given, image_size=MODEL.image_size)
        return model.encode(**prepared, patch_tokens=True)[f"{sensor}_tokens"].numpy()


@pytest.mark.parametrize("side", [16, 24, 10])
def test_a_scene_of_one_tile_has_the_tokens_of_the_model(model, side):
    images = pixels(side)
    scene = MadeScene({"s2": images["s2"][0]})
    grid = TileGrid(height_px=side, width_px=side, tile_px=side, tile_tokens=4, overlap=0.5)
    rows = feature_rows(
        scene, grid, SceneEncoder(model=model), channels={"s2": range(10)}, width=32
    )
    found = np.concatenate(list(rows))
    np.testing.assert_array_equal(found.reshape(1, 16, 32), tokens_of(model, images, "s2"))


def test_tokens_of_both_sensors_are_their_mean(model):
    images = pixels(16, count=2)
    found = SceneEncoder(model=model)(images, row_phase_px=0, col_phases_px=[0, 0])
    s2, s1 = (tokens_of(model, images, sensor) for sensor in ("s2", "s1"))
    np.testing.assert_allclose(found, (s2 + s1) / 2, atol=1e-6)


@pytest.mark.parametrize(("side", "size"), [(120, 224), (120, 56), (16, 16), (17, 12)])
def test_a_tiny_phase_resizes_as_no_phase_does(side, size):
    image = torch.rand(1, 3, side, side)
    wanted = F.interpolate(
        image, size=(size, size), mode="bilinear", antialias=size < side, align_corners=False
    )
    assert torch.equal(resampled(image, size, row_phase_px=0, col_phase_px=0), wanted)
    found = resampled(image, size, row_phase_px=1e-7, col_phase_px=-1e-7)
    torch.testing.assert_close(found, wanted, atol=1e-5, rtol=0)


# Averaging two pixels and a bit is not quite symmetric, with torch's own weights too.
@pytest.mark.parametrize(("size", "within"), [(224, 1e-3), (56, 0.7)])
@pytest.mark.parametrize(("row", "col"), [(0.5, -3 / 7), (-1 / 7, 0), (0, 2 / 7)])
def test_a_linear_ramp_stays_one_and_begins_with_the_image(size, within, row, col):
    centre = torch.arange(120) + 0.5
    image = (3 * centre[:, None] + 10 * centre)[None, None]
    found = resampled(image, size, row_phase_px=row, col_phase_px=col)
    place = (torch.arange(size) + 0.5) * 120 / size
    wanted = 3 * (place[:, None] + row) + 10 * (place + col)
    inside = slice(2, -2)
    assert (found[0, 0] - wanted)[inside, inside].abs().max() < within


def test_a_flat_scene_stays_flat_up_to_its_edges():
    found = resampled(torch.full((1, 1, 120, 120), 7.0), 224, row_phase_px=0.5, col_phase_px=-0.4)
    torch.testing.assert_close(found, torch.full((1, 1, 224, 224), 7.0))


def test_tokens_of_fractional_pixels_follow_a_ramp_across_a_scene(model, monkeypatch):
    """Tiles of 24 px have 7 tokens; a model that pools its image replaces the network."""
    patch = 4
    monkeypatch.setattr(model, "config", type("Config", (), {"image_size": 7 * patch}))
    monkeypatch.setattr(
        model, "encode",
        lambda *, s1, **_: {"s1_tokens": F.avg_pool2d(s1, patch).flatten(2).transpose(1, 2)},
    )  # fmt: skip
    slope = (np.arange(59)[:, None] + 0.5) * 2 + (np.arange(70) + 0.5) * 3
    grid = TileGrid(height_px=59, width_px=70, tile_px=24, tile_tokens=7, overlap=0.5)
    rows = feature_rows(
        MadeScene({"s1": np.stack([slope, slope])}), grid, SceneEncoder(model=model),
        channels={"s1": (0, 1)}, width=2,
    )  # fmt: skip
    found = np.concatenate(list(rows))
    mean = model.preprocess.s1_mean.flatten().numpy()
    std = model.preprocess.s1_std.flatten().numpy()
    token_px = 24 / 7
    down, across = ((np.arange(n) + 0.5) * token_px for n in (grid.rows, grid.cols))
    wanted = down[:, None] * 2 + across * 3
    assert found.shape == (17, 20, 2)
    error = np.abs(found * std + mean - wanted[..., None])
    # At a tile's edge what lies outside is not seen, by up to half a pixel of the scene.
    assert error[1:-1, 1:-1].max() < 0.5
    assert np.median(error) < 0.02
