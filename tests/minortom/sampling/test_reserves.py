import numpy as np
import pytest
from points import annotated_table, distances_km, random_lonlat

from minortom.errors import InputError
from minortom.grid.sphere import unit_vectors
from minortom.sampling.reserves import check_count, cover_greedily, ranked_reserves
from minortom.sampling.spacing import min_chord2_of
from minortom.sampling.strata import Tiles


def planet(sizes, seed=0):
    lon, lat = random_lonlat(sum(sizes.values()), seed)
    names = [name for name, size in sizes.items() for _ in range(size)]
    return Tiles.of_table(annotated_table(lon, lat, names)), distances_km(lon, lat)


def test_each_reserve_is_the_candidate_that_reduces_the_distances_most():
    references, candidates, chosen = (
        unit_vectors(*random_lonlat(count, seed)) for seed, count in enumerate((80, 30, 4))
    )
    chord = np.linalg.norm(references[:, None] - candidates[None], axis=2)
    nearest = np.linalg.norm(references[:, None] - chosen[None], axis=2).min(axis=1)
    wanted, now = [], nearest.copy()
    for _ in range(10):
        ways = [np.inf if i in wanted else np.minimum(now, chord[:, i]).sum() for i in range(30)]
        wanted.append(int(np.argmin(ways)))
        now = np.minimum(now, chord[:, wanted[-1]])

    assert cover_greedily(references, nearest, candidates, candidates, 10, 0.0).tolist() == wanted


def test_compiled_and_interpreted_kernels_take_the_same():
    rng = np.random.default_rng(3)
    references, candidates = (unit_vectors(*random_lonlat(count, count)) for count in (90, 40))
    nearest = rng.random(90)

    compiled, interpreted = (
        kernel(references, near := nearest.copy(), candidates, candidates, 12, 0.02).tolist()
        + near.tolist()
        for kernel in (cover_greedily, cover_greedily.py_func)
    )
    assert compiled == interpreted


def test_reserves_are_ranked_in_each_stratum_and_never_chosen_ones():
    tiles, _ = planet({"A/x": 40, "B/y": 12, "C/z": 5, "D/w": 7})
    chosen = np.concatenate([tiles.strata.rows(s)[:k] for s, k in enumerate((10, 10, 5, 0))])
    reserves, ranks = ranked_reserves(tiles, np.sort(chosen), 3)

    assert not set(reserves) & set(chosen)
    assert len(set(reserves)) == len(reserves)
    # All of C/z are chosen, and of D/w none: there is nothing to give, or to stand in for.
    assert tiles.strata.codes[reserves].tolist() == [0, 0, 0, 1, 1]
    assert ranks.tolist() == [1, 2, 3, 1, 2]


def test_the_first_ranks_do_not_depend_on_the_number_of_reserves():
    tiles, _ = planet({"A/x": 300, "B/y": 200})
    chosen = np.arange(0, 500, 10)
    few, many = (ranked_reserves(tiles, chosen, count) for count in (2, 6))

    np.testing.assert_array_equal(few[0], many[0][many[1] <= 2])


def test_reserves_cover_better_than_random_tiles():
    tiles, distance = planet({"A/x": 1500}, seed=2)
    rng = np.random.default_rng(0)
    chosen = np.sort(rng.choice(1500, 60, replace=False))
    reserves, _ = ranked_reserves(tiles, chosen, 6)
    free = np.setdiff1d(np.arange(1500), chosen)

    def cover(stand_ins):
        left = rng.permutation(chosen)[6:]
        return distance[:, np.concatenate([left, stand_ins])].min(axis=1).mean()

    ours = np.mean([cover(reserves) for _ in range(20)])
    random = np.mean([cover(rng.choice(free, 6, replace=False)) for _ in range(20)])
    assert ours < 0.97 * random


def test_the_minimum_distance_holds_for_tiles_and_reserves_of_all_strata():
    tiles, distance = planet({"A/x": 400, "B/y": 300}, seed=4)
    chosen = np.array([0, 399, 699])
    together = np.concatenate([chosen, ranked_reserves(
        tiles, chosen, 50, min_chord2=min_chord2_of(3000))[0]])  # fmt: skip
    among = distance[np.ix_(together, together)] + np.diag(np.full(len(together), np.inf))

    assert 20 < len(together) < 103
    assert among.min() >= 3000


def test_the_smallest_stratum_gets_its_reserve_first():
    # The one free tile of B/y and the best one of A/x lie too near each other for both.
    lon = [0.0, 20, 21, 22, 40, 90, 22.1]
    tiles = Tiles.of_table(annotated_table(lon, [0.0] * 7, ["A/x"] * 5 + ["B/y"] * 2))
    reserves, _ = ranked_reserves(tiles, np.array([0, 5]), 1, min_chord2=min_chord2_of(300))

    assert 6 in reserves
    assert tiles.strata.codes[reserves].tolist() == [0, 1]


def test_more_reserves_than_the_usual_candidates_are_found():
    tiles, _ = planet({"A/x": 1500})

    assert len(ranked_reserves(tiles, np.arange(100), 1200)[0]) == 1200


def test_tiles_in_one_place_have_reserves_too():
    tiles = Tiles.of_table(annotated_table([7.0] * 9, [3.0] * 9, ["A/x"] * 9))
    reserves, ranks = ranked_reserves(tiles, np.arange(4), 3)

    assert (reserves.tolist(), ranks.tolist()) == ([4, 5, 6], [1, 2, 3])


def test_references_of_a_large_stratum_come_from_all_of_it():
    lon, lat = random_lonlat(5000, 1)
    northwards = np.argsort(lat)  # as in an annotated file: the first thousand lie in the south
    lon, lat = lon[northwards], lat[northwards]
    tiles = Tiles.of_table(annotated_table(lon, lat, ["A/x"] * 5000))
    chosen = np.arange(0, 5000, 100)
    reserves, _ = ranked_reserves(tiles, chosen, 6)
    free = np.setdiff1d(np.arange(5000), chosen)
    random = np.random.default_rng(0).choice(free, 6)

    ways = distances_km(lon, lat)
    whole = ways[:, chosen].min(axis=1).mean()
    gain, gain_of_random = (
        whole - ways[:, np.concatenate([chosen, more])].min(axis=1).mean()
        for more in (reserves, random)
    )
    assert gain > 1.5 * gain_of_random
    assert lat[reserves].max() > 0


@pytest.mark.parametrize("wrong", [-1, 10**6])
def test_a_count_out_of_range_is_refused(wrong):
    with pytest.raises(InputError, match="--reserves must be"):
        check_count(wrong)
