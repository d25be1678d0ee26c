import numpy as np
from points import annotated_table, random_lonlat

from minortom.grid.sphere import unit_vectors
from minortom.sampling.baselines import grts_selection, random_quadrant_order
from minortom.sampling.strata import Tiles


def test_the_order_visits_a_whole_quadrant_before_the_next():
    lon, lat = random_lonlat(1000)
    points = unit_vectors(lon, lat)
    order = random_quadrant_order(points, np.random.default_rng(0))
    middle_lon, middle_z = ((x.min() + x.max()) / 2 for x in (lon, points[:, 2]))
    quadrant = 2 * (lon[order] >= middle_lon) + (points[order, 2] >= middle_z)

    assert sorted(order) == list(range(1000))
    assert np.count_nonzero(np.diff(quadrant)) == 3


def test_each_tile_is_drawn_equally_often():
    tiles = Tiles.of_table(annotated_table(*random_lonlat(40), ["A/x"] * 40))
    drawn = np.zeros(40)
    for seed in range(1500):
        drawn[grts_selection(tiles, np.array([10]), seed=seed)] += 1

    assert drawn.sum() == 15_000
    assert abs(drawn / 1500 - 0.25).max() < 0.05  # standard deviation 0.011


def test_a_grts_draw_is_better_balanced_than_a_random_draw():
    lon, lat = random_lonlat(2000)
    tiles = Tiles.of_table(annotated_table(lon, lat, ["A/x"] * 2000))
    north = np.array([(lat[grts_selection(tiles, np.array([64]), seed=s)] > 0).sum()
                      for s in range(40)])  # fmt: skip

    assert north.std() < 2.5  # 4 by chance
