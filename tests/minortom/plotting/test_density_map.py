"""Density maps: counts, land, and reasonable shapes for any extent."""

import io

import numpy as np
import pytest

from minortom.plotting import density_map


def test_density_counts_as_a_loop_does():
    rng = np.random.default_rng(0)
    lon, lat = rng.uniform(-180, 180, 500), rng.uniform(-90, 90, 500)
    lon[:3], lat[:3] = (180, -180, 0), (90, -90, 0)
    expected = np.zeros((180, 360), int)
    for x, y in zip(lon, lat, strict=True):
        expected[min(int(np.floor(y)) + 90, 179), (int(np.floor(x)) + 180) % 360] += 1

    np.testing.assert_array_equal(density_map.density(lon, lat), expected)


def test_land_is_where_it_is_on_earth():
    inland = np.array([10.0, 100.0, -60.0, 25.0]), np.array([50.0, 60.0, -10.0, 25.0])
    at_sea = np.array([-40.0, 80.0, -150.0]), np.array([30.0, -30.0, 0.0])

    assert density_map.share_on_land(*inland) == 1
    assert density_map.share_on_land(*at_sea) == 0
    assert len(density_map.coast_lines_near(*inland)) > 100
    assert density_map.coast_lines_near(*at_sea) == ()


def test_coast_lines_are_drawn_only_for_tiles_on_earth_s_land():
    figure = density_map.Figure()
    earth, other = figure.subplots(1, 2)
    density_map.draw_background(earth, land=True)
    density_map.draw_background(other, land=False)

    assert len(earth.collections) == 2
    assert len(other.collections) == 0


@pytest.mark.parametrize(
    ("lon", "lat"),
    [((7.0, 7.1), (46.0, 46.1)), ((-180.0, 179.99), (0.0, 0.0)), ((0.0, 1.0), (89.0, 90.0))],
    ids=["a region", "along the equator", "at the pole"],
)
def test_any_extent_gives_a_picture_of_reasonable_shape(lon, lat):
    import matplotlib.image

    points = np.array(lon), np.array(lat)
    data = density_map.density_map({"a": points, "b": points}, annotated=points)
    height, width = matplotlib.image.imread(io.BytesIO(data)).shape[:2]

    assert 0.3 < height / (width / 2) < 3  # of each of the two maps


def test_a_square_has_the_colour_of_its_most_frequent_class():
    import matplotlib.image

    lon, lat = np.array([0.5] * 5 + [2.5, 2.6]), np.array([0.5] * 5 + [1.5, 1.6])
    classes = np.array([2, 1, 1, 2, 2, 1, 0])  # of two as frequent, the first
    data = density_map.class_map(lon, lat, classes, ["#ff0000", "#00ff00", "#0000ff"])

    pixels = matplotlib.image.imread(io.BytesIO(data))[..., :3]
    count = [int((pixels == colour).all(axis=2).sum()) for colour in np.eye(3)]
    assert count[0] == pytest.approx(count[2], rel=0.1)  # one square each
    assert count[0] > 100
    assert count[1] == 0
