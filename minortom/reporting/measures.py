"""The measures of a selection: distances between its tiles, coverage and balance of its strata.

Distances are great-circle distances in km on a sphere with the Earth's mean radius. A stratum is
*large* if it has more tiles than were requested of it: only there a choice was made.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from minortom.api.results import Result
from minortom.errors import InputError
from minortom.genetic.pairwise_distance import mean_pairwise_by_bins_km, mean_pairwise_km
from minortom.grid.sphere import km_of_chord
from minortom.sampling.strata import Tiles, mask_of

MAX_FOR_PAIRS = 20_000
MAX_FOR_PAIRS_IN_STRATUM = 2_000
"""Maximum numbers of tiles for the mean over all pairs. Of larger sets a random subset of this
size is used, with a fixed seed. The relative error is about 0.3 %, and 0.2 % over a hundred
strata."""
_MAX_EXACT = 500  # pair distances of larger sets are counted in bins; relative error 1e-6

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class Metrics(Result):
    """The measures of one set of tiles; NaN where the set is too small for a measure."""

    tiles: int
    """Tiles in the set."""
    strata: int
    """Strata with a tile in the set."""
    underfull: int
    """Strata with fewer tiles in the set than requested although they have more."""
    taken_whole: int
    """Strata with fewer tiles than requested, all of which are in the set."""
    nn_km: float
    """Mean over all tiles of the distance to the nearest other tile."""
    within_km: float
    """Mean over large strata with two or more tiles in the set of the mean pairwise distance of
    these tiles."""
    cover_km: float
    """Mean over large strata of the mean distance from a tile of the stratum to its nearest
    selected tile."""
    pairwise_km: float
    """Mean distance over all pairs of tiles."""
    balance: float
    """Mean over large strata of the spatial balance of Stevens and Olsen (2004, doi
    10.1198/016214504000000250): the mean of (v_i - 1)², where v_i is the expected number of
    selected tiles among the stratum's tiles that are nearest to selected tile i (its Voronoi
    cell). 0 is perfect. A tile at equal distance from two selected tiles counts for one of
    them."""

    def as_dict(self) -> dict[str, Any]:
        """Return the measures by name, in a fixed order; None in place of NaN."""
        return without_nan(super().as_dict())


@dataclass(frozen=True, kw_only=True)
class Counts:
    """Mean and standard deviation of the tiles in a class, as in the paper's Table II."""

    climate_mean: float
    climate_sd: float
    landcover_mean: float
    landcover_sd: float
    stratum_mean: float
    """Over strata that have more than 90 % of the requested tiles, as in the paper."""
    stratum_sd: float


def measure(
    annotated: pa.Table,
    selected: BoolArray | pa.Table,
    *,
    per_stratum: int | Mapping[str, int] | None = None,
) -> Metrics:
    """Compute the measures of a set of tiles.

    Args:
        annotated: All tiles, with ``grid_cell``, ``lat``, ``lon`` and ``stratum``.
        selected: [n] mask over all tiles, or a table with the ``grid_cell`` of the set.
        per_stratum: Tiles requested of each stratum: one number, or stratum -> number. None
            means the maximum number of tiles that the set has in a stratum.

    Raises:
        InputError: If the set is empty or has cells that are not annotated.
    """
    tiles, mask = Tiles.of_table(annotated), selected_mask(annotated, selected)
    return measure_tiles(tiles, mask, wanted_of(tiles, mask, per_stratum))


def measure_tiles(tiles: Tiles, mask: BoolArray, wanted: IntArray) -> Metrics:
    """Compute the measures of a set of tiles, as :func:`measure` does.

    Args:
        tiles: All tiles and their strata.
        mask: [n] mask of the set; at least one tile.
        wanted: [S] tiles requested of each stratum.
    """
    held = np.bincount(tiles.strata.codes[mask], minlength=len(tiles.strata))
    within, cover, balance = [], [], []
    for s in np.flatnonzero((tiles.strata.sizes > wanted) & (held > 0)).tolist():
        rows = tiles.strata.rows(s)
        members = rows[mask[rows]]
        if len(members) > 1:
            within.append(_pairwise_km(tiles.points[members], MAX_FOR_PAIRS_IN_STRATUM))
        stratum_cover, stratum_balance = _cover(tiles.points[rows], tiles.points[members])
        cover.append(stratum_cover)
        balance.append(stratum_balance)
    chosen = tiles.points[mask]
    nearest = nearest_km(chosen)
    return Metrics(
        tiles=len(chosen),
        strata=int((held > 0).sum()),
        underfull=int(np.count_nonzero(tiles.strata.missing(held, wanted))),
        taken_whole=int(np.count_nonzero(tiles.strata.taken_whole(held, wanted))),
        nn_km=_mean(nearest),
        within_km=_mean(within),
        cover_km=_mean(cover),
        pairwise_km=_pairwise_km(chosen, MAX_FOR_PAIRS),
        balance=_mean(balance),
    )


def count(
    annotated: pa.Table,
    selected: BoolArray | pa.Table,
    *,
    per_stratum: int | Mapping[str, int] | None = None,
) -> Counts:
    """Count the tiles in climate zones, land-cover classes and strata.

    The arguments are those of :func:`measure`; ``annotated`` also has ``climate`` and
    ``landcover``.
    """
    tiles, mask = Tiles.of_table(annotated), selected_mask(annotated, selected)
    return count_tiles(annotated, tiles, mask, wanted_of(tiles, mask, per_stratum))


def count_tiles(annotated: pa.Table, tiles: Tiles, mask: BoolArray, wanted: IntArray) -> Counts:
    """Count the tiles in classes, as :func:`count` does; arguments as in :func:`measure_tiles`."""
    held = np.bincount(tiles.strata.codes[mask], minlength=len(tiles.strata))
    filled = held[held > 0.9 * wanted]
    some = annotated.select(["climate", "landcover"]).filter(pa.array(mask))
    by_class = []
    for name in ("climate", "landcover"):
        found = some[name].cast(pa.string()).combine_chunks().value_counts()
        by_class.append(found.field("counts").to_numpy())
    (climate_mean, climate_sd), (landcover_mean, landcover_sd), (mean, sd) = (
        (_mean(counts), float(np.std(counts)) if len(counts) else np.nan)
        for counts in (*by_class, filled)
    )
    return Counts(
        climate_mean=climate_mean,
        climate_sd=climate_sd,
        landcover_mean=landcover_mean,
        landcover_sd=landcover_sd,
        stratum_mean=mean,
        stratum_sd=sd,
    )


def selected_mask(annotated: pa.Table, selected: BoolArray | pa.Table) -> BoolArray:
    """Return the mask of a selection over the annotated tiles.

    Raises:
        InputError: If it is empty or has cells that are not annotated.
    """
    if isinstance(selected, pa.Table):
        mask = mask_of(annotated, selected["grid_cell"])
        missing = len(selected) - int(mask.sum())
        if missing > 0:
            raise InputError(
                f"all selected tiles must be annotated, found {missing} of {len(selected)} that "
                "are not; give the file that the selection was made from"
            )
    else:
        mask = np.asarray(selected, np.bool_)
    if not mask.any():
        raise InputError("the selection must have at least one tile, found none; select some")
    return mask


def wanted_of(
    tiles: Tiles, mask: BoolArray, per_stratum: int | Mapping[str, int] | None
) -> IntArray:
    """Return the tiles requested of each stratum [S]; arguments as in :func:`measure`."""
    names = tiles.strata.names
    if isinstance(per_stratum, Mapping):
        return np.array([per_stratum.get(name, 0) for name in names])
    if per_stratum is None:
        per_stratum = int(np.bincount(tiles.strata.codes[mask]).max())
    return np.full(len(names), per_stratum)


def nearest_km(points: FloatArray) -> FloatArray:
    """Return the distance from each point [n, 3] to its nearest other point; empty for n = 1."""
    if len(points) < 2:
        return np.empty(0)
    chords, _ = cKDTree(points).query(points, k=2, workers=-1)
    return km_of_chord(chords[:, 1])


def _cover(points: FloatArray, members: FloatArray) -> tuple[float, float]:
    """Return the mean distance to the nearest member, and the spatial balance of the members."""
    if len(members) == len(points):  # each tile is its own nearest member
        return 0.0, 0.0
    chords, nearest = cKDTree(members).query(points)
    share = len(members) / len(points)  # the inclusion probability of each tile
    expected = np.bincount(nearest, minlength=len(members)) * share
    return float(km_of_chord(chords).mean()), float(((expected - 1) ** 2).mean())


def _pairwise_km(points: FloatArray, maximum: int) -> float:
    if len(points) > maximum:
        drawn = np.random.default_rng(0).choice(len(points), maximum, replace=False)
        points = points[np.sort(drawn)]
    if len(points) <= _MAX_EXACT:
        return float(mean_pairwise_km(points))
    return mean_pairwise_by_bins_km(points)


def without_nan(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return values by name with None in place of NaN, as JSON has no NaN."""
    return {
        name: None if isinstance(value, float) and math.isnan(value) else value
        for name, value in values.items()
    }


def _mean(values: list[float] | IntArray | FloatArray) -> float:
    return float(np.mean(values)) if len(values) else float("nan")
