"""Random draws measured together, compared with single draws."""

import numpy as np
import pytest
from points import annotated_table, random_lonlat

from minortom.errors import InputError
from minortom.reporting import comparison
from minortom.reporting.comparison import SPREADS, measure_draws
from minortom.reporting.measures import measure
from minortom.sampling.baselines import random_selection
from minortom.sampling.strata import Tiles

SIZES = np.array([30, 20, 5])


@pytest.fixture(scope="module")
def table():
    return annotated_table(*random_lonlat(300), ["A/x"] * 200 + ["B/y"] * 95 + ["C/z"] * 5)


@pytest.fixture(scope="module")
def tiles(table):
    return Tiles.of_table(table)


def one_by_one(table, tiles, seeds):
    found = []
    for seed in seeds:
        mask = np.zeros(len(tiles), np.bool_)
        mask[random_selection(tiles, SIZES, seed=seed)] = True
        found.append(measure(table, mask, per_stratum={"A/x": 30, "B/y": 20, "C/z": 9}))
    return found


def test_mean_and_deviation_equal_those_of_single_draws(table, tiles):
    found = measure_draws(tiles, SIZES, np.array([30, 20, 9]), number=4, seed=7)
    expected = one_by_one(table, tiles, range(7, 11))

    assert found.number == 4
    for name in SPREADS:
        values = [getattr(one, name) for one in expected]
        assert getattr(found.mean, name) == pytest.approx(np.mean(values))
        assert found.sd[name] == pytest.approx(np.std(values, ddof=1))
    assert (found.mean.tiles, found.mean.strata) == (55, 3)
    assert (found.mean.underfull, found.mean.taken_whole) == (0, 1)


def test_one_draw_has_no_deviation(table, tiles):
    found = measure_draws(tiles, SIZES, np.array([30, 20, 9]), number=1, seed=3)

    assert [found.mean] == one_by_one(table, tiles, [3])
    assert np.isnan(list(found.sd.values())).all()


def test_cores_do_not_change_the_bits(tiles, monkeypatch):
    everywhere = measure_draws(tiles, SIZES, SIZES, number=5, seed=0)
    monkeypatch.setattr(comparison, "available_cores", lambda: 1)

    assert measure_draws(tiles, SIZES, SIZES, number=5, seed=0) == everywhere


def test_zero_draws_are_refused(tiles):
    with pytest.raises(InputError, match="--draws"):
        measure_draws(tiles, SIZES, SIZES, number=0, seed=0)
