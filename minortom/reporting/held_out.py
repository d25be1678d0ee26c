"""Measures of a selection on data that the selection did not use, such as climate or elevation.

A selection represents a stratum if the values at its tiles represent the values of the stratum.
Only large strata are measured, those with more tiles than requested: only there a choice was made.
Tiles without a value are left out.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from scipy.special import stdtrit

from minortom.api.results import Result
from minortom.engine.numba_jit import compiled
from minortom.reporting.measures import without_nan
from minortom.sampling.strata import Tiles

CONTINUOUS = ("nn_error", "environment_cover", "distortion")
CATEGORICAL = ("accuracy", "share_difference")
MEASURES = (*CONTINUOUS, *CATEGORICAL)
CONFIDENCE = 0.95
_QUANTILES = np.arange(1, 100) / 100
_MAX_COMPARED = 400  # members; among more of them a tree finds the nearest one sooner

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]
Scores = Mapping[str, FloatArray]
"""Measure -> [S] its value in each stratum, NaN in a stratum that is not measured."""


@dataclass(frozen=True, kw_only=True, eq=False)
class HeldOutVariables:
    """Continuous variables at all tiles, as z-scores of their strata."""

    tiles: Tiles
    rows: Mapping[int, IntArray]
    """Large stratum -> its rows where all variables have a value; strata without any are absent."""
    z_scores: FloatArray
    """[n, v] value minus the stratum's mean, divided by its standard deviation; 0 for a variable
    that is constant in the stratum."""
    quantiles: Mapping[int, FloatArray]
    """Large stratum -> [99, v] percentiles 1 to 99 of the z-scores of its tiles."""

    @classmethod
    def of(cls, tiles: Tiles, values: FloatArray, wanted: IntArray) -> "HeldOutVariables":
        """Standardise variables.

        Args:
            tiles: All tiles and their strata.
            values: [n, v] value of each variable at each tile; NaN for a tile without one.
            wanted: [S] tiles requested of each stratum.
        """
        has_values = np.asarray(np.isfinite(values).all(axis=1), np.bool_)
        rows = rows_measured(tiles, has_values, wanted)
        z_scores = np.full(values.shape, np.nan)
        for here in rows.values():
            some = values[here]
            deviation = some.std(axis=0)
            # A constant may have a deviation of a rounding error.
            varies = deviation > 1e-12 * np.abs(some).max(axis=0)
            z_scores[here] = (some - some.mean(axis=0)) * (varies / np.where(varies, deviation, 1))
        quantiles = {s: np.quantile(z_scores[here], _QUANTILES, axis=0) for s, here in rows.items()}
        return cls(tiles=tiles, rows=rows, z_scores=z_scores, quantiles=quantiles)

    def scores(self, chosen: BoolArray) -> Scores:
        """Measure a selection in each large stratum.

        - ``nn_error``: error of predicting a tile that is not chosen by the chosen tile of the
          stratum that is nearest on the ground: root mean square over the variables, mean over
          the tiles.
        - ``environment_cover``: distance, in the space of the variables, from a tile to the
          chosen tile with the most similar values, mean over the tiles.
        - ``distortion``: absolute difference between the percentiles 1 to 99 of the chosen tiles
          and those of all tiles, mean over percentiles and variables.

        All are in standard deviations of the stratum, and less is better.

        Args:
            chosen: [n] mask of the selection.
        """
        found = {name: np.full(len(self.tiles.strata), np.nan) for name in CONTINUOUS}
        for s, here, members, others in _parts(self.rows, chosen):
            z, of_members = self.z_scores[here], self.z_scores[members]
            if len(others):
                points = self.tiles.points
                near, _ = nearest_members(points[others], points[members])
                error = self.z_scores[others] - of_members[near]
                found["nn_error"][s] = np.sqrt(np.square(error).mean(axis=1)).mean()
            found["environment_cover"][s] = nearest_members(z, of_members)[1].mean()
            quantiles = np.quantile(of_members, _QUANTILES, axis=0)
            found["distortion"][s] = np.abs(quantiles - self.quantiles[s]).mean()
        return found


@dataclass(frozen=True, kw_only=True, eq=False)
class HeldOutClasses:
    """The classes of a categorical map at all tiles."""

    tiles: Tiles
    rows: Mapping[int, IntArray]
    """Large stratum -> its rows with a class; strata without any are absent."""
    codes: IntArray
    """[n] code of each tile's class, below 0 without a class."""

    @classmethod
    def of(cls, tiles: Tiles, codes: NDArray[Any], wanted: IntArray) -> "HeldOutClasses":
        """Group the tiles with a class; arguments as in :meth:`HeldOutVariables.of`."""
        rows = rows_measured(tiles, codes >= 0, wanted)
        return cls(tiles=tiles, rows=rows, codes=codes.astype(np.int64))

    def scores(self, chosen: BoolArray) -> Scores:
        """Measure a selection in each large stratum.

        - ``accuracy``: share of the tiles not chosen that have the class of the chosen tile of
          the stratum that is nearest on the ground; more is better.
        - ``share_difference``: half the sum over classes of the absolute difference between the
          share of the class among chosen tiles and among all tiles (total variation distance);
          less is better.

        Args:
            chosen: [n] mask of the selection.
        """
        found = {name: np.full(len(self.tiles.strata), np.nan) for name in CATEGORICAL}
        num_classes, points = int(self.codes.max(initial=0)) + 1, self.tiles.points
        for s, here, members, others in _parts(self.rows, chosen):
            if len(others):
                near, _ = nearest_members(points[others], points[members])
                hits = self.codes[others] == self.codes[members][near]
                found["accuracy"][s] = hits.mean()
            shares = [
                np.bincount(self.codes[some], minlength=num_classes) / len(some)
                for some in (members, here)
            ]
            found["share_difference"][s] = np.abs(shares[0] - shares[1]).sum() / 2
        return found


@dataclass(frozen=True, kw_only=True)
class HeldOutFigure(Result):
    """The mean of a measure over strata, and its difference from random draws."""

    measure: str
    value: float
    """Mean over the measured strata; NaN without any."""
    strata: int
    """Measured strata."""
    difference: float
    """Mean over strata of the value minus the mean over random draws; NaN for the draws."""
    low: float
    """Lower end of the 95 % confidence interval of the difference: Student's t over strata."""
    high: float
    """Upper end."""

    def as_dict(self) -> dict[str, Any]:
        """Return the figures by name, None in place of NaN."""
        return without_nan(super().as_dict())


def figures(scores: Scores, draws: Sequence[Scores]) -> list[HeldOutFigure]:
    """Compare the scores of a selection with those of random draws, stratum by stratum.

    Args:
        scores: Scores of the selection.
        draws: Scores of each random draw; empty to compare with none.

    Returns:
        One figure a measure.
    """
    found = []
    for name, values in scores.items():
        measured = values[~np.isnan(values)]
        difference = low = high = np.nan
        if draws:
            apart = values - mean_over_draws(draws)[name]
            difference, low, high = interval(apart[~np.isnan(apart)])
        found.append(
            HeldOutFigure(
                measure=name, value=float(measured.mean()) if len(measured) else np.nan,
                strata=len(measured), difference=difference, low=low, high=high,
            )
        )  # fmt: skip
    return found


def mean_over_draws(draws: Sequence[Scores]) -> Scores:
    """Return the mean score of each stratum over draws; NaN where no draw was measured."""
    means = {}
    for name in draws[0]:
        values = np.stack([scores[name] for scores in draws])
        count = (~np.isnan(values)).sum(axis=0)
        means[name] = np.where(count > 0, np.nansum(values, axis=0) / np.maximum(count, 1), np.nan)
    return means


def interval(differences: FloatArray) -> tuple[float, float, float]:
    """Return the mean of differences [m], and its 95 % confidence interval by Student's t.

    NaN where there are too few: one for the mean, two for the interval.
    """
    count = len(differences)
    mean = float(differences.mean()) if count else math.nan
    if count < 2:
        return mean, math.nan, math.nan
    half = float(
        stdtrit(count - 1, (1 + CONFIDENCE) / 2) * differences.std(ddof=1) / math.sqrt(count)
    )
    return mean, mean - half, mean + half


def rows_measured(tiles: Tiles, has_value: BoolArray, wanted: IntArray) -> dict[int, IntArray]:
    """Return large stratum -> its rows with a value; strata without any are absent."""
    found = {}
    for s in np.flatnonzero(tiles.strata.sizes > wanted).tolist():
        rows = tiles.strata.rows(s)
        rows = rows[has_value[rows]]
        if len(rows):
            found[s] = rows
    return found


def _parts(
    rows: Mapping[int, IntArray], chosen: BoolArray
) -> Iterator[tuple[int, IntArray, IntArray, IntArray]]:
    """Yield each stratum with a chosen tile: all of its rows, chosen rows, other rows."""
    for s, here in rows.items():
        is_chosen = chosen[here]
        if is_chosen.any():
            yield s, here, here[is_chosen], here[~is_chosen]


def nearest_members(points: FloatArray, members: FloatArray) -> tuple[IntArray, FloatArray]:
    """Return for each point [n, d] the position of the nearest member [k, d], and its distance."""
    if len(members) > _MAX_COMPARED:
        distances, positions = cKDTree(members).query(points)
        return positions, distances
    positions, squares = _nearest(points, members.T.copy())
    return positions, np.sqrt(squares)


@compiled
def _nearest(points: FloatArray, members: FloatArray) -> tuple[IntArray, FloatArray]:
    """Compare each point [n, d] with all members [d, k]; return positions and squared distances."""
    positions, squares = np.empty(len(points), np.int64), np.empty(len(points))
    to_members = np.empty(members.shape[1])
    for i in range(len(points)):
        to_members[:] = 0.0
        for axis in range(len(members)):
            place = points[i, axis]
            for k in range(len(to_members)):  # without a branch, compiled to SIMD
                to_members[k] += (members[axis, k] - place) ** 2
        best = 0
        for k in range(1, len(to_members)):
            if to_members[k] < to_members[best]:
                best = k
        positions[i], squares[i] = best, to_members[best]
    return positions, squares
