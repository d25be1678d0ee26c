import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from points import annotated_table, random_lonlat

from minortom.baselines import farthest_point_selection, random_selection, wanted_sizes
from minortom.coupling import CouplingOptions, spread_selection
from minortom.engine import EngineOptions, local_executor
from minortom.errors import InputError, OutputExistsError
from minortom.geoparquet import write_points
from minortom.metrics import measure
from minortom.provenance import Provenance
from minortom.sample import SampleOptions, sample_file, select
from minortom.search import GeneticOptions
from minortom.strata import Tiles

ONE = EngineOptions(workers=1)
_PATCH = tuple(x / by for x, by in zip(random_lonlat(300, 8), (36, 18), strict=True))  # degrees
STRATA = {"Af/tree_cover": 400, "BWh/bare": 300, "Cfa/built_up": 60, "ET/snow": 25, "EF/snow": 1}


@pytest.fixture(scope="module")
def table():
    names = [name for name, size in STRATA.items() for _ in range(size)]
    order = np.random.default_rng(5).permutation(len(names))
    return annotated_table(*random_lonlat(len(names), 5), np.array(names)[order].tolist())


@pytest.fixture
def annotated(tmp_path, table):
    path = tmp_path / "annotated.parquet"
    made_by = Provenance(command="annotate", options={}, licences=("CC BY 4.0, somebody",))
    write_points(table, path, made_by)
    return path


def held(table, rows):
    counts = table.take(pa.array(rows))["stratum"].combine_chunks().cast("string").value_counts()
    return dict(zip(*(counts.field(i).to_pylist() for i in (0, 1)), strict=True))


def as_mask(table, rows):
    mask = np.zeros(len(table), np.bool_)
    mask[rows] = True
    return mask


@pytest.mark.parametrize("method", ["genetic", "random", "farthest-point", "grts"])
def test_each_stratum_has_exactly_as_many_as_wanted_or_all(table, method):
    rows = select(table, SampleOptions(per_stratum=30, method=method), engine=ONE).rows

    assert (np.diff(rows) > 0).all()
    assert held(table, rows) == {name: min(size, 30) for name, size in STRATA.items()}


def test_a_number_above_every_stratum_takes_every_tile(table):
    selection = select(table, SampleOptions(per_stratum=10_000), engine=ONE)

    np.testing.assert_array_equal(selection.rows, np.arange(len(table)))
    assert selection.convergence == {}


@pytest.mark.parametrize("method", ["genetic", "random", "farthest-point", "grts"])
def test_one_tile_a_stratum(table, method):
    rows = select(table, SampleOptions(per_stratum=1, method=method), engine=ONE).rows

    assert held(table, rows) == dict.fromkeys(STRATA, 1)


@pytest.mark.parametrize("method", ["genetic", "random", "farthest-point", "grts"])
def test_kept_tiles_are_in_and_count(table, method):
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


def test_more_kept_than_wanted_is_an_error_that_names_the_stratum(table):
    kept = np.array(table["stratum"].to_pylist()) == "ET/snow"

    with pytest.raises(InputError, match=r"25 tiles of the stratum ET/snow .* only 20"):
        select(table, SampleOptions(per_stratum=20), kept=kept, engine=ONE)


@pytest.mark.parametrize("method", ["genetic", "random", "farthest-point", "grts"])
def test_the_same_seed_gives_the_same_tiles_and_another_seed_others(table, method):
    runs = [
        select(table, SampleOptions(per_stratum=20, method=method, seed=seed), engine=ONE).rows
        for seed in (0, 0, 1)
    ]

    np.testing.assert_array_equal(runs[0], runs[1])
    assert set(runs[0]) != set(runs[2])


def test_the_search_spreads_further_and_covers_better_than_chance(table):
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
            SampleOptions(per_stratum=30, coupling=CouplingOptions(spread=0)),
        )
    )

    assert coupled.nn_km > 1.25 * alone.nn_km
    assert coupled.cover_km < 1.1 * alone.cover_km


def test_a_tolerance_counts_from_what_is_wanted_however_often_a_stratum_is_searched(table):
    options = SampleOptions(per_stratum=20, genetic=GeneticOptions(tolerance=0.2))
    selection = select(table, options, engine=ONE)

    assert options.coupling.passes > 1
    large = [n for name, n in held(table, selection.rows).items() if STRATA[name] > 20]
    assert len(large) == 4
    assert all(16 <= n <= 24 for n in large)


def test_farthest_point_is_less_random_than_chance(table):
    tiles = Tiles.of_table(table)
    sizes = wanted_sizes(tiles.strata, 30)
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
        (np.linspace(179, 181, 200), np.linspace(-1, 1, 200)),  # across the antimeridian
    ],
    ids=["duplicates", "pole", "antimeridian"],
)
@pytest.mark.parametrize("method", ["genetic", "farthest-point", "grts"])
def test_places_that_are_hard(place, method):
    table = annotated_table(*place, ["A/x"] * 150 + ["B/y"] * 50)
    rows = select(table, SampleOptions(per_stratum=20, method=method), engine=ONE).rows

    assert held(table, rows) == {"A/x": 20, "B/y": 20}


def test_half_a_turn_of_the_globe_changes_no_choice():
    # Half a turn about the axis changes signs alone, so that not a bit of a distance changes.
    here = Tiles.of_table(annotated_table(*_PATCH, ["A/x"] * 200 + ["B/y"] * 100))
    there = Tiles(points=here.points * [-1, -1, 1], strata=here.strata)
    sizes = wanted_sizes(here.strata, 25)
    search = {"genetic": GeneticOptions(), "coupling": CouplingOptions(), "seed": 0}

    with local_executor(1) as executor:
        found = [spread_selection(t, sizes, executor=executor, **search) for t in (here, there)]
    np.testing.assert_array_equal(found[0].rows, found[1].rows)
    farthest = [farthest_point_selection(t, sizes, seed=0) for t in (here, there)]
    np.testing.assert_array_equal(*farthest)


def test_tiles_across_the_antimeridian_are_as_near_as_elsewhere():
    lon, lat = _PATCH
    across = (lon + 360) % 360 - 180  # from 175 over 180 to -175
    assert (across > 0).any() and (across < 0).any()
    tables = [annotated_table(x, lat, ["A/x"] * 300) for x in (lon, across)]
    here, there = (Tiles.of_table(table).points for table in tables)
    mask = as_mask(tables[0], np.arange(0, 300, 12))

    np.testing.assert_allclose(there, here * [-1, -1, 1], rtol=0, atol=1e-15)
    one, other = (measure(table, mask).as_dict() for table in tables)
    assert other == pytest.approx(one, rel=1e-9)


def test_the_file_holds_the_annotated_columns_and_the_role(tmp_path, annotated, table):
    out = tmp_path / "selection.parquet"
    sample_file(annotated, out, options=SampleOptions(per_stratum=30), engine=ONE)
    written = pq.read_table(out)

    more = ["role", "kept", "reserve_rank", "geometry"]
    assert written.column_names == [*table.column_names, *more]
    assert set(written["role"].to_pylist()) == {"selected"}
    assert written["reserve_rank"].null_count == len(written)
    assert not any(written["kept"].to_pylist())
    assert written["grid_cell"].to_pylist() == [
        cell
        for cell in table["grid_cell"].to_pylist()
        if cell in set(written["grid_cell"].to_pylist())
    ]
    assert "CC BY 4.0, somebody" in pq.read_schema(out).metadata[b"minortom"].decode()


def test_the_bytes_do_not_depend_on_the_number_of_workers(tmp_path, annotated):
    for workers in (1, 3):
        sample_file(
            annotated, tmp_path / f"{workers}.parquet", options=SampleOptions(per_stratum=20),
            engine=EngineOptions(workers=workers),
        )  # fmt: skip

    assert (tmp_path / "1.parquet").read_bytes() == (tmp_path / "3.parquet").read_bytes()


def test_a_list_of_cells_is_kept(tmp_path, annotated, table):
    keep, out = tmp_path / "keep.txt", tmp_path / "selection.parquet"
    cells = table["grid_cell"].to_pylist()[10:14]
    keep.write_text("\n".join(cells))
    summary = sample_file(
        annotated, out, options=SampleOptions(per_stratum=30), keep=keep, engine=ONE
    )
    written = pq.read_table(out)

    assert summary["kept"] == 4
    assert written.filter(written["kept"])["grid_cell"].to_pylist() == cells


def test_a_kept_cell_that_is_not_annotated_is_an_error_that_names_it(tmp_path, annotated):
    keep = tmp_path / "keep.txt"
    keep.write_text("3U_3R\n900U_5R\n")

    with pytest.raises(InputError, match="900U_5R"):
        sample_file(annotated, tmp_path / "out.parquet", options=SampleOptions(), keep=keep)
    assert not (tmp_path / "out.parquet").exists()


def test_a_selection_is_no_annotated_file(tmp_path, annotated):
    out = tmp_path / "selection.parquet"
    sample_file(annotated, out, options=SampleOptions(per_stratum=5, method="random"))

    with pytest.raises(InputError, match="it is a selection"):
        sample_file(out, tmp_path / "again.parquet", options=SampleOptions())


def test_a_missing_column_is_an_error(tmp_path, table):
    path = tmp_path / "annotated.parquet"
    pq.write_table(table.drop_columns(["stratum"]), path)

    with pytest.raises(InputError, match="lacks the column stratum"):
        sample_file(path, tmp_path / "out.parquet", options=SampleOptions())


@pytest.mark.parametrize("lat", [91.0, np.nan])
def test_a_tile_off_the_globe_is_an_error(lat):
    table = annotated_table([0, 1], [0, lat], ["A/x"] * 2)

    with pytest.raises(InputError, match="row 1 of the annotated tiles"):
        select(table, SampleOptions())


def test_a_tile_without_a_stratum_is_an_error():
    table = annotated_table([0, 1], [0, 0], ["A/x"] * 2)
    table = table.set_column(7, "stratum", pa.array(["A/x", None]))

    with pytest.raises(InputError, match="1 tiles have no stratum"):
        select(table, SampleOptions())


@pytest.mark.parametrize(
    "wrong",
    [
        {"per_stratum": 0}, {"per_stratum": 2**63}, {"method": "best"},
        {"genetic": GeneticOptions(objective="mean-distance", tries=0)},
    ],
)  # fmt: skip
def test_a_wrong_option_is_refused(wrong):
    with pytest.raises(InputError, match="--"):
        SampleOptions(**wrong)


def test_the_same_again_is_up_to_date_and_other_options_need_leave(tmp_path, annotated):
    out = tmp_path / "selection.parquet"
    options = SampleOptions(per_stratum=5, method="random")
    assert sample_file(annotated, out, options=options)["status"] == "written"
    assert sample_file(annotated, out, options=options)["status"] == "up to date"

    other = SampleOptions(per_stratum=6, method="random")
    with pytest.raises(OutputExistsError):
        sample_file(annotated, out, options=other)
    assert sample_file(annotated, out, options=other, overwrite=True)["tiles"] == 25
