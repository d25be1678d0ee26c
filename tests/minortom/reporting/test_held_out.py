"""The held-out measures, held to arithmetic and to a plain NumPy twin."""

import numpy as np
import pytest
from points import annotated_table, distances_km, random_lonlat
from scipy import stats

from minortom.reporting import held_out
from minortom.reporting.held_out import (
    HeldOutClasses,
    HeldOutVariables,
    figures,
    interval,
    mean_over_draws,
    nearest_members,
)
from minortom.sampling.strata import Tiles

SIZES = {"A/x": 70, "B/y": 50, "C/z": 12, "D/w": 9}
WANTED = np.array([10, 10, 10, 10])  # D/w is not large


@pytest.fixture
def world():
    """Return tiles, their distances in km, three variables, classes, and a selection."""
    rng = np.random.default_rng(4)
    lon, lat = random_lonlat(sum(SIZES.values()), 6)
    tiles = Tiles.of_table(
        annotated_table(lon, lat, [name for name, size in SIZES.items() for _ in range(size)])
    )
    values = np.stack([lat, 100 + lon * lat, rng.normal(size=len(lon))], axis=1)
    chosen = np.zeros(len(lon), np.bool_)
    for s in range(len(SIZES)):
        chosen[rng.permutation(tiles.strata.rows(s))[:9]] = True
    return tiles, distances_km(lon, lat), values, (lat > 10) + (lon > 0) * 2, chosen


def twin(tiles, km, values, codes, chosen, stratum):
    """Compute all measures of one stratum, tile by tile."""
    rows = [
        i for i in range(len(values))
        if tiles.strata.codes[i] == stratum and np.isfinite(values[i]).all() and codes[i] >= 0
    ]  # fmt: skip
    z = {i: (values[i] - values[rows].mean(0)) / values[rows].std(0) for i in rows}
    members = [i for i in rows if chosen[i]]
    errors, distances, hits = [], [], []
    for i in rows:
        distances.append(min(np.linalg.norm(z[i] - z[m]) for m in members))
        if i not in members:
            near = members[int(np.argmin([km[i, m] for m in members]))]
            errors.append(np.sqrt(np.mean((z[i] - z[near]) ** 2)))
            hits.append(codes[i] == codes[near])
    percentiles = [
        np.percentile([z[i][v] for i in members], p) - np.percentile([z[i][v] for i in rows], p)
        for v in range(values.shape[1]) for p in range(1, 100)
    ]  # fmt: skip
    shares = [np.mean(codes[members] == code) - np.mean(codes[rows] == code) for code in range(4)]
    return {
        "nn_error": np.mean(errors), "environment_cover": np.mean(distances),
        "distortion": np.mean(np.abs(percentiles)), "accuracy": np.mean(hits),
        "share_difference": np.sum(np.abs(shares)) / 2,
    }  # fmt: skip


@pytest.mark.parametrize("holes", [0, 25])
def test_each_measure_is_that_of_a_plain_implementation(world, holes):
    tiles, km, values, codes, chosen = world
    missing = np.random.default_rng(1).permutation(len(codes))[:holes]
    values[missing, 1] = np.nan
    codes[missing] = -2  # in the same places, so that the twin needs one rule
    scores = {
        **HeldOutVariables.of(tiles, values, WANTED).scores(chosen),
        **HeldOutClasses.of(tiles, codes, WANTED).scores(chosen),
    }

    assert set(scores) == set(held_out.MEASURES)
    for s in range(3):
        for name, expected in twin(tiles, km, values, codes, chosen, s).items():
            assert scores[name][s] == pytest.approx(expected, rel=1e-9), (s, name)
    assert all(np.isnan(values[3]) for values in scores.values())


def test_units_change_no_measure_and_a_constant_adds_no_error(world):
    tiles, _, values, _, chosen = world
    plain = HeldOutVariables.of(tiles, values, WANTED).scores(chosen)
    scaled = HeldOutVariables.of(tiles, values * [0.1, -3, 1e6] + [273.15, 0, 1e9], WANTED)
    constant = HeldOutVariables.of(tiles, np.full((len(values), 2), 0.1), WANTED).scores(chosen)

    for name, found in scaled.scores(chosen).items():
        np.testing.assert_allclose(found, plain[name], rtol=1e-6)
        assert np.nanmax(np.abs(constant[name])) == 0


def test_a_whole_stratum_as_selection_has_no_distortion_and_no_tile_to_predict(world):
    tiles, _, values, codes, _ = world
    everything = np.ones(len(codes), np.bool_)
    variables = HeldOutVariables.of(tiles, values, WANTED).scores(everything)
    classes = HeldOutClasses.of(tiles, codes, WANTED).scores(everything)

    assert np.nanmax(variables["distortion"]) == np.nanmax(variables["environment_cover"]) == 0
    assert np.nanmax(classes["share_difference"]) == 0
    assert np.isnan(variables["nn_error"]).all() and np.isnan(classes["accuracy"]).all()


def test_a_stratum_without_values_or_without_a_chosen_value_is_not_measured(world):
    tiles, _, values, codes, chosen = world
    values[tiles.strata.rows(0)], codes[tiles.strata.rows(0)] = np.inf, -1
    no_member = tiles.strata.rows(1)[chosen[tiles.strata.rows(1)]]
    values[no_member], codes[no_member] = np.nan, -1
    variables, classes = HeldOutVariables.of(tiles, values, WANTED), HeldOutClasses.of(
        tiles, codes, WANTED
    )  # fmt: skip

    assert sorted(variables.rows) == sorted(classes.rows) == [1, 2]
    for scores in (variables.scores(chosen), classes.scores(chosen)):
        for found in scores.values():
            assert np.isnan(found).tolist() == [True, True, False, True]
    found = figures(variables.scores(chosen), [variables.scores(np.ones(len(codes), np.bool_))])
    assert [figure.strata for figure in found] == [1, 1, 1]
    assert found[2].difference == found[2].value and found[2].as_dict()["low"] is None


def test_differences_are_taken_stratum_by_stratum():
    draws = [{"accuracy": np.array(x)} for x in ([0.1, 0.4, np.nan], [0.3, np.nan, np.nan])]
    (found,) = figures({"accuracy": np.array([0.5, 0.7, 0.9])}, draws)

    np.testing.assert_array_equal(mean_over_draws(draws)["accuracy"], [0.2, 0.4, np.nan])
    assert (found.value, found.strata) == (pytest.approx(0.7), 3)
    assert found.difference == pytest.approx(0.3)  # of the two strata that draws measured
    assert np.isnan(figures(draws[0], [])[0].difference)


def test_the_interval_is_that_of_scipy():
    differences = np.random.default_rng(2).normal(0.1, 1, 30)
    expected = stats.ttest_1samp(differences, 0).confidence_interval(0.95)

    np.testing.assert_allclose(interval(differences), (differences.mean(), *expected))
    assert interval(differences[:1])[0] == differences[0]
    assert np.isnan(interval(differences[:1])[1:]).all() and np.isnan(interval(np.empty(0))).all()


@pytest.mark.parametrize("kernel", [held_out._nearest, held_out._nearest.py_func, None])
def test_the_tree_and_the_kernel_find_the_same_members(kernel, monkeypatch):
    rng = np.random.default_rng(8)
    points, members = rng.normal(size=(200, 5)), rng.normal(size=(40, 5))
    if kernel is None:
        monkeypatch.setattr(held_out, "_MAX_COMPARED", 10)
    else:
        monkeypatch.setattr(held_out, "_nearest", kernel)
    positions, distances = nearest_members(points, members)
    all_distances = np.linalg.norm(points[:, None] - members, axis=2)

    np.testing.assert_array_equal(positions, all_distances.argmin(axis=1))
    np.testing.assert_allclose(distances, all_distances.min(axis=1))
