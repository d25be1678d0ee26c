"""Baseline features against arithmetic and a slow twin."""

import numpy as np
import pytest
import torch
from labelled_sets import bright_and_dark, split_of

from csmoe_model.extractors.band_statistics import BandStatistics
from csmoe_model.extractors.map_images import encode_set
from csmoe_model.extractors.random_convolutions import NUM_FILTERS, RandomConvolutions
from minortom.errors import InputError
from minortom.sensors import MODEL_BANDS

STATISTICS = BandStatistics.of_model_bands()


def fitted_on(split, sensors, *, seed=0, num_filters=None):
    """Return filters that were fitted on a split."""
    unfitted = RandomConvolutions.unfitted(num_filters=num_filters)
    return unfitted.fitted(split, sensors=sensors, bands={}, seed=seed)


@pytest.fixture(scope="module")
def split():
    return bright_and_dark({"train": 9}, side=7).split("train")


def test_band_statistics_are_what_numpy_says(split):
    found = encode_set(STATISTICS, split, sensors=["s2", "s1"])
    s2, s1 = (split.images(np.arange(9))[name] for name in ("s2", "s1"))
    wanted = [
        operation(images, axis=(2, 3))
        for images in (s2, s1)
        for operation in (np.mean, np.std, np.min, np.max)
    ]
    np.testing.assert_allclose(found, np.hstack(wanted), rtol=1e-4)


def test_baselines_use_only_the_bands_of_the_model():
    rng = np.random.default_rng(0)
    images = (1e4 * rng.random((3, 12, 5, 5))).astype(np.float32)
    names = ("B01", *MODEL_BANDS["s2"], "B09")
    found = STATISTICS({"s2": images}, bands={"s2": names})
    torch.testing.assert_close(found, STATISTICS({"s2": images[:, 1:11]}), rtol=0, atol=0)


def test_filters_are_whitened_patches_and_responses_are_averaged(split):
    """Every step again, pixel by pixel, as torchgeo's `RCF` and MOSAIKS write them."""
    found = encode_set(fitted_on(split, ["s1"], seed=5, num_filters=6), split, sensors=["s1"])

    images = split.images(np.arange(9))["s1"].astype(np.float64)
    rng = np.random.default_rng(5)
    chosen, places = np.sort(rng.integers(0, 9, 6)), rng.random((6, 2))
    pixels = images[chosen]
    mean, std = (f(pixels, axis=(0, 2, 3))[:, None, None] for f in (np.mean, np.std))
    corners = (places * 5).astype(int)
    patches = np.stack(
        [
            ((image - mean) / std)[:, row : row + 3, col : col + 3].ravel()
            for image, (row, col) in zip(pixels, corners, strict=True)
        ]
    )
    patches -= patches.mean(1, keepdims=True)
    patches /= np.linalg.norm(patches, axis=1, keepdims=True)
    values, vectors = np.linalg.eigh(patches.T @ patches / 6)
    zca = vectors @ np.diag((values + 1e-3) ** -0.5) @ vectors.T
    filters = (patches @ zca @ zca.T).reshape(6, 2, 3, 3)

    for image, features in zip((images - mean) / std, found, strict=True):
        answers = np.array(
            [
                [
                    (image[:, row : row + 3, col : col + 3] * one).sum() - 1
                    for row in range(5) for col in range(5)
                ]
                for one in filters
            ]
        )  # fmt: skip
        wanted = np.concatenate([np.maximum(answers, 0).mean(1), np.maximum(-answers, 0).mean(1)])
        np.testing.assert_allclose(features, wanted, rtol=2e-3, atol=1e-3)


def test_the_seed_determines_the_filters(split):
    first, again, other = (
        fitted_on(split, ["s2"], seed=seed).filters["s2"].numpy() for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(first, again)
    assert first.shape == (NUM_FILTERS, 10, 3, 3)
    assert not np.allclose(first, other)


def test_each_sensor_has_filters_of_its_own(split):
    fitted, alone = (fitted_on(split, of, num_filters=4) for of in (["s2", "s1"], ["s1"]))
    both = encode_set(fitted, split, sensors=["s2", "s1"])
    assert both.shape == (9, 16)
    np.testing.assert_allclose(both[:, 8:], encode_set(alone, split, sensors=["s1"]), atol=1e-5)


def test_a_constant_band_has_finite_features():
    flat = split_of({"s1": np.full((4, 2, 8, 8), -12, np.float32)}, np.zeros(4, np.int64))
    fitted = fitted_on(flat, ["s1"], num_filters=4)
    assert np.isfinite(encode_set(fitted, flat, sensors=["s1"])).all()


def test_an_image_smaller_than_a_filter_is_a_one_line_error():
    tiny = split_of({"s1": np.ones((2, 2, 2, 9), np.float32)}, np.zeros(2, np.int64))
    with pytest.raises(InputError, match="at least 3 × 3 px, .* found 2 × 9 px"):
        fitted_on(tiny, ["s1"])
