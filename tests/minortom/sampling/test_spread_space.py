"""The space of `--spread-over`: its coordinates held to scipy and scikit-learn, and bad columns."""

import numpy as np
import pyarrow as pa
import pytest
from points import distances_km
from scipy.spatial.distance import pdist, squareform
from sklearn.decomposition import PCA
from spread_tables import RANK, replaced, spread_table, vectors_of

from minortom.errors import InputError
from minortom.sampling.spread_columns import principal_components
from minortom.sampling.spread_parts import parse_spread
from minortom.sampling.spread_space import SpreadSpace
from minortom.sampling.strata import Tiles


@pytest.fixture(scope="module")
def table():
    return spread_table()


def space_of(table, parts, components=None):
    return SpreadSpace.of_table(
        table, Tiles.of_table(table), parse_spread(parts, components=components)
    )


def rows_of(table, stratum):
    return Tiles.of_table(table).strata.rows(stratum)


def column(table, name, rows):
    return table[name].to_numpy()[rows]


def test_distances_are_those_of_the_parts_divided_by_their_deviations(table):
    space, rows = space_of(table, "place*2,temperature,log:precipitation*0.5"), rows_of(table, 1)
    points = Tiles.of_table(table).points[rows]
    t, p = column(table, "temperature", rows), np.log(column(table, "precipitation", rows))
    of_place = np.sqrt((points.var(axis=0)).sum())

    expected = np.sqrt(
        (2 * pdist(points) / of_place) ** 2
        + (pdist(t[:, None]) / t.std()) ** 2
        + (0.5 * pdist(p[:, None]) / p.std()) ** 2
    )
    np.testing.assert_allclose(pdist(space.points(rows, 1)), expected)


def test_the_place_alone_has_the_chords_of_the_great_circles(table):
    rows = rows_of(table, 0)
    lon, lat = (column(table, name, rows) for name in ("lon", "lat"))
    space = space_of(table, "place,temperature")
    chords = squareform(pdist(space.standardised(rows, 0, [0])))

    arcs = distances_km(lon, lat) / 6371.0088
    np.testing.assert_allclose(chords * space.spreads[0, 0], 2 * np.sin(arcs / 2), atol=1e-6)


@pytest.mark.parametrize("parts", ["temperature", ["vector"], "place,vector,log:precipitation"])
def test_each_part_varies_by_1_in_each_stratum(table, parts):
    space = space_of(table, parts, "all")
    for s, name in enumerate(Tiles.of_table(table).strata.names):
        rows = rows_of(table, s)
        for number in range(len(space.parts)):
            of_part = space.standardised(rows, s, [number])
            assert of_part.var(axis=0).sum() == pytest.approx(1), name
        assert space.points(rows, s).shape[1] >= 3


def test_a_part_that_is_constant_in_a_stratum_does_not_count_there(table):
    codes = Tiles.of_table(table).strata.codes
    values = np.where(codes == 1, 0.1 + 0.2, table["temperature"].to_numpy())
    space = space_of(replaced(table, "temperature", values), "place,temperature")

    assert space.spreads[1, 1] == 0 and space.spreads[0, 1] > 1
    points = space.points(rows_of(table, 1), 1)
    np.testing.assert_array_equal(points[:, 3], 0)


def test_principal_components_are_those_of_scikit_learn(table):
    vectors = vectors_of(table)
    vectors += np.random.default_rng(0).normal(size=vectors.shape) * 0.01

    ours = principal_components(vectors.astype(np.float32), 5)
    theirs = PCA(5, svd_solver="full").fit_transform(vectors)
    np.testing.assert_allclose(pdist(ours), pdist(theirs), rtol=1e-4)


@pytest.mark.parametrize("components", [RANK, 7, "all"])
def test_as_many_components_as_the_rank_keep_all_distances(table, components):
    rows, vectors = rows_of(table, 0), vectors_of(table)
    space = space_of(table, "vector", components)

    expected = pdist(vectors[rows]) / np.sqrt(vectors[rows].var(axis=0).sum())
    np.testing.assert_allclose(pdist(space.points(rows, 0)), expected, rtol=1e-3, atol=1e-4)


def lists(table, kind):
    return replaced(table, "vector", pa.array(vectors_of(table).tolist(), kind))


@pytest.mark.parametrize(
    "kind",
    [pa.list_(pa.float64()), pa.large_list(pa.float32()), pa.list_(pa.float32(), 20)],
)
def test_embeddings_may_be_lists_of_any_kind(table, kind):
    rows = rows_of(table, 0)

    expected = space_of(table, "vector").points(rows, 0)
    found = space_of(lists(table, kind), "vector").points(rows, 0)
    np.testing.assert_allclose(pdist(found), pdist(expected), rtol=1e-4)


@pytest.mark.parametrize(
    ("kind", "factor"), [(pa.int32(), 1), (pa.decimal128(12, 3), 1), (pa.float32(), 1000)]
)
def test_the_type_and_the_unit_of_a_number_do_not_matter(table, kind, factor):
    whole = np.round(table["temperature"].to_numpy())
    rows = rows_of(table, 0)
    expected = space_of(replaced(table, "temperature", whole), "temperature").points(rows, 0)
    values = pa.array(whole * factor).cast(kind)

    found = space_of(replaced(table, "temperature", values), "temperature").points(rows, 0)
    np.testing.assert_allclose(found, expected, atol=1e-5)


NAN = float("nan")
NO_VALUE = "every tile must have a value, found {} of 412 without; remove these tiles from the"
WIDTH = "vector: expected embeddings of one width, found"
BAD = {
    "unknown": ("elevation", None, "elevation: column not found; the columns are grid_cell"),
    "text": ("climate", None, "expected a column of numbers, or embeddings .* --stratify-by"),
    "log of text": ("log:climate", None, "log:climate: expected a column of numbers, found"),
    "log of vectors": ("log:vector", None, "log:vector: expected a column of numbers, found"),
    "null": ("place,temperature", [None] * 3, NO_VALUE.format(3)),
    "NaN": ("temperature", [NAN, float("inf")], NO_VALUE.format(2)),
    "all null": ("temperature", [None] * 412, NO_VALUE.format(412)),
    "zero": (
        "log:precipitation", [0.0, -1.0],
        r"a logarithm needs values above 0, found 2 of 412 at or below 0; .*log\(1 \+ precip",
    ),
    "null vector": ("vector", [None] * 4, NO_VALUE.format(4)),
    "NaN in a vector": ("vector", [[NAN] * 20], NO_VALUE.format(1)),
    "two widths": ("vector", [[1.0] * 7], f"{WIDTH} 7, 20; give each tile"),
    "empty vectors": ("vector", [[]] * 412, f"{WIDTH} 0;"),
    "no vector": ("vector", [None] * 412, f"{WIDTH} no embedding;"),
}  # fmt: skip
"""Case -> (parts, first values of the last part, message)."""


@pytest.mark.parametrize("case", BAD)
def test_a_column_that_cannot_be_used_is_an_error_of_one_line(table, case):
    parts, first, message = BAD[case]
    if first is not None:
        name = parts.split(",")[-1].removeprefix("log:")
        values, kind = table[name].to_pylist(), table[name].type
        kind = pa.list_(pa.float32()) if name == "vector" else kind
        table = replaced(table, name, pa.array([*first, *values[len(first) :]], kind))

    with pytest.raises(InputError, match=f"^--spread-over .*{message}") as raised:
        space_of(table, parts)
    assert "\n" not in str(raised.value)
