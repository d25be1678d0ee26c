"""Selections that are spread over place and columns: quality, equality, reserves, bad options."""

import json

import numpy as np
import pyarrow.parquet as pq
import pytest
from sklearn.cluster import KMeans
from spread_tables import RANK, SIZES, replaced, spread_table, vectors_of

import minortom
from minortom.errors import InputError, OutputExistsError
from minortom.reporting.measures import measure, selected_mask
from minortom.sampling.kmeans import cluster_centres
from minortom.sampling.presets import sample_options
from minortom.sampling.reserves import ranked_reserves
from minortom.sampling.spread_parts import parse_spread, stored_spread
from minortom.sampling.spread_space import SPREAD_KEY, SpreadSpace
from minortom.sampling.strata import Tiles

CLIMATE = "temperature,log:precipitation"


@pytest.fixture(scope="module")
def table():
    return spread_table()


def chosen(table, parts=None, **more):
    """Return the selected cells."""
    found = minortom.sample(table, per_stratum=20, workers=1, spread_over=parts, **more).table
    return found.filter(np.array(found["role"].to_pylist()) == "selected")["grid_cell"].to_pylist()


def logs(table, *names):
    values = np.stack([np.log(table[name].to_numpy()) for name in names], axis=1)
    return (values - values.mean(axis=0)) / values.std(axis=0)


def cover(table, cells, values):
    """Return the mean distance from a tile of a large stratum to the nearest chosen one."""
    is_chosen, codes = np.isin(table["grid_cell"], cells), Tiles.of_table(table).strata.codes
    found = []
    for s in (0, 1):  # the large strata
        here, there = values[codes == s], values[is_chosen & (codes == s)]
        found.append(np.linalg.norm(here[:, None] - there[None], axis=2).min(axis=1).mean())
    return np.mean(found)


def on_ground(table, cells):
    mask = selected_mask(table, table.filter(np.isin(table["grid_cell"], cells)))
    return measure(table, mask, per_stratum=20)


def test_columns_are_covered_and_tiles_stay_apart_on_the_ground(table):
    values = logs(table, "temperature", "precipitation")
    sets = {
        "random": chosen(table, method="random"), "place": chosen(table),
        "both": chosen(table, f"place,{CLIMATE}"), "climate": chosen(table, CLIMATE),
        "k-means": chosen(table, f"place,{CLIMATE}", method="k-means"),
    }  # fmt: skip
    covers = {name: cover(table, cells, values) for name, cells in sets.items()}
    ground = {name: on_ground(table, cells) for name, cells in sets.items()}

    assert covers["climate"] < covers["both"] < 0.9 * covers["place"]
    assert covers["k-means"] < 0.9 * covers["random"]
    assert ground["both"].nn_km > 1.2 * ground["random"].nn_km
    assert ground["place"].cover_km < ground["both"].cover_km < ground["random"].cover_km
    assert ground["both"].nn_km > ground["k-means"].nn_km


@pytest.mark.parametrize(
    "ways",
    [
        [("place,temperature*0.2", {}), ("place,temperature*3", {})],
        [("temperature", {"spread_weight": 0.1}), ("temperature", {"spread_weight": 2})],
        [("temperature", {"coverage_weight": 5}), ("temperature", {"coverage_weight": 0})],
    ],
)
def test_a_larger_weight_covers_a_column_better(table, ways):
    light, heavy = (
        cover(table, chosen(table, parts, **more), logs(table, "temperature"))
        for parts, more in ways
    )

    assert heavy < 0.9 * light


@pytest.mark.parametrize("parts", ["place", ["place"], "place*3"])
def test_the_place_alone_is_the_default_with_the_same_bytes(table, parts):
    default, found = (
        minortom.sample(table, per_stratum=20, workers=1, spread_over=over).table
        for over in (None, parts)
    )

    assert found.equals(default, check_metadata=True)


@pytest.mark.parametrize(
    ("parts", "same"),
    [
        (f"place,{CLIMATE}", ["place", "temperature", "log:precipitation"]),
        (f"place,{CLIMATE}", " place*2, temperature*2, log:precipitation*2.0"),
        ("place,vector", "place,vector*1"),
    ],
)
@pytest.mark.parametrize("method", ["genetic", "k-means"])
def test_only_the_ratios_of_weights_matter(table, parts, same, method):
    assert chosen(table, parts, method=method) == chosen(table, same, method=method)


def test_any_number_of_workers_gives_the_same_tiles(table):
    one, two = (
        minortom.sample(table, per_stratum=20, spread_over="place,vector", workers=workers).table
        for workers in (1, 2)
    )

    assert one.equals(two, check_metadata=True)


def test_a_constant_column_leaves_the_place(table):
    flat = replaced(table, "temperature", np.full(len(table), 280.0))
    cells = chosen(flat, "place,temperature")

    assert on_ground(flat, cells).cover_km < 1.05 * on_ground(flat, chosen(flat)).cover_km
    assert len(chosen(flat, "temperature")) == 52  # nothing to cover: the spacing counts alone


def test_embeddings_are_covered_as_they_are_and_by_components(table):
    vectors = vectors_of(table)

    place, whole, components = (
        cover(table, chosen(table, parts, **more), vectors)
        for parts, more in (
            (None, {}), ("place,vector*3", {"spread_components": "all"}),
            ("place,vector*3", {"spread_components": RANK}),
        )
    )  # fmt: skip

    assert whole < 0.95 * place
    assert components == pytest.approx(whole, rel=0.05)


def test_k_means_in_a_space_is_as_tight_as_that_of_scikit_learn(table):
    tiles = Tiles.of_table(table)
    space = SpreadSpace.of_table(table, tiles, parse_spread(f"place,{CLIMATE}"))
    points = space.points(tiles.strata.rows(0), 0)
    ours = np.mean([
        np.square(points[:, None] - cluster_centres(
            points, 20, 0, np.random.default_rng(seed), on_sphere=False
        )[None]).sum(axis=2).min(axis=1).sum()
        for seed in range(10)
    ])  # fmt: skip
    theirs = np.mean(
        [KMeans(20, n_init=1, random_state=seed).fit(points).inertia_ for seed in range(10)]
    )

    assert ours == pytest.approx(theirs, rel=0.03)


def test_the_first_reserve_reduces_the_distances_in_the_space_the_most(table):
    tiles = Tiles.of_table(table)
    space = SpreadSpace.of_table(table, tiles, parse_spread(f"place,{CLIMATE}"))
    rows = tiles.strata.rows(0)
    members = rows[:20]
    points = space.points(rows, 0)
    apart = np.linalg.norm(points[:, None] - points[None], axis=2)
    now = apart[:, :20].min(axis=1)
    gains = np.maximum(now[:, None] - apart, 0).sum(axis=0)

    reserves, _ = ranked_reserves(tiles, members, 3, space=space)
    assert reserves[0] == rows[np.argmax(gains)]
    assert reserves[0] != ranked_reserves(tiles, members, 3)[0][0]


def test_the_file_has_the_space_its_weights_and_its_spreads(table, tmp_path):
    over = "place,temperature*0.5,log:precipitation,vector"
    out = minortom.sample(
        table, per_stratum=20, workers=1, spread_over=over, spread_components=4,
        spread_weight=0.7,
        out=tmp_path / "s.parquet",
    ).out  # fmt: skip
    metadata = pq.read_schema(out).metadata
    options = json.loads(metadata[b"minortom"])["options"]
    spreads = json.loads(metadata[SPREAD_KEY.encode()])
    rows = Tiles.of_table(table).strata.rows(1)

    assert options["spread_over"] == over.split(",")
    assert (options["spread_components"], options["spread_weight"]) == (4, 0.7)
    assert stored_spread(options) == parse_spread(over, components=4, weight=0.7)
    assert list(spreads) == list(SIZES)
    assert list(spreads["B/y"]) == ["place", "temperature", "log:precipitation", "vector"]
    deviation = table["temperature"].to_numpy()[rows].std()
    assert spreads["B/y"]["temperature"] == pytest.approx(deviation, rel=1e-5)
    assert 6000 < spreads["B/y"]["place"] < 6371.1  # spread over the whole sphere


def test_another_space_is_another_selection(table, tmp_path):
    def made(parts, **more):
        out = tmp_path / "s.parquet"
        return minortom.sample(
            table, per_stratum=20, out=out, method="k-means", spread_over=parts, **more
        ).status

    assert made("place,vector") == "written"
    assert made("place,vector") == "up to date"
    for parts, more in (
        (None, {}), ("place,vector*2", {}), ("place,vector", {"spread_components": 2}),
    ):  # fmt: skip
        with pytest.raises(OutputExistsError):
            made(parts, **more)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"spread_over": ""}, "must be place, names of columns, log:NAME or NAME\\*WEIGHT"),
        ({"spread_over": "place,,t"}, "must be place, names of columns"),
        ({"spread_over": 3}, "must be place, names of columns.*found 3"),
        ({"spread_over": "log:"}, "must be place, names of columns.*found 'log:'"),
        ({"spread_over": "*2"}, "must be place, names of columns"),
        ({"spread_over": "t*0"}, "--spread-over t: the weight must be a number above 0, found 0"),
        ({"spread_over": "t*-1"}, "the weight must be a number above 0, found -1"),
        ({"spread_over": "t*nan"}, "the weight must be a number above 0, found nan"),
        ({"spread_over": "t*inf"}, "the weight must be a number above 0, found inf"),
        ({"spread_over": "t*half"}, "the weight must be a number above 0, found 'half'"),
        ({"spread_over": "t,t*2"}, "names t more than once; name each part once"),
        ({"spread_over": "log:place"}, "place has no logarithm"),
        ({"spread_over": "t", "method": "grts"}, "--method genetic or k-means only, found grts"),
        ({"spread_weight": 4}, "--spread-weight needs --spread-over"),
        ({"spread_over": "t", "spread_weight": 0}, "--spread-weight must be a number above 0"),
        ({"spread_over": "t", "spread_weight": "a"}, "spread_weight must be a number, found 'a'"),
        (
            {"spread_over": "t", "spread_weight": 1, "method": "k-means"},
            "--spread-weight: works with --method genetic only, found k-means",
        ),
        ({"spread_over": "t", "objective": "min-distance"}, "works with --objective entropy only"),
        ({"spread_components": 4}, "--spread-components needs --spread-over"),
        ({"spread_over": "t", "spread_components": 0}, "at least 1, or all, found 0"),
        ({"spread_over": "t", "spread_components": "many"}, "at least 1, or all, found 'many'"),
    ],
)
def test_a_space_that_is_none_is_an_error_of_one_line(options, message):
    with pytest.raises(InputError, match=message) as raised:
        sample_options(**options)
    assert "\n" not in str(raised.value)
