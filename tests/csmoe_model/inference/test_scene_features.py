"""Blending of tiles: where tokens are means of pixels, the map has the means of the scene."""

import numpy as np
import pytest
from scene_fixtures import MadeScene, MeanOfPixels, pool

from csmoe_model.inference import scene_features
from csmoe_model.inference.scene_features import feature_rows
from csmoe_model.inference.tile_grid import TileGrid
from minortom.errors import InputError

TOKEN_PX, TILE_TOKENS = 5, 4


def scene_of(height_px, width_px, measured=None, seed=0):
    values = np.random.default_rng(seed).uniform(0, 100, (2, height_px, width_px))
    return MadeScene({"s1": values.astype(np.float32)}, measured)


def features(scene, *, overlap=0.5, encode=None, calls=None):
    grid = TileGrid(
        height_px=scene.height_px, width_px=scene.width_px, tile_px=TOKEN_PX * TILE_TOKENS,
        tile_tokens=TILE_TOKENS, overlap=overlap,
    )  # fmt: skip
    rows = feature_rows(
        scene, grid, encode or MeanOfPixels(TOKEN_PX), channels={"s1": [1, 0]}, width=2,
        on_progress=lambda *numbers: (calls if calls is not None else []).append(numbers),
    )  # fmt: skip
    return np.concatenate(list(rows))


@pytest.mark.parametrize("overlap", [0, 0.3, 0.5, 0.9])
@pytest.mark.parametrize("size", [(20, 20), (20, 47), (63, 24), (101, 99)])
def test_means_of_pixels_give_the_means_of_the_scene(size, overlap):
    scene = scene_of(*size)
    found = features(scene, overlap=overlap)
    wanted = pool(scene.values["s1"][::-1], TOKEN_PX)
    np.testing.assert_allclose(found, wanted.transpose(1, 2, 0), rtol=1e-6)


def test_each_row_is_read_once_and_memory_holds_one_row_of_tiles():
    scene = scene_of(103, 40)
    features(scene, overlap=0.5)
    assert scene.reads["s1"].tolist() == [1] * 100 + [0] * 3
    assert scene.most_rows == 20


def test_tokens_of_overlapping_tiles_are_weighted_by_their_distance_from_the_edges():
    numbers = iter(range(100))

    def number_of_tile(*_, col_phases_px, **__):
        tiles = [next(numbers) for _ in col_phases_px]
        return np.ones((len(tiles), TILE_TOKENS**2, 2), np.float32) * np.array(tiles)[:, None, None]

    found = features(scene_of(20, 30), encode=number_of_tile)
    np.testing.assert_allclose(found[..., 0], [[0, 0, 0.25, 0.75, 1, 1]] * 4)


def test_one_tile_keeps_its_tokens_bit_for_bit():
    tokens = np.random.default_rng(1).normal(size=(1, 16, 2)).astype(np.float32)
    found = features(scene_of(20, 20), encode=lambda *_, **__: tokens)
    np.testing.assert_array_equal(found, tokens.reshape(4, 4, 2))


def test_unmeasured_tokens_are_nan_and_do_not_change_the_others():
    measured = np.ones((60, 60), bool)
    measured[:25, 10:20] = False  # ten whole tokens
    measured[40:43, 40:45] = False  # three fifths of one
    measured[55:57, 50:55] = False  # two fifths of one
    whole = scene_of(60, 60)
    holes = scene_of(60, 60, measured)
    holes.values["s1"][:, ~measured] = np.nan
    found, wanted = features(holes)[..., 0], features(whole)[..., 0]

    missing = np.zeros((12, 12), bool)
    missing[:5, 2:4] = missing[8, 8] = True
    np.testing.assert_array_equal(np.isnan(found), missing)
    missing[11, 10] = True  # in part of what was filled in
    np.testing.assert_allclose(found[~missing], wanted[~missing], rtol=1e-6)


def test_unmeasured_pixels_get_the_mean_of_the_band_in_the_tile():
    measured = np.ones((20, 20), bool)
    measured[0, 0:2] = False
    scene = scene_of(20, 20, measured)
    filled = scene.values["s1"].copy()
    for band in filled:
        band[~measured] = band[measured].mean()
    scene.values["s1"][:, ~measured] = 1e9
    np.testing.assert_allclose(
        features(scene), pool(filled[::-1], TOKEN_PX).transpose(1, 2, 0), rtol=1e-5
    )


def test_tiles_without_a_measured_token_are_not_encoded():
    measured = np.zeros((20, 100), bool)
    measured[:, :10] = True
    encode = MeanOfPixels(TOKEN_PX)
    found = features(scene_of(20, 100, measured), encode=encode)
    assert encode.batches == [1]
    assert np.isfinite(found[:, :2]).all()
    assert np.isnan(found[:, 2:]).all()


def test_a_scene_that_was_not_measured_is_one_line():
    with pytest.raises(
        InputError, match="with measured pixels in all bands of the model, found none"
    ):
        features(scene_of(20, 40, np.zeros((20, 40), bool)))


def test_batches_and_progress_count_the_tiles(monkeypatch):
    monkeypatch.setattr(scene_features, "BATCH_SIZE", 2)
    encode, calls = MeanOfPixels(TOKEN_PX), []
    scene = scene_of(30, 40)
    found = features(scene, encode=encode, calls=calls)
    assert encode.batches == [2, 1] * 2
    assert calls == [(2, 6), (3, 6), (5, 6), (6, 6), (6, 6)]
    np.testing.assert_array_equal(found, features(scene))
