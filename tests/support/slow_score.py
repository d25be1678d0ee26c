"""The score of a stratum's members by its formula, from matrices of distances."""

from dataclasses import dataclass

import numpy as np
from points import RADIUS_KM, random_lonlat
from scipy.special import digamma

from minortom.genetic.options import DIAMETER2, Stratum
from minortom.grid.sphere import unit_vectors

METRE = 0.001 / RADIUS_KM
METRE2 = METRE**2


def chords2(a, b):
    return np.maximum(((a[:, None] - b[None]) ** 2).sum(axis=2), METRE2)


def arcs(chord2):
    return 2 * np.arcsin(np.minimum(np.sqrt(chord2) / 2, 1))


@dataclass
class Terms:
    """The parts of the score of k members."""

    k: int
    logs: float  # sum of log squared chords of members and foreign tiles
    cover: float  # mean arc from a reference tile to its nearest member
    within: float  # mean arc of all pairs
    other_cover: float  # mean distance to the nearest member in another space, 1 without one

    def score(self, coverage_weight, within_weight, cover_weight=0):
        value = digamma(self.k) - digamma(1) + np.log(np.pi * RADIUS_KM**2) + self.logs / self.k
        value -= coverage_weight * np.log((max(self.cover, METRE) * RADIUS_KM) ** 2)
        value -= cover_weight * np.log(max(self.other_cover, METRE) ** 2)
        if self.k > 1:
            value += within_weight * np.log((self.within * RADIUS_KM) ** 2)
        return value


def terms(stratum, members):
    k, points = len(members), stratum.points
    between = chords2(points[members], points[members])
    np.fill_diagonal(between, np.inf)
    spacing = np.minimum(between.min(axis=1), stratum.outside[members])
    logs = np.log(np.minimum(spacing, DIAMETER2)).sum()
    if len(stratum.foreign):
        to_member = chords2(stratum.foreign, points[members]).min(axis=1)
        logs += np.log(np.minimum(to_member / stratum.foreign_outside, 1)).sum()
    to_nearest = arcs(chords2(points, points[members]).min(axis=1))
    there, other = stratum.cover_points, np.ones(len(points))
    if there is not None:
        other = np.linalg.norm(there[:, None] - there[None, members], axis=2).min(axis=1)
        other[members] = 0
    to_nearest[members] = 0
    pairs = arcs(between[np.triu_indices(k, 1)])
    cover, other_cover = (of[stratum.is_reference].mean() for of in (to_nearest, other))
    return Terms(k, logs, cover, pairs.mean() if k > 1 else np.nan, other_cover)


def slow_score(stratum, members, *, coverage_weight, within_weight):
    found = terms(stratum, np.asarray(members))
    return found.score(coverage_weight, within_weight, stratum.cover_weight)


def random_stratum(count, size, *, foreign=0, num_fixed=0, seed=0, cover_dimensions=0):
    """Return a stratum with other strata around it, and some tiles that are no reference.

    With ``cover_dimensions``, its tiles are also covered in a space of so many coordinates.
    """
    there = np.random.default_rng([seed, 1]).normal(size=(count, max(cover_dimensions, 1)))
    rng = np.random.default_rng(seed)
    return Stratum(
        points=unit_vectors(*random_lonlat(count, seed)),
        num_fixed=num_fixed,
        size=size,
        is_reference=rng.random(count) < 0.8,
        outside=np.where(rng.random(count) < 0.3, DIAMETER2, rng.uniform(0.001, 0.3, count)),
        foreign=unit_vectors(*random_lonlat(foreign, seed + 1)),
        foreign_outside=rng.uniform(0.001, 0.3, foreign),
        cover_points=there if cover_dimensions else None,
        cover_weight=0.8 if cover_dimensions else 0.0,
    )
