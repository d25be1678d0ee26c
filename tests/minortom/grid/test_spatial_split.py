"""The split by blocks: shares, distances between splits, and no unnecessary loss of tiles."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minortom.errors import InputError
from minortom.grid.spatial_split import (
    IN_BUFFER,
    SplitOptions,
    _assign_few,
    _pairs_within,
    _with_whole_groups,
    block_ids,
    split_tiles,
)
from minortom.grid.sphere import EARTH_RADIUS_KM, unit_vectors

KM_PER_DEG = np.pi * EARTH_RADIUS_KM / 180


def globe(number, *, seed=0):
    """Points spread evenly over the sphere, and the strata of four made-up continents."""
    rng = np.random.default_rng(seed)
    lon, lat = rng.uniform(-180, 180, number), np.degrees(np.arcsin(rng.uniform(-1, 1, number)))
    strata = (lon > 0).astype(np.int64) * 2 + (lat > 10)
    return unit_vectors(lon, lat), strata


def haversine_km(one, other):
    """Distances [n, m], the textbook's way, from unit vectors."""
    lon1, lat1 = np.arctan2(one[:, 1], one[:, 0])[:, None], np.arcsin(one[:, 2])[:, None]
    lon2, lat2 = np.arctan2(other[:, 1], other[:, 0])[None], np.arcsin(other[:, 2])[None]
    hav = np.sin((lat2 - lat1) / 2) ** 2
    hav += np.cos(lat1) * np.cos(lat2) * np.sin((lon2 - lon1) / 2) ** 2
    return 2 * EARTH_RADIUS_KM * np.arcsin(np.sqrt(hav))


def least_distance_km(points, codes):
    """Brute force: the least distance between tiles of different splits."""
    apart = [
        haversine_km(points[codes == a], points[codes == b]).min()
        for a in range(3) for b in range(a)
        if (codes == a).any() and (codes == b).any()
    ]  # fmt: skip
    return min(apart, default=np.inf)


@pytest.mark.parametrize(("buffer_km", "block_km"), [(20, 100), (100, 100), (150, 400)])
def test_no_two_splits_are_nearer_than_the_buffer(buffer_km, block_km):
    points, strata = globe(3000)
    options = SplitOptions(block_km=block_km, buffer_km=buffer_km)
    codes = split_tiles(points, strata, options, seed=0)
    assert set(codes.tolist()) >= {0, 1, 2}
    assert least_distance_km(points, codes) > buffer_km


def test_sparse_tiles_are_all_in_a_split():
    points, strata = globe(3000)
    assert (split_tiles(points, strata, SplitOptions(), seed=0) != IN_BUFFER).all()


def test_where_every_cell_is_chosen_splits_are_apart_and_only_a_rim_is_lost():
    """A region of 1,200 km by 1,200 km, a tile every 10 km: no lossless split keeps apart."""
    lon, lat = np.meshgrid(np.arange(0, 10.8, 0.09), np.arange(0, 10.8, 0.09))
    points = unit_vectors(lon.ravel(), lat.ravel())
    codes = split_tiles(points, np.zeros(len(points), np.int64), SplitOptions(), seed=0)
    assert least_distance_km(points, codes) > 20
    shares = [np.mean(codes == code) for code in (IN_BUFFER, 0, 1, 2)]
    # A block apart in the open, 100 km a side, costs its neighbours 4,000 of 10,000 km².
    assert shares[0] < 0.14
    assert shares[1] > 0.75
    assert min(shares[2:]) > 0.03


@pytest.mark.parametrize("codes_wanted", [{0, 1}, {1, 2}, {0, 2}])
def test_tiles_over_the_rim_of_a_block_that_are_near_stay_together(codes_wanted):
    """Pairs of tiles 4 km apart, one on either side of the equator, a rim of blocks."""
    lon_deg = np.arange(-180, 180, 2.0)
    lat_deg = np.full(len(lon_deg), 2 / KM_PER_DEG)
    points = np.concatenate([unit_vectors(lon_deg, lat_deg), unit_vectors(lon_deg, -lat_deg)])
    blocks = block_ids(points, 100)
    assert not (blocks[: len(lon_deg)] == blocks[len(lon_deg) :]).any()
    shares = tuple(0.5 if code in codes_wanted else 0.0 for code in range(3))
    codes = split_tiles(
        points, np.zeros(len(points), np.int64), SplitOptions(shares=shares), seed=0
    )
    assert set(codes.tolist()) == codes_wanted
    assert (codes[: len(lon_deg)] == codes[len(lon_deg) :]).all()


def test_few_tiles_that_are_near_stay_together_though_each_is_more_than_a_share():
    points = unit_vectors([0.0, 0.0], [0.01, -0.01])
    assert len(set(block_ids(points, 100).tolist())) == 2
    options = SplitOptions(shares=(0.5, 0.5, 0))
    codes = split_tiles(points, np.zeros(2, np.int64), options, seed=0)
    assert codes.tolist() in ([0, 0], [1, 1])


def test_a_chain_of_tiles_longer_than_a_block_is_one_split_where_there_are_many_others():
    sparse = globe(3000)[0]
    chain = unit_vectors(np.full(20, 40.0), 10 + np.arange(20) * 15 / KM_PER_DEG)  # 285 km
    points = np.concatenate([chain, sparse])
    options = SplitOptions(shares=(0.4, 0.3, 0.3))  # the fullest blocks would go to one split each
    codes = split_tiles(points, np.zeros(len(points), np.int64), options, seed=0)
    assert len(set(codes[:20].tolist())) == 1
    assert (codes != IN_BUFFER).all()


@pytest.mark.parametrize("north", [1, 3])
def test_a_group_of_near_tiles_goes_to_the_block_with_most_of_them(north):
    """Four tiles at the equator, a rim of blocks; one, or three of them, north of it."""
    lat_deg = np.where(np.arange(4) < north, 0.01, -0.01)
    points = unit_vectors(np.arange(4) * 0.05 + 0.1, lat_deg)
    blocks = block_ids(points, 100)
    wanted = blocks[0] if north == 3 else blocks[-1]
    found = _with_whole_groups(blocks, points, _pairs_within(points, 20), SplitOptions())
    assert found.tolist() == [wanted] * 4


def test_shares_hold_in_each_stratum_far_better_than_by_chance():
    points, strata = globe(8000)
    codes = split_tiles(points, strata, SplitOptions(shares=(0.8, 0.1, 0.1)), seed=0)
    for stratum in range(4):
        found = np.bincount(codes[strata == stratum], minlength=3) / (strata == stratum).sum()
        # Drawn tile by tile, a share of 0.1 of 2,000 has a standard deviation of 0.0067.
        assert np.abs(found - [0.8, 0.1, 0.1]).max() < 0.0015


def test_a_stratum_of_ten_gives_no_more_than_one_tile_to_a_held_out_split():
    points, _ = globe(400)
    strata = np.repeat(np.arange(40), 10)
    codes = split_tiles(points, strata, SplitOptions(), seed=0)
    counts = np.array([np.bincount(codes[strata == s], minlength=3) for s in range(40)])
    assert counts[:, 1:].max() <= 1
    assert np.abs(counts.sum(axis=0) - [360, 20, 20]).max() <= 2


def test_the_order_of_tiles_does_not_matter():
    points, strata = globe(3000)
    options = SplitOptions(buffer_km=100)
    order = np.random.default_rng(1).permutation(len(points))
    codes = split_tiles(points, strata, options, seed=5)
    np.testing.assert_array_equal(
        split_tiles(points[order], strata[order], options, seed=5), codes[order]
    )


def test_another_seed_is_another_split():
    points, strata = globe(3000)
    one, two = (split_tiles(points, strata, SplitOptions(), seed=seed) for seed in (0, 1))
    assert (one != two).any()


def test_held_out_tiles_come_in_whole_blocks():
    points, strata = globe(20_000)  # six a block
    codes = split_tiles(points, strata, SplitOptions(buffer_km=0), seed=0)
    blocks = block_ids(points, 100)
    pairs = np.unique(np.stack([blocks, codes]), axis=1)
    assert len(np.unique(pairs[0])) == pairs.shape[1]


@pytest.mark.parametrize("block_km", [100, 317, 2500, 9999])
def test_no_side_of_a_block_is_shorter_than_the_minimum(block_km):
    """Walks that far east and north from everywhere leave the block, at the poles too."""
    lon, lat = (grid.ravel() for grid in np.meshgrid(
        np.arange(-180, 180, 0.25), np.arange(-89.9, 90, 0.5)
    ))  # fmt: skip
    blocks = block_ids(unit_vectors(lon, lat), block_km)
    for block in np.unique(blocks)[:: max(1, len(np.unique(blocks)) // 500)]:
        inside = blocks == block
        rows = np.unique(lat[inside])
        # A step of the lattice may be missing at either end.
        assert (rows[-1] - rows[0] + 1) * KM_PER_DEG >= block_km
        for row in rows:
            around_deg = np.count_nonzero(inside & (lat == row)) * 0.25
            if around_deg < 360:  # a pole's cap goes all round
                cos = np.cos(np.radians(row))
                assert (around_deg + 0.5) * KM_PER_DEG * cos >= block_km


def test_tiles_at_a_pole_are_one_block_at_any_longitude():
    points = unit_vectors(np.arange(-180, 181, 10.0), np.full(37, 89.9))
    assert len(set(block_ids(points, 100).tolist())) == 1


def test_a_tile_at_the_antimeridian_keeps_its_distance_across_it():
    lat_deg = np.linspace(-60, 60, 60)
    west, east = (
        unit_vectors(np.full(60, -179.95), lat_deg),
        unit_vectors(np.full(60, 179.95), lat_deg),
    )
    points = np.concatenate([west, east])
    strata = np.zeros(len(points), np.int64)
    codes = split_tiles(points, strata, SplitOptions(shares=(0.4, 0.3, 0.3)), seed=0)
    assert (codes[:60] == codes[60:]).all()
    assert set(codes.tolist()) == {0, 1, 2}


@pytest.mark.parametrize("number", [1, 2, 5])
def test_few_tiles_in_one_place_are_one_split(number):
    points = np.repeat(unit_vectors([10.0], [50.0]), number, axis=0)
    codes = split_tiles(points, np.zeros(number, np.int64), SplitOptions(), seed=0)
    assert codes.tolist() == [0] * number


@pytest.mark.parametrize(
    ("shares", "counts"),
    [((0.6, 0.2, 0.2), [6, 2, 2]), ((0.8, 0.1, 0.1), [8, 1, 1]), ((0.5, 0.5, 0), [5, 5, 0])],
)
def test_ten_strata_of_one_tile_are_split_by_the_total(shares, counts):
    points = unit_vectors(np.arange(10) * 30.0, np.zeros(10))
    codes = split_tiles(points, np.arange(10), SplitOptions(shares=shares), seed=0)
    assert np.bincount(codes, minlength=3).tolist() == counts


@pytest.mark.parametrize("seed", range(5))
def test_held_out_tiles_of_few_have_a_training_tile_of_their_stratum(seed):
    """Strata of 3, 2, 2 and six of 1 tile: the lone ones go to train, which takes eight of 13."""
    strata = np.array([0, 0, 0, 1, 1, 2, 2, 3, 4, 5, 6, 7, 8])
    codes = _assign_few(np.arange(13), strata, (0.65, 0.15, 0.2), np.random.default_rng(seed))
    assert (np.bincount(codes, minlength=3) > 1).all()
    assert set(strata[:7]) <= set(strata[codes == 0])
    assert sum(strata[codes != 0] < 3) == 4
    assert len(set(strata[codes == 2])) > 1


def test_an_empty_list_of_tiles_gives_no_splits():
    codes = split_tiles(np.empty((0, 3)), np.empty(0, np.int64), SplitOptions(), seed=0)
    assert codes.tolist() == []


def test_a_split_without_a_share_gets_nothing():
    points, strata = globe(500)
    for shares, wanted in (((0.9, 0.1, 0), {0, 1}), ((0, 0, 1), {2}), ((1, 0, 0), {0})):
        codes = split_tiles(points, strata, SplitOptions(shares=shares), seed=0)
        assert set(codes.tolist()) == wanted


@settings(max_examples=60, deadline=None)
@given(
    lonlat=st.lists(
        st.tuples(st.floats(-180, 180), st.floats(-90, 90), st.integers(0, 3)),
        min_size=1, max_size=60,
    ),
    buffer_km=st.floats(0, 500),
    seed=st.integers(0, 9),
)  # fmt: skip
def test_splits_of_any_tiles_are_apart(lonlat, buffer_km, seed):
    lon, lat, strata = zip(*lonlat, strict=True)
    points = unit_vectors(np.array(lon), np.array(lat))
    options = SplitOptions(shares=(0.4, 0.3, 0.3), block_km=500, buffer_km=buffer_km)
    codes = split_tiles(points, np.array(strata), options, seed=seed)
    assert set(codes.tolist()) <= {IN_BUFFER, 0, 1, 2}
    assert least_distance_km(points, codes) >= buffer_km * (1 - 1e-9)


def test_shares_are_read_as_they_are_typed():
    options = SplitOptions.parse("0.8, 0.15,0.05", block_km=250)
    assert (options.shares, options.block_km) == ((0.8, 0.15, 0.05), 250)
    assert SplitOptions.parse("0.9,0.05,0.05") == SplitOptions()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "0.9,0.1",
            "expected --split with three shares, .* found '0.9,0.1'",
        ),
        ("a,b,c", "with three shares"),
        ("", "with three shares"),
        ("0.9,0.05,0.1", "that add up to 1, .* found 0.9,0.05,0.1, which add up to 1.05"),
        ("1.1,-0.05,-0.05", "shares between 0 and 1, found 1.1,-0.05,-0.05"),
        ("nan,0.5,0.5", "expected --split shares between 0 and 1"),
        ("90,5,5", "expected --split shares between 0 and 1"),
    ],
)
def test_unusable_shares_are_one_line(text, message):
    with pytest.raises(InputError, match=message) as caught:
        SplitOptions.parse(text)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("block_km", "buffer_km"), [(0, 0), (-1, 0), (10, 20), (30_000, 20), (float("nan"), 20)]
)
def test_a_block_of_no_size_is_one_line(block_km, buffer_km):
    with pytest.raises(InputError, match="expected 0 ≤ buffer ≤ block ≤ 20,015 km, found"):
        SplitOptions(block_km=block_km, buffer_km=buffer_km)
