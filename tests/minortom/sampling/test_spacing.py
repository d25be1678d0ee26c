import numpy as np
import pytest
from points import annotated_table, distances_km, random_lonlat

from minortom.errors import InputError
from minortom.sampling.spacing import check_kept_apart, farthest_rows, keep_apart, min_chord2_of
from minortom.sampling.strata import Tiles

SIZES = {"A/x": 200, "B/y": 120, "C/z": 30}
RADIUS_KM = 6371.0088


def planet(seed, span_deg=20):
    lon, lat = random_lonlat(sum(SIZES.values()), seed)
    lon, lat = lon * span_deg / 180, lat * span_deg / 90
    names = [name for name, size in SIZES.items() for _ in range(size)]
    return Tiles.of_table(annotated_table(lon, lat, names)), distances_km(lon, lat)


def some(tiles, count, seed):
    return np.sort(np.random.default_rng(seed).choice(len(tiles), count, replace=False))


@pytest.mark.parametrize("seed", range(5))
def test_tiles_keep_the_distance_and_no_further_tile_fits(seed):
    tiles, distance = planet(seed)
    rows, kept = some(tiles, 90, seed), np.zeros(len(tiles), bool)
    apart = keep_apart(tiles, rows, kept, min_chord2_of(350))

    among = distance[np.ix_(apart, apart)] + np.diag(np.full(len(apart), np.inf))
    assert among.min() >= 350
    codes = tiles.strata.codes
    before, after = (np.bincount(codes[r], minlength=3) for r in (rows, apart))
    assert (after <= before).all()
    assert (after < before).any()  # else the case says nothing of what is left
    for s in np.flatnonzero(after < before):
        free = np.setdiff1d(tiles.strata.rows(s), apart)
        assert distance[np.ix_(free, apart)].min(axis=1).max() < 350


def test_kept_tiles_stay_and_others_are_replaced():
    tiles, distance = planet(3)
    rows = some(tiles, 90, 3)
    kept = np.zeros(len(tiles), bool)
    near = np.flatnonzero((distance[rows[0]] < 350) & (distance[rows[0]] > 0))
    kept[near[0]] = True
    rows = np.union1d(rows, near[:1])
    apart = keep_apart(tiles, rows, kept, min_chord2_of(350))

    assert near[0] in apart
    assert rows[0] not in apart


def test_the_smallest_stratum_is_examined_first():
    lon = np.array([0.0, 0.1, 50, 60, 70])
    tiles = Tiles.of_table(annotated_table(lon, np.zeros(5), ["A/x", "B/y", "A/x", "A/x", "A/x"]))
    apart = keep_apart(tiles, np.array([0, 1]), np.zeros(5, bool), min_chord2_of(100))

    assert apart.tolist() == [1, 4]  # of A/x, the farthest from B/y in place of its neighbour


def test_within_a_stratum_the_tile_with_more_close_neighbours_is_removed():
    tiles = Tiles.of_table(annotated_table([1.0, 0, 2], [0.0] * 3, ["A/x"] * 3))  # a chain, 0-1-2
    apart = keep_apart(tiles, np.arange(3), np.zeros(3, bool), min_chord2_of(150))

    assert apart.tolist() == [1, 2]


def test_tiles_at_the_minimum_distance_are_too_close():
    tiles = Tiles.of_table(annotated_table([10.0, 11], [0.0, 0], ["A/x"] * 2))
    one_degree_km = np.pi * RADIUS_KM / 180

    for least_km, left in ((one_degree_km, 1), (one_degree_km * (1 - 1e-6), 2)):
        apart = keep_apart(tiles, np.arange(2), np.zeros(2, bool), min_chord2_of(least_km))
        assert len(apart) == left


def test_tiles_that_are_far_enough_do_not_change():
    tiles, _ = planet(1)
    rows = some(tiles, 40, 1)

    assert keep_apart(tiles, rows, np.zeros(len(tiles), bool), min_chord2_of(0.01)) is rows


def test_of_tiles_in_one_place_one_stays():
    tiles = Tiles.of_table(annotated_table([7.0] * 9, [3.0] * 9, ["A/x"] * 4 + ["B/y"] * 5))
    apart = keep_apart(tiles, np.arange(9), np.zeros(9, bool), min_chord2_of(1))

    assert apart.tolist() == [0]


def test_farthest_rows_equal_those_found_step_by_step():
    tiles, distance = planet(2)
    free, chosen = np.arange(0, 200), np.arange(200, 210)
    wanted, taken = [], list(chosen)
    for _ in range(15):
        best = max(free, key=lambda i: (distance[i][taken].min(), -i))
        wanted.append(best)
        taken.append(best)

    assert farthest_rows(tiles, free, chosen, 15, min_chord2_of(1)).tolist() == wanted


def test_two_kept_tiles_that_are_too_close_are_named_with_their_distance():
    one_degree_km = np.pi * RADIUS_KM / 180
    tiles = Tiles.of_table(annotated_table([0.0, 40, 41], [0.0, 0, 0], ["A/x", "B/y", "A/x"]))
    names, kept = ["1U_1R", "1U_2R", "1U_3R"], np.ones(3, bool)

    check_kept_apart(tiles, kept, one_degree_km - 0.001, names)
    with pytest.raises(InputError, match=r"found 1U_2R and 1U_3R at 111\.2 km"):
        check_kept_apart(tiles, kept, one_degree_km + 0.001, names)


def test_two_kept_tiles_in_one_place_are_named():
    tiles = Tiles.of_table(annotated_table([5.0, 5, 5], [0.0, 0, 0], ["A/x"] * 3))

    with pytest.raises(InputError, match=r"found a and c at 0\.0 km"):
        check_kept_apart(tiles, np.array([True, False, True]), 1, ["a", "b", "c"])


@pytest.mark.parametrize("wrong", [0, -1, np.nan, 20_016, np.inf])
def test_an_impossible_distance_is_refused(wrong):
    with pytest.raises(InputError, match="--min-distance-km must be above 0"):
        min_chord2_of(wrong)
