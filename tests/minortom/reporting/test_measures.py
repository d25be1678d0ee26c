import numpy as np
import pytest
from points import RADIUS_KM, annotated_table, distances_km, random_lonlat
from sklearn.neighbors import BallTree

from minortom.errors import InputError
from minortom.reporting import measures
from minortom.reporting.measures import count, measure

DEGREE_KM = np.pi * RADIUS_KM / 180


@pytest.fixture(scope="module")
def lonlat():
    return random_lonlat(300)


@pytest.fixture(scope="module")
def table(lonlat):
    strata = ["Af/tree_cover"] * 200 + ["BWh/bare"] * 90 + ["ET/snow"] * 10
    return annotated_table(*lonlat, strata)


def mask_of(count, *chosen):
    mask = np.zeros(count, np.bool_)
    mask[list(chosen)] = True
    return mask


def test_five_tiles_on_the_equator_by_arithmetic():
    table = annotated_table([0, 1, 2, 3, 10], [0] * 5, ["A/x"] * 4 + ["B/y"])
    found = measure(table, mask_of(5, 0, 2, 4), per_stratum=2)

    assert (found.tiles, found.strata) == (3, 2)
    assert (found.underfull, found.taken_whole) == (0, 1)  # B/y has one tile
    assert found.nn_km == pytest.approx((2 + 2 + 8) / 3 * DEGREE_KM)
    assert found.within_km == pytest.approx(2 * DEGREE_KM)
    assert found.cover_km == pytest.approx((0 + 1 + 0 + 1) / 4 * DEGREE_KM)
    assert found.pairwise_km == pytest.approx((2 + 10 + 8) / 3 * DEGREE_KM)


def test_balance_is_zero_if_each_tile_represents_equally_many():
    table = annotated_table([0, 1, 10, 11, 20, 21], [0] * 6, ["A/x"] * 6)

    assert measure(table, mask_of(6, 0, 3, 4)).balance == pytest.approx(0)
    # Voronoi cells of 1, 1 and 4 tiles, each tile expected half: (1/2 - 1)² twice, (2 - 1)².
    assert measure(table, mask_of(6, 0, 1, 3)).balance == pytest.approx((0.25 + 0.25 + 1) / 3)


def test_a_stratum_with_one_tile_in_the_set_has_no_distance_within():
    table = annotated_table([0, 1, 2, 50, 51, 53], [0] * 6, ["A/x"] * 3 + ["B/y"] * 3)
    wanted = {"A/x": 1, "B/y": 2}

    assert measure(table, mask_of(6, 1, 3, 5), per_stratum=wanted).within_km == pytest.approx(
        3 * DEGREE_KM
    )
    assert np.isnan(measure(table, mask_of(6, 1, 3), per_stratum=1).within_km)


def test_nearest_and_cover_agree_with_scikit_learn(lonlat, table):
    mask = mask_of(300, *np.random.default_rng(1).choice(200, 40, replace=False))
    radians = np.radians(np.stack([lonlat[1], lonlat[0]], axis=1))
    tree = BallTree(radians[mask], metric="haversine")
    found = measure(table, mask, per_stratum=40)

    to_other = tree.query(radians[mask], k=2)[0][:, 1] * RADIUS_KM
    to_selected = tree.query(radians[:200], k=1)[0] * RADIUS_KM
    assert found.nn_km == pytest.approx(to_other.mean())
    assert found.cover_km == pytest.approx(to_selected.mean())


def test_within_is_the_mean_over_large_strata_of_each_ones_mean(lonlat, table):
    rng = np.random.default_rng(2)
    first, second = rng.choice(200, 20, replace=False), rng.choice(90, 20, replace=False) + 200
    mask = mask_of(300, *first, *second, *range(290, 300))
    distance = distances_km(*lonlat)

    means = [
        distance[np.ix_(rows, rows)][np.triu_indices(20, 1)].mean() for rows in (first, second)
    ]
    assert measure(table, mask, per_stratum=20).within_km == pytest.approx(np.mean(means))
    assert measure(table, mask) == measure(table, mask, per_stratum=20)
    found = measure(table, mask)
    assert (found.underfull, found.taken_whole) == (0, 1)
    found = measure(table, mask & (np.arange(300) < 299))
    assert (found.underfull, found.taken_whole) == (1, 0)


def test_requested_tiles_may_differ_by_stratum(table):
    mask = mask_of(300, *range(10), *range(200, 205))
    wanted = {"Af/tree_cover": 10, "BWh/bare": 5}

    assert measure(table, mask, per_stratum=wanted).underfull == 0


def test_a_table_of_selected_tiles_equals_a_mask(table):
    mask = mask_of(300, *range(0, 300, 7))

    assert measure(table, table.filter(mask), per_stratum=20) == measure(
        table, mask, per_stratum=20
    )


def test_the_full_set_covers_itself(table):
    found = measure(table, np.ones(300, np.bool_), per_stratum=50)

    assert found.tiles == 300
    assert found.cover_km == pytest.approx(0, abs=1e-3)
    assert found.balance == pytest.approx(0)


def test_a_sample_of_pairs_approximates_all_pairs(table, monkeypatch):
    everything = np.ones(300, np.bool_)
    exact = measure(table, everything, per_stratum=50)
    monkeypatch.setattr(measures, "MAX_FOR_PAIRS", 250)
    sampled = measure(table, everything, per_stratum=50)

    assert sampled.pairwise_km != exact.pairwise_km
    assert sampled.pairwise_km == pytest.approx(exact.pairwise_km, rel=0.02)


def test_measures_without_a_value_for_a_single_tile_are_nan(table):
    found = measure(table, mask_of(300, 5), per_stratum=1)

    assert np.isnan([found.nn_km, found.pairwise_km, found.within_km]).all()
    assert found.cover_km > 0


def test_two_tiles_in_one_place_are_no_distance_apart():
    table = annotated_table([7, 7], [90, 90], ["A/x"] * 2)

    # The kernel that averages pairs takes 1 m as the least distance.
    assert measure(table, np.ones(2, np.bool_)).nn_km == pytest.approx(0, abs=1e-6)
    assert measure(table, np.ones(2, np.bool_)).pairwise_km == pytest.approx(0.001)


def test_counts_are_means_and_deviations_over_classes(table):
    mask = mask_of(300, *range(20), *range(200, 216), *range(290, 300))
    found = count(table, mask, per_stratum=20)

    assert found.climate_mean == found.landcover_mean == pytest.approx((20 + 16 + 10) / 3)
    assert found.climate_sd == pytest.approx(np.std([20, 16, 10]))
    assert (found.stratum_mean, found.stratum_sd) == (20, 0)


def test_an_empty_selection_is_an_error(table):
    with pytest.raises(InputError, match="at least one tile, found none"):
        measure(table, np.zeros(300, np.bool_))


def test_cells_of_another_file_are_an_error(table):
    other = annotated_table([0], [0], ["A/x"]).set_column(0, "grid_cell", [["5D_5L"]])

    with pytest.raises(InputError, match="found 1 of 1 that are not"):
        measure(table, other)
