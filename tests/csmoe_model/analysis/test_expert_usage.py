"""Use of the experts: numbers, and maps as pictures."""

import base64
import io

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.metrics import mutual_info_score
from training_shards import MODEL

from csmoe_model.analysis.expert_maps import dim_picture, expert_colours, expert_map, heat_map
from csmoe_model.analysis.expert_usage import (
    chance_information,
    group_shares,
    information,
    measure_maps,
    measure_usage,
)


def routings(trained, data, sample, sensor):
    """Return the routing of one image in each layer, from the model itself."""
    buffers, found = data.buffers(1), []
    data.read_into(sample, buffers, 0)
    images = trained.normalise({c: torch.from_numpy(array) for c, array in buffers.items()})
    with torch.no_grad():
        trained.model.backbone.tokens(
            sensor, images[sensor], on_layer=lambda _, routing: found.append(routing)
        )
    return found


def test_usage_is_the_combine_weight_of_each_sample_sensor_and_layer(trained, data):
    samples = np.array([7, 0, 11])

    usage = measure_usage(trained, data, samples, workers=1)

    assert [(layer.sensor, layer.module) for layer in usage.layers] == [
        ("s2", "own.0"), ("s2", "shared.0"), ("s1", "own.0"), ("s1", "shared.0"),
    ]  # fmt: skip
    assert usage.share_KLE.shape == (3, 4, MODEL.num_experts)
    for number, sample in enumerate(samples):
        wanted = [
            routing.combine_BNES[0].sum((0, 2)) / 17
            for sensor in ("s2", "s1")
            for routing in routings(trained, data, sample, sensor)
        ]
        np.testing.assert_allclose(usage.share_KLE[number], torch.stack(wanted), atol=1e-5)


def test_numbers_come_from_a_gpu_by_copies_to_main_memory_alone(trained, data, monkeypatch):
    def refuse(*_):  # as a tensor on a GPU does, which `np.array` looks into
        raise TypeError("can't convert cuda:0 device type tensor to numpy")

    monkeypatch.setattr(torch.Tensor, "__array__", refuse)
    assert measure_usage(trained, data, np.arange(3), workers=1).share_KLE.shape[0] == 3
    assert measure_maps(trained, data, 5).cls_LE.shape == (4, MODEL.num_experts)


def test_entropies_are_means_over_all_samples(trained, data):
    """The batches have different sizes, so that their means have different weights."""
    samples = np.arange(12).repeat(3)  # 36: a batch of 32 and one of 4

    once, thrice = (measure_usage(trained, data, k, workers=1) for k in (np.arange(12), samples))

    for name, wanted in once.entropies.items():
        np.testing.assert_allclose(thrice.entropies[name], wanted, rtol=1e-4)
        assert ((wanted >= 0) & (wanted <= 1)).all()


def test_progress_ends_at_all_samples(trained, data):
    told = []
    measure_usage(trained, data, np.arange(12), on_progress=lambda *now: told.append(now))
    assert told[-1] == (12, 12)


def test_a_map_holds_the_weights_of_the_places_in_raster_order(trained, data):
    maps = measure_maps(trained, data, 5)

    wanted = routings(trained, data, 5, "s1")[1]  # the fourth layer: shared, of s1
    dispatch = wanted.dispatch_BNES[0].mean(2)
    for row, column in ((0, 0), (0, 3), (2, 1)):
        place = 1 + 4 * row + column
        np.testing.assert_allclose(
            maps.dispatch_LEHW[3, :, row, column], dispatch[place], atol=1e-6
        )
        np.testing.assert_allclose(
            maps.combine_LEHW[3, :, row, column], wanted.combine_BNES[0, place].sum(1), atol=1e-6
        )
    np.testing.assert_allclose(maps.cls_LE[3], dispatch[0], atol=1e-6)


def test_dispatch_weights_of_an_expert_and_shares_of_a_place_sum_to_1(trained, data):
    maps = measure_maps(trained, data, 0)
    np.testing.assert_allclose(maps.dispatch_LEHW.sum((2, 3)) + maps.cls_LE, 1, rtol=1e-5)
    np.testing.assert_allclose(maps.combine_LEHW.sum(1), 1, rtol=1e-5)


def test_groups_are_averaged_sample_by_sample():
    share = np.array([[1, 0], [0.5, 0.5], [0, 1], [0.2, 0.8]], np.float32)

    names, counts, found = group_shares(share, ["b", "a", "b", "b"])

    assert names == ["a", "b"]
    assert counts.tolist() == [1, 3]
    np.testing.assert_allclose(found, [[0.5, 0.5], [0.4, 0.6]], rtol=1e-6)


def test_information_is_1_bit_for_disjoint_experts_and_0_for_equal_shares():
    hard = np.eye(2, dtype=np.float32)[[0, 0, 1, 1]]
    assert information(hard, ["a", "a", "b", "b"]) == pytest.approx(1)
    assert information(hard, ["a", "b", "a", "b"]) == pytest.approx(0, abs=1e-6)


def test_information_agrees_with_scikit_learn():
    generator = np.random.default_rng(0)
    expert, group = generator.integers(0, 5, 300), generator.integers(0, 7, 300)
    share = np.eye(5, dtype=np.float32)[expert]

    found = information(share, [str(g) for g in group])

    assert found * np.log(2) == pytest.approx(mutual_info_score(group, expert), rel=1e-4)


def test_chance_keeps_the_patches_of_a_tile_together():
    """With two tiles in two groups, every shuffle separates the tiles."""
    share = np.eye(2, dtype=np.float32)[[0] * 20 + [1] * 20]
    tiles, groups = ["x"] * 20 + ["y"] * 20, ["a"] * 20 + ["b"] * 20
    assert chance_information(share, groups, tiles, seed=0) == pytest.approx(1)

    apart = [str(number) for number in range(40)]
    assert chance_information(share, groups, apart, seed=0) < 0.1


def pixels(uri):
    head, data = uri.split(",")
    assert head == "data:image/png;base64"
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data))))


def test_a_heat_map_is_clear_at_zero_and_yellow_at_the_brightest():
    weight = np.array([[0, 0.2], [0.4, 0.1]], np.float32)
    found = pixels(heat_map(weight, brightest=0.4))
    assert found.shape == (2, 2, 4)
    assert found[0, 0, 3] == 0
    assert found[1, 0].tolist() == [255, 255, 0, 255]
    assert found[1, 1, 1] < found[0, 1, 1] < found[1, 0, 1]


def test_a_place_has_the_colour_of_the_expert_with_the_largest_share():
    share = np.zeros((3, 1, 2), np.float32)
    share[2, 0, 0], share[0, 0, 1], share[1, 0, 1] = 1, 0.5, 0.3
    found = pixels(expert_map(share)) / 255
    palette = np.array(expert_colours(3))
    np.testing.assert_allclose(found[0, 0], palette[2], atol=0.01)
    np.testing.assert_allclose(found[0, 1], palette[0] / 2 + 0.5, atol=0.01)


def test_every_expert_has_a_colour_of_its_own():
    for count in (2, 8, 16):
        assert len(set(expert_colours(count))) == count


def test_the_dim_picture_is_grey():
    found = pixels(dim_picture(np.random.default_rng(0).random((4, 4, 3)).astype(np.float32)))
    assert (found == found[..., :1]).all()
