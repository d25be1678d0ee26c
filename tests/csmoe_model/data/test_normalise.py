"""Normalised images: bands, z-score, flips and size."""

import numpy as np
import pytest
import torch

from csmoe_model.data.loader import Loader
from csmoe_model.data.normalise import Normalise, draw_flips, resized
from csmoe_model.data.sampler import OrderedBatches
from minortom.errors import InputError
from minortom.sensors import MODEL_BANDS


def test_undoing_the_z_score_gives_the_stored_values_back(shards):
    normalise = Normalise(shards.statistics, image_size=8)
    buffers = shards.buffers(1)
    shards.read_into(3, buffers, 0)
    images = normalise({column: torch.from_numpy(array) for column, array in buffers.items()})
    s2 = normalise.stored_values("s2", images["s2"])[0].numpy()
    np.testing.assert_allclose(s2[0], buffers["s2_10m"][0, 0], rtol=1e-3)  # B02
    twenty = buffers["s2_20m"][0, 3].astype(float)  # B8A
    np.testing.assert_allclose(s2[7], np.kron(twenty, np.ones((2, 2))), rtol=1e-3)
    s1 = normalise.stored_values("s1", images["s1"])[0].numpy()
    np.testing.assert_allclose(s1, buffers["s1"][0], rtol=1e-3, atol=0.01)


def test_images_are_the_bands_by_wavelength_z_scored_at_10_m(shards):
    normalise = Normalise(shards.statistics, image_size=8)
    buffers = shards.buffers(1)
    shards.read_into(3, buffers, 0)
    images = normalise({column: torch.from_numpy(array) for column, array in buffers.items()})

    where = {
        band: (column, place)
        for column, of_column in shards.statistics.items()
        for place, band in enumerate(of_column["bands"])
    }
    for sensor, bands in MODEL_BANDS.items():
        assert images[sensor].shape == (1, len(bands), 8, 8)
        for channel, band in enumerate(bands):
            column, place = where[band]
            stored = buffers[column][0, place].astype(float)
            times = 8 // stored.shape[0]
            wanted = np.kron(stored, np.ones((times, times)))
            mean, std = (shards.statistics[column][name][place] for name in ("mean", "std"))
            np.testing.assert_allclose(
                images[sensor][0, channel].numpy(), (wanted - mean) / std, rtol=1e-5, atol=1e-5
            )


def test_training_pixels_have_mean_0_and_deviation_1_in_every_band(shards):
    batches = OrderedBatches(samples=shards.indices("train"), batch_size=40)
    batch = next(iter(Loader(shards, batches)))
    for image_BCHW in Normalise(shards.statistics, image_size=8)(batch.tensors).values():
        torch.testing.assert_close(
            image_BCHW.mean((0, 2, 3)), torch.zeros(image_BCHW.shape[1]), atol=1e-4, rtol=0
        )
        torch.testing.assert_close(
            image_BCHW.std((0, 2, 3), correction=0), torch.ones(image_BCHW.shape[1])
        )


def test_both_sensors_of_a_pair_are_mirrored_alike(shards):
    normalise = Normalise(shards.statistics, image_size=12)
    buffers = shards.buffers(4)
    for row in range(4):
        shards.read_into(row, buffers, row)
    tensors = {column: torch.from_numpy(array) for column, array in buffers.items()}
    flips_B2 = torch.tensor([[False, False], [True, False], [False, True], [True, True]])
    axes = ([], [2], [1], [1, 2])  # of an image [band, row, column]
    plain, mirrored = normalise(tensors), normalise(tensors, flips_B2)
    for sensor in plain:
        for row, flip_axes in enumerate(axes):
            torch.testing.assert_close(
                mirrored[sensor][row], plain[sensor][row].flip(flip_axes), atol=1e-5, rtol=1e-5
            )


def test_flips_depend_on_seed_epoch_and_sample_and_are_fair_coins():
    samples = np.arange(4000)
    flips = draw_flips(samples, seed=1, epoch=2)
    torch.testing.assert_close(draw_flips(samples[::-1].copy(), seed=1, epoch=2), flips.flip(0))
    for other in (draw_flips(samples, seed=2, epoch=2), draw_flips(samples, seed=1, epoch=3)):
        assert 0.45 < (other == flips).double().mean() < 0.55
    quarters = torch.bincount(flips[:, 0] * 2 + flips[:, 1] * 1, minlength=4)
    assert quarters.min() > 900


def test_resizing_keeps_a_constant_and_a_gradient():
    ramp = torch.arange(12.0).expand(1, 1, 12, 12)
    larger, smaller = resized(ramp, 24), resized(ramp, 6)
    assert larger.shape == (1, 1, 24, 24)
    torch.testing.assert_close(larger[0, 0, 0, 2:-2].diff(), torch.full((19,), 0.5))
    torch.testing.assert_close(smaller[0, 0, 0, 1:-1].diff(), torch.full((3,), 2.0))
    assert resized(ramp, 12) is ramp


def test_statistics_of_other_bands_are_refused(shards):
    wrong = {**shards.statistics, "s1": {"bands": ("hh",), "mean": (0.0,), "std": (1.0,)}}
    message = r"s1 must be for the bands \['vv', 'vh'\], found \['hh'\]"
    with pytest.raises(InputError, match=message):
        Normalise(wrong, image_size=8)


def test_a_band_without_contrast_is_refused(shards):
    flat = {**shards.statistics["s1"], "std": (1.0, 0.0)}
    message = "the std of each band of s1 must be finite and above 0, found .* contrast"
    with pytest.raises(InputError, match=message):
        Normalise({**shards.statistics, "s1": flat}, image_size=8)


def test_every_pixel_counts_where_an_image_shrinks():
    image_BCHW = torch.zeros(1, 1, 16, 16, requires_grad=True)
    resized(image_BCHW, 4).sum().backward()
    assert image_BCHW.grad is not None
    assert (image_BCHW.grad > 0).all()
