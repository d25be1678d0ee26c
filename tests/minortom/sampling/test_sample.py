import numpy as np
import pyarrow as pa
import pytest
from points import annotated_table, random_lonlat

from minortom.engine.executors import EngineOptions, local_executor
from minortom.errors import InputError
from minortom.genetic.options import GeneticOptions
from minortom.reporting.measures import measure
from minortom.sampling.baselines import farthest_point_selection, feasible_sizes, random_selection
from minortom.sampling.coupled_search import CouplingOptions, spread_selection
from minortom.sampling.options import SampleOptions
from minortom.sampling.selection import select
from minortom.sampling.strata import Tiles

pytest_plugins = ["sample_fixtures"]


ONE = EngineOptions(workers=1)
_PATCH = tuple(x / by for x, by in zip(random_lonlat(300, 8), (36, 18), strict=True))  # degrees
STRATA = {"Af/tree_cover": 400, "BWh/bare": 300, "Cfa/built_up": 60, "ET/snow": 25, "EF/snow": 1}


def held(table, rows):
    counts = table.take(pa.array(rows))["stratum"].combine_chunks().cast("string").value_counts()
    return dict(zip(*(counts.field(i).to_pylist() for i in (0, 1)), strict=True))


def as_mask(table, rows):
    mask = np.zeros(len(table), np.bool_)
    mask[rows] = True
    return mask


@pytest.mark.parametrize("method", ["genetic", "random", "farthest-point", "grts", "k-means"])
def test_each_stratum_gives_the_requested_number_or_all(table, method):
    rows = select(table, SampleOptions(per_stratum=30, method=method), engine=ONE).rows

    assert (np.diff(rows) > 0).all()
    assert held(table, rows) == {name: min(size, 30) for name, size in STRATA.items()}


def test_a_number_above_every_stratum_takes_every_tile(table):
    selection = select(table, SampleOptions(per_stratum=10_000), engine=ONE)

    np.testing.assert_array_equal(selection.rows, np.arange(len(table)))
    assert selection.convergence == {}


@pytest.mark.parametrize("method", ["genetic", "random", "farthest-point", "grts", "k-means"])
def test_one_tile_a_stratum(table, method):
    rows = select(table, SampleOptions(per_stratum=1, method=method), engine=ONE).rows

    assert held(table, rows) == dict.fromkeys(STRATA, 1)


@pytest.mark.parametrize("method", ["genetic", "random", "farthest-point", "grts", "k-means"])
def test_kept_tiles_are_selected_and_counted(table, method):
    kept = np.zeros(len(table), np.bool_)
    kept[:60] = True
    options = SampleOptions(per_stratum=60, method=method)
    rows = select(table, options, kept=kept, engine=ONE).rows

    assert set(range(60)) <= set(rows)
    assert held(table, rows) == {name: min(size, 60) for name, size in STRATA.items()}


def test_a_stratum_of_kept_tiles_alone_needs_no_search(table):
    of_forest = np.flatnonzero(np.array(table["stratum"].to_pylist()) == "Af/tree_cover")
    kept = as_mask(table, of_forest[:30])
    rows = select(table, SampleOptions(per_stratum=30), kept=kept, engine=ONE).rows

    assert set(of_forest) & set(rows) == set(of_forest[:30])


def test_more_kept_than_requested_is_an_error_that_names_the_stratum(table):
    kept = np.array(table["stratum"].to_pylist()) == "ET/snow"

    with pytest.raises(InputError, match=r"stratum ET/snow may have 20 tiles, found 25 to keep"):
        select(table, SampleOptions(per_stratum=20), kept=kept, engine=ONE)


@pytest.mark.parametrize("method", ["genetic", "random", "farthest-point", "grts", "k-means"])
def test_the_same_seed_gives_the_same_tiles_and_another_seed_others(table, method):
    runs = [
        select(table, SampleOptions(per_stratum=20, method=method, seed=seed), engine=ONE).rows
        for seed in (0, 0, 1)
    ]

    np.testing.assert_array_equal(runs[0], runs[1])
    assert set(runs[0]) != set(runs[2])


def test_the_search_spreads_and_covers_better_than_a_random_draw(table):
    genetic, random = (
        measure(
            table,
            as_mask(table, select(table, SampleOptions(per_stratum=40, method=m), engine=ONE).rows),
            per_stratum=40,
        )
        for m in ("genetic", "random")
    )

    assert genetic.nn_km > 1.3 * random.nn_km
    assert genetic.within_km > random.within_km
    assert genetic.cover_km < 0.9 * random.cover_km


def test_strata_keep_away_from_each_other():
    lon, lat = (np.repeat(x, 2) for x in random_lonlat(400, 3))
    table = annotated_table(lon, lat, ["A/x", "B/y"] * 400)  # two strata in the same places
    coupled, alone = (
        measure(
            table,
            as_mask(table, select(table, options, engine=ONE).rows),
            per_stratum=30,
        )
        for options in (
            SampleOptions(per_stratum=30),
            SampleOptions(per_stratum=30, coupling=CouplingOptions(coupling=False)),
        )
    )

    assert coupled.nn_km > 1.25 * alone.nn_km
    assert coupled.cover_km < 1.2 * alone.cover_km


def test_a_tolerance_refers_to_the_requested_number_in_every_pass(table):
    options = SampleOptions(per_stratum=20, genetic=GeneticOptions(tolerance=0.2))
    selection = select(table, options, engine=ONE)

    assert options.coupling.passes > 1
    large = [n for name, n in held(table, selection.rows).items() if STRATA[name] > 20]
    assert len(large) == 4
    assert all(16 <= n <= 24 for n in large)


def test_farthest_point_has_larger_distances_than_a_random_draw(table):
    tiles = Tiles.of_table(table)
    sizes = feasible_sizes(tiles.strata, 30)
    chosen = [
        measure(table, as_mask(table, draw(tiles, sizes, seed=0)), per_stratum=30)
        for draw in (farthest_point_selection, random_selection)
    ]

    assert chosen[0].within_km > chosen[1].within_km
    assert chosen[0].cover_km < chosen[1].cover_km


@pytest.mark.parametrize(
    "place",
    [
        (np.full(200, 12.0), np.full(200, -34.0)),  # all in one place
        (np.linspace(-180, 180, 200), np.full(200, 90.0)),  # all at the pole
        # across the antimeridian
        ((np.linspace(179, 181, 200) + 180) % 360 - 180, np.linspace(-1, 1, 200)),
    ],
    ids=["duplicates", "pole", "antimeridian"],
)
@pytest.mark.parametrize("method", ["genetic", "farthest-point", "grts", "k-means"])
def test_difficult_positions(place, method):
    table = annotated_table(*place, ["A/x"] * 150 + ["B/y"] * 50)
    rows = select(table, SampleOptions(per_stratum=20, method=method), engine=ONE).rows

    assert held(table, rows) == {"A/x": 20, "B/y": 20}


def test_a_rotation_by_half_a_turn_changes_no_tile():
    # Half a turn about the axis changes signs alone, so that not a bit of a distance changes.
    here = Tiles.of_table(annotated_table(*_PATCH, ["A/x"] * 200 + ["B/y"] * 100))
    there = Tiles(points=here.points * [-1, -1, 1], strata=here.strata)
    sizes = feasible_sizes(here.strata, 25)
    search = {"genetic": GeneticOptions(), "coupling": CouplingOptions(), "seed": 0}

    with local_executor(1) as executor:
        found = [spread_selection(t, sizes, executor=executor, **search) for t in (here, there)]
    np.testing.assert_array_equal(found[0].rows, found[1].rows)
    farthest = [farthest_point_selection(t, sizes, seed=0) for t in (here, there)]
    np.testing.assert_array_equal(*farthest)


def test_distances_across_the_antimeridian_are_correct():
    lon, lat = _PATCH
    across = (lon + 360) % 360 - 180  # from 175 over 180 to -175
    assert (across > 0).any() and (across < 0).any()
    tables = [annotated_table(x, lat, ["A/x"] * 300) for x in (lon, across)]
    here, there = (Tiles.of_table(table).points for table in tables)
    mask = as_mask(tables[0], np.arange(0, 300, 12))

    np.testing.assert_allclose(there, here * [-1, -1, 1], rtol=0, atol=1e-15)
    one, other = (measure(table, mask).as_dict() for table in tables)
    assert other == pytest.approx(one, rel=1e-9)
