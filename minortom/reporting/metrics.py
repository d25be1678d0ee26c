"""How good a selection is, from the annotated tiles and the selected ones alone.

Distances are great-circle distances in km on a sphere with the Earth's mean radius. A stratum is
*large* if it has more tiles than were wanted of it: there, and only there, a choice was made.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from minortom.errors import InputError
from minortom.genetic.pairwise_distance import mean_pairwise_by_bins_km, mean_pairwise_km
from minortom.grid.sphere import km_of_chord
from minortom.sampling.strata import Tiles, mask_of

MOST_FOR_PAIRS = 20_000
MOST_FOR_PAIRS_IN_STRATUM = 2_000
"""Above so many tiles the mean over all pairs is taken over that many of them, drawn with a fixed
seed (a relative error of about 0.3 % and, over some hundred strata, 0.2 %)."""
_MOST_EXACT = 500  # above so many tiles distances of pairs are counted in bins, to a millionth

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class Metrics:
    """The measures of one set of tiles; NaN where a set is too small for a measure."""

    tiles: int
    """Tiles in the set."""
    strata: int
    """Strata with a tile in the set."""
    underfull: int
    """Strata of which the set has fewer tiles than wanted, be it since there are no more."""
    nn_km: float
    """Mean over all tiles of the distance to the nearest other one."""
    within_km: float
    """Mean over large strata of the mean pairwise distance of their tiles."""
    cover_km: float
    """Mean over large strata of the mean distance from a tile of the stratum to its nearest
    selected one."""
    pairwise_km: float
    """Mean distance over all pairs of tiles."""
    balance: float
    """Mean over large strata of the spatial balance of Stevens and Olsen (2004, doi
    10.1198/016214504000000250): the mean of (v_i - 1)², where v_i is the expected number of
    selected tiles among those of the stratum that are nearest to tile i (its Voronoi cell).
    0 is perfect; a tile that is as near to two goes to one of them."""

    def as_dict(self) -> dict[str, int | float]:
        """Give the measures by name, in a fixed order."""
        return asdict(self)


@dataclass(frozen=True, kw_only=True)
class Counts:
    """Mean and standard deviation of tiles a class: the other rows of the paper's Table II."""

    climate_mean: float
    climate_sd: float
    landcover_mean: float
    landcover_sd: float
    stratum_mean: float
    """Over strata that hold more than 90 % of what was wanted, as in the paper."""
    stratum_sd: float


def measure(
    annotated: pa.Table,
    selected: BoolArray | pa.Table,
    *,
    per_stratum: int | Mapping[str, int] | None = None,
) -> Metrics:
    """Measure a set of tiles against all annotated ones.

    Args:
        annotated: All tiles: ``grid_cell``, ``lat``, ``lon``, ``stratum``.
        selected: [n] mask over them, or a table with the ``grid_cell`` of those selected.
        per_stratum: Tiles wanted of each stratum, one number or one by name; when None, the
            most that the set has of any stratum.

    Raises:
        InputError: If the set is empty or has cells that are not annotated.
    """
    tiles, mask = Tiles.of_table(annotated), selected_mask(annotated, selected)
    return measure_tiles(tiles, mask, wanted_of(tiles, mask, per_stratum))


def measure_tiles(tiles: Tiles, mask: BoolArray, wanted: IntArray) -> Metrics:
    """Do what :func:`measure` does for tiles at hand.

    Args:
        tiles: All tiles and their strata.
        mask: [n] those of the set, one at least.
        wanted: [S] tiles wanted of each stratum.
    """
    held = np.bincount(tiles.strata.codes[mask], minlength=len(tiles.strata))
    within, cover, balance = [], [], []
    for s in np.flatnonzero((tiles.strata.sizes > wanted) & (held > 0)).tolist():
        rows = tiles.strata.rows(s)
        members = rows[mask[rows]]
        within.append(_pairwise_km(tiles.points[members], MOST_FOR_PAIRS_IN_STRATUM))
        stratum_cover, stratum_balance = _cover(tiles.points[rows], tiles.points[members])
        cover.append(stratum_cover)
        balance.append(stratum_balance)
    chosen = tiles.points[mask]
    nearest = nearest_km(chosen)
    return Metrics(
        tiles=len(chosen),
        strata=int((held > 0).sum()),
        underfull=int((held < wanted).sum()),
        nn_km=_mean(nearest),
        within_km=_mean(within),
        cover_km=_mean(cover),
        pairwise_km=_pairwise_km(chosen, MOST_FOR_PAIRS),
        balance=_mean(balance),
    )


def count(
    annotated: pa.Table,
    selected: BoolArray | pa.Table,
    *,
    per_stratum: int | Mapping[str, int] | None = None,
) -> Counts:
    """Count tiles a climate zone, a land-cover class and a stratum; arguments as for measure.

    ``annotated`` has ``climate`` and ``landcover`` too.
    """
    tiles, mask = Tiles.of_table(annotated), selected_mask(annotated, selected)
    return count_tiles(annotated, tiles, mask, wanted_of(tiles, mask, per_stratum))


def count_tiles(annotated: pa.Table, tiles: Tiles, mask: BoolArray, wanted: IntArray) -> Counts:
    """Do what :func:`count` does for tiles at hand; see :func:`measure_tiles`."""
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
    """Give a selection as a mask over the annotated tiles.

    Raises:
        InputError: If it is empty or has cells that are not annotated.
    """
    if isinstance(selected, pa.Table):
        mask = mask_of(annotated, selected["grid_cell"])
        missing = len(selected) - int(mask.sum())
        if missing > 0:
            raise InputError(
                f"{missing} of {len(selected)} selected tiles are not among the annotated ones; "
                "give the file that the selection was made from"
            )
    else:
        mask = np.asarray(selected, np.bool_)
    if not mask.any():
        raise InputError("the selection has no tiles; wanted one at least")
    return mask


def wanted_of(
    tiles: Tiles, mask: BoolArray, per_stratum: int | Mapping[str, int] | None
) -> IntArray:
    """Give the tiles wanted of each stratum [S]; arguments as for :func:`measure`."""
    names = tiles.strata.names
    if isinstance(per_stratum, Mapping):
        return np.array([per_stratum.get(name, 0) for name in names])
    if per_stratum is None:
        per_stratum = int(np.bincount(tiles.strata.codes[mask]).max())
    return np.full(len(names), per_stratum)


def nearest_km(points: FloatArray) -> FloatArray:
    """Give the distance from each point [n, 3] to its nearest other one; none for a single one."""
    if len(points) < 2:
        return np.empty(0)
    chords, _ = cKDTree(points).query(points, k=2, workers=-1)
    return km_of_chord(chords[:, 1])


def _cover(points: FloatArray, members: FloatArray) -> tuple[float, float]:
    """Give the mean distance to the nearest member, and the members' spatial balance."""
    if len(members) == len(points):  # each tile stands for itself
        return 0.0, 0.0
    chords, nearest = cKDTree(members).query(points)
    share = len(members) / len(points)  # the inclusion probability of each tile
    expected = np.bincount(nearest, minlength=len(members)) * share
    return float(km_of_chord(chords).mean()), float(((expected - 1) ** 2).mean())


def _pairwise_km(points: FloatArray, most: int) -> float:
    if len(points) > most:
        drawn = np.random.default_rng(0).choice(len(points), most, replace=False)
        points = points[np.sort(drawn)]
    if len(points) <= _MOST_EXACT:
        return float(mean_pairwise_km(points))
    return mean_pairwise_by_bins_km(points)


def _mean(values: list[float] | IntArray | FloatArray) -> float:
    return float(np.mean(values)) if len(values) else float("nan")
