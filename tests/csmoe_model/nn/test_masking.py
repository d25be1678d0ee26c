from dataclasses import replace

import numpy as np
import pytest
import torch

from csmoe_model.data.noise import uniform_noise
from csmoe_model.nn.masking import Mask, draw_crops, draw_masks

MODES = ("independent", "identical", "disjoint")


def draw(samples=range(6), mode="independent", *, num_patches=49, mask_ratio=0.5, seed=0, epoch=0):
    return draw_masks(
        samples, num_patches=num_patches, mask_ratio=mask_ratio, mode=mode, seed=seed, epoch=epoch
    )


def same(one, other):
    return all(
        torch.equal(getattr(one.of(sensor), field), getattr(other.of(sensor), field))
        for sensor in ("s2", "s1")
        for field in ("visible_BU", "masked_BM")
    )


@pytest.mark.parametrize("mode", MODES)
def test_visible_and_masked_patches_are_all_patches_each_once(mode):
    masks = draw(mode=mode)
    for mask in (masks.s2, masks.s1):
        both = torch.cat([mask.visible_BU, mask.masked_BM], dim=1)
        assert torch.equal(both.sort(dim=1).values, torch.arange(49).expand(6, -1))


@pytest.mark.parametrize("mode", MODES)
def test_visible_and_masked_patches_come_in_raster_order(mode):
    masks = draw(mode=mode)
    for mask in (masks.s2, masks.s1):
        for index in (mask.visible_BU, mask.masked_BM):
            assert (index.diff(dim=1) > 0).all()


@pytest.mark.parametrize(
    ("num_patches", "mask_ratio", "visible"),
    [(49, 0.5, 24), (196, 0.5, 98), (10, 0.9, 1), (10, 0.7, 3), (64, 0.75, 16)],
)
def test_the_part_that_is_visible_is_rounded_down(num_patches, mask_ratio, visible):
    masks = draw(num_patches=num_patches, mask_ratio=mask_ratio)
    assert masks.s2.visible_BU.shape == (6, visible)
    assert masks.s1.masked_BM.shape == (6, num_patches - visible)


def test_ratio_zero_shows_every_patch_in_raster_order():
    masks = draw(mask_ratio=0.0)
    assert torch.equal(masks.s2.visible_BU, torch.arange(49).expand(6, -1))
    assert masks.s2.masked_BM.shape == (6, 0)


def test_identical_masks_are_the_same_for_both_sensors():
    masks = draw(mode="identical")
    assert torch.equal(masks.s2.visible_BU, masks.s1.visible_BU)


@pytest.mark.parametrize("mask_ratio", [0.5, 0.75])
def test_disjoint_masks_show_no_patch_to_both_sensors(mask_ratio):
    masks = draw(mode="disjoint", mask_ratio=mask_ratio)
    for s2, s1 in zip(masks.s2.visible_BU.tolist(), masks.s1.visible_BU.tolist(), strict=True):
        assert not set(s2) & set(s1)


def test_independent_masks_overlap_as_expected_by_chance():
    masks = draw(samples=range(2000), num_patches=64)
    seen = torch.zeros(2, 2000, 64, dtype=torch.bool)
    for number, mask in enumerate((masks.s2, masks.s1)):
        seen[number].scatter_(1, mask.visible_BU, value=True)
    assert (seen[0] & seen[1]).float().mean().item() == pytest.approx(0.25, abs=0.005)


def test_every_patch_is_visible_equally_often():
    mask = draw(samples=range(4000), num_patches=16).s2
    often = torch.bincount(mask.visible_BU.flatten(), minlength=16) / 4000
    assert (often - 0.5).abs().max() < 0.04  # five standard deviations


@pytest.mark.parametrize("mode", MODES)
def test_masks_do_not_depend_on_the_batch_or_the_order(mode):
    together = draw(samples=[3, 1_000_000, 7], mode=mode)
    alone = draw(samples=np.array([7]), mode=mode)
    assert torch.equal(together.s2.visible_BU[2:], alone.s2.visible_BU)
    assert torch.equal(together.s1.visible_BU[2:], alone.s1.visible_BU)


def test_masks_are_the_same_each_time_they_are_drawn():
    assert same(draw(), draw())


def test_seed_and_epoch_each_change_the_masks():
    drawn = [draw(seed=s, epoch=e) for s, e in ((0, 0), (1, 0), (0, 1), (1, 1), (0, 2), (2, 0))]
    for number, one in enumerate(drawn):
        assert not any(same(one, other) for other in drawn[number + 1 :])


def test_masks_do_not_change_between_releases():
    masks = draw(samples=[5], num_patches=8, seed=3, epoch=2)
    assert masks.s2.visible_BU.tolist() == [[1, 2, 4, 6]]
    assert masks.s1.visible_BU.tolist() == [[0, 1, 2, 3]]


def test_noise_is_uniform_and_its_streams_are_unrelated():
    noise = [
        uniform_noise(range(2000), 50, seed=0, epoch=0, stream=stream) for stream in ("a", "b")
    ]
    for one in noise:
        counts, _ = np.histogram(one, bins=20, range=(0, 1))
        assert np.abs(counts / 5000 - 1).max() < 0.07  # five standard deviations
        assert abs(np.corrcoef(one[:, 0], one[:, 1])[0, 1]) < 0.11
        assert abs(np.corrcoef(one[:-1, 0], one[1:, 0])[0, 1]) < 0.11
    assert abs(np.corrcoef(noise[0].ravel(), noise[1].ravel())[0, 1]) < 0.016


def test_a_mask_moves_to_another_device_whole():
    moved = draw().to("meta")
    assert isinstance(moved.s1, Mask)
    assert {moved.s2.visible_BU.device.type, moved.s1.masked_BM.device.type} == {"meta"}


def crops(samples=range(6), *, seed=0, epoch=0, grid_size=7, num_cropped=9):
    return draw_crops(
        samples, grid_size=grid_size, num_cropped=num_cropped, seed=seed, epoch=epoch
    )  # fmt: skip


def test_a_crop_is_a_square_window_of_the_grid_in_raster_order():
    for window in crops(range(50)):
        rows, columns = window.unique() // 7, window.unique() % 7
        assert len(window.unique()) == 9
        assert (window.diff() > 0).all()
        assert rows.max() - rows.min() == columns.max() - columns.min() == 2


def test_every_window_is_equally_likely():
    first = crops(range(25_000))[:, 0]
    number, count = first.unique(return_counts=True)
    assert number.tolist() == [7 * row + column for row in range(5) for column in range(5)]
    assert (count - 1000).abs().max() < 5 * 1000**0.5  # of a binomial with the mean 1000


def test_a_crop_is_a_function_of_seed_epoch_and_sample_alone():
    whole = crops(range(20))
    assert torch.equal(crops([17, 3]), whole[[17, 3]])
    for other in (crops(range(20), seed=1), crops(range(20), epoch=1)):
        assert not torch.equal(other, whole)


def test_crops_move_with_the_masks_of_a_batch():
    masks = replace(draw(), crop_BK=crops())
    assert masks.to("meta").crop_BK.device.type == "meta"
    assert draw().to("meta").crop_BK is None
