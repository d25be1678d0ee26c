"""Bins of numbers: edges, quantiles, names of the classes, and what is refused."""

import numpy as np
import pyarrow as pa
import pytest

from minortom.annotation.bins import Bins, bin_names
from minortom.annotation.further_columns import ClassColumn, NumberColumn
from minortom.errors import InputError


def binned(text, values, *, unit=None, kind=None):
    numbers = NumberColumn(values=pa.array(values, kind), unit=unit)
    classes = ClassColumn(index=np.zeros(len(values), np.int32), names=["wet"])
    return Bins.parse(text).of({"z": numbers, "soil": classes})


def names_of(found):
    """Return the name of each tile's class; None without a class."""
    names = [*found.classes.names, None]
    return [names[i] for i in found.classes.index]


def test_a_bin_has_its_lower_edge_and_a_tile_without_a_number_has_no_class():
    found = binned(
        "z=0,500,1500,3000", [-0.1, 0, 499.9, 500, 3000, 1e9, None, float("nan")], unit="m"
    )

    assert names_of(found) == [
        "< 0 m", "0–500 m", "0–500 m", "500–1500 m", "≥ 3000 m", "≥ 3000 m", None, None,
    ]  # fmt: skip
    assert found.classes.counts() == {
        "< 0 m": 1, "0–500 m": 2, "500–1500 m": 1, "1500–3000 m": 0, "≥ 3000 m": 2,
    }  # fmt: skip
    assert found.legend() == {
        "of": "z", "unit": "m", "edges": [0, 500, 1500, 3000], "classes": [*found.classes.counts()],
    }  # fmt: skip


@pytest.mark.parametrize("kind", [pa.int16(), pa.uint64(), pa.float32(), pa.decimal128(9, 2)])
def test_numbers_of_every_type_are_binned(kind):
    assert names_of(binned("z=3", [2, 3, None], kind=kind)) == ["< 3", "≥ 3", None]


def test_quantiles_are_those_of_the_tiles_and_have_equal_numbers_of_them():
    values = np.random.default_rng(0).lognormal(5, 2, 1000)
    found = binned("z=quantiles:4", [*values, None])

    np.testing.assert_array_equal(found.edges, np.quantile(values, [0.25, 0.5, 0.75]))
    assert list(found.classes.counts().values()) == [250] * 4
    below = found.classes.index[:-1] == 0
    assert values[below].max() < np.quantile(values, 0.25) <= values[~below].min()


@pytest.mark.parametrize(
    ("edges", "unit", "exact", "names"),
    [
        ([0.25], None, True, ["< 0.25", "≥ 0.25"]),
        ([12345, 123456.5], "Pa", True, ["< 12345 Pa", "12345–123456.5 Pa", "≥ 123456.5 Pa"]),
        ([-40, -10, 0], "°C", True, ["< -40 °C", "-40 to -10 °C", "-10 to 0 °C", "≥ 0 °C"]),
        ([1e-7, 1e9], "m", True, ["< 0.0000001 m", "0.0000001–1000000000 m", "≥ 1000000000 m"]),
        ([12.3456, 7890.1], "mm", False, ["< 12.3 mm", "12.3–7890 mm", "≥ 7890 mm"]),
        ([271.231, 271.262, 300], "K", False,
         ["< 271.2 K", "271.2–271.3 K", "271.3–300 K", "≥ 300 K"]),
    ],
)  # fmt: skip
def test_names_say_the_edges_and_the_unit(edges, unit, exact, names):
    assert bin_names(np.array(edges, float), unit, exact=exact) == names


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("z", "expected --bins NAME=EDGE,EDGE,… with ascending numbers, .* found 'z'"),
        ("=1,2", "expected --bins NAME=EDGE"),
        ("z=", "expected --bins NAME=EDGE"),
        ("z=low,high", "expected --bins NAME=EDGE.* found 'z=low,high'"),
        ("z=1,,2", "expected --bins NAME=EDGE"),
        ("z=3,1", "finite edges that ascend, found 3,1; sort the edges, and give each once"),
        ("z=1,1", "finite edges that ascend, found 1,1"),
        ("z=0,inf", "finite edges that ascend, found 0,inf"),
        ("z=nan", "finite edges that ascend"),
        ("z=quantiles:1", "with N from 2 to 1000, found 'z=quantiles:1'"),
        ("z=quantiles:many", "with N from 2 to 1000"),
        ("z=quantiles:1001", "with N from 2 to 1000"),
        ("height=1", "--bins height: .* found no such column; the columns are z, soil"),
        ("soil=1", "--bins soil: expected a column of numbers, found one with 1 classes"),
        ("z=quantiles:2", "expected edges that ascend, found the edge 0 twice, since 75% of the"),
    ],
)  # fmt: skip
def test_bad_bins_are_refused_in_one_line(text, message):
    with pytest.raises(InputError, match=message) as raised:
        binned(text, [0, 0, 0, 5])
    assert "\n" not in str(raised.value)


def test_quantiles_among_equal_numbers_are_refused():
    with pytest.raises(InputError, match="found the edge 5 twice, since 60% of the tiles"):
        binned("z=quantiles:4", [1, 2, 5, 5, 5, 5, 5, 5, 9, 10])


def test_a_column_without_any_number_cannot_be_binned():
    with pytest.raises(
        InputError, match="--bins z: expected a number at some tile, found none at 2"
    ):
        binned("z=1", [None, None], kind=pa.float64())
