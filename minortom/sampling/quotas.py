"""Numbers of tiles to choose in each stratum: one number, a quota, or shares of a total.

A quota file is CSV or Parquet with the columns ``stratum`` and ``tiles``.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import isqrt
from pathlib import Path
from typing import get_args

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from minortom.api.choices import AllocationRule
from minortom.errors import InputError
from minortom.io.tables import read_any_table
from minortom.sampling.strata import Strata

MAX_TILES = 10**8
_SQRT_BITS = 20  # binary places of a square root; times any total it stays below 2^63
_NAMES_SHOWN = 3
_EXPECTED = "expected a CSV or Parquet file with the columns stratum and tiles"

IntArray = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Allocation:
    """A total number of tiles and the rule that shares it among the strata.

    Raises:
        InputError: If the total is out of range or the rule is unknown.
    """

    tiles: int
    rule: AllocationRule = "equal"

    def __post_init__(self) -> None:
        if not 1 <= self.tiles <= MAX_TILES:
            raise InputError(f"--tiles must be from 1 to {MAX_TILES:,}, found {self.tiles:,}")
        if self.rule not in get_args(AllocationRule):
            expected = ", ".join(get_args(AllocationRule))
            raise InputError(f"--allocation must be one of {expected}, found {self.rule}")

    def shares(self, sizes: IntArray) -> IntArray:
        """Return the tiles to choose in each stratum [S], at most as many as it has.

        The shares add up to ``tiles``, or to all tiles if there are fewer. When a stratum is too
        small for its share, the others share the remainder. Fractions are rounded by the largest
        remainder; of equal remainders the first stratum is rounded up. The arithmetic is exact
        because it uses whole numbers only.

        Args:
            sizes: [S] tiles of each stratum, at least one.
        """
        weights = self._weights(sizes)
        shares = np.zeros_like(sizes)
        is_open = np.ones(len(sizes), np.bool_)
        rest = min(self.tiles, int(sizes.sum()))
        while is_open.any():
            whole, remainder = np.divmod(rest * weights, weights[is_open].sum())
            full = is_open & (whole >= sizes)
            if not full.any():
                shares[is_open] = _rounded(whole[is_open], remainder[is_open], rest)
                break
            shares[full] = sizes[full]
            rest -= int(sizes[full].sum())
            is_open &= ~full
        return shares

    def _weights(self, sizes: IntArray) -> IntArray:
        if self.rule == "proportional":
            return sizes
        if self.rule == "equal":
            return np.ones_like(sizes)
        return np.array([isqrt(int(size) << 2 * _SQRT_BITS) for size in sizes], np.int64)


def requested_sizes(
    strata: Strata,
    *,
    per_stratum: int,
    quota: Mapping[str, int] | None = None,
    allocation: Allocation | None = None,
) -> IntArray:
    """Return the tiles requested of each stratum [S]; a stratum may have fewer.

    Args:
        strata: The strata.
        per_stratum: Tiles requested of each stratum that the quota does not name.
        quota: Name of a stratum -> tiles requested.
        allocation: A total; replaces ``per_stratum`` and ``quota``.

    Raises:
        InputError: If the quota names an unknown stratum, or requests no tile at all.
    """
    if allocation is not None:
        return allocation.shares(strata.sizes)
    quota = quota or {}
    known = set(strata.names)
    unknown = [name for name in quota if name not in known]
    if unknown:
        raise InputError(
            f"--quota names {len(unknown)} strata without any tile ({_some(unknown)}); there are "
            f"{len(strata)} strata, such as {_some(list(strata.names))}; remove the others"
        )
    requested = np.array([quota.get(name, per_stratum) for name in strata.names], np.int64)
    if not requested.any():
        raise InputError("--quota requests no tile at all; request at least one of one stratum")
    return requested


def stored_requested_sizes(options: Mapping[str, object], strata: Strata) -> IntArray | None:
    """Return the tiles requested of each stratum [S] by the options in a selection's provenance.

    None if the options do not contain the numbers.

    Raises:
        InputError: If the options belong to other strata.
    """
    match options:
        case {"tiles": int(total), "allocation": "equal" | "proportional" | "sqrt" as rule}:
            allocation = Allocation(tiles=total, rule=rule)
            return requested_sizes(strata, per_stratum=0, allocation=allocation)
        case {"per_stratum": int(per_stratum), "quota": dict(quota)}:
            return requested_sizes(strata, per_stratum=per_stratum, quota=quota)
        case {"per_stratum": int(per_stratum)}:
            return requested_sizes(strata, per_stratum=per_stratum)
    return None


def _rounded(whole: IntArray, remainder: IntArray, total: int) -> IntArray:
    """Round shares up by the largest remainder until they add up to the total."""
    rounded = whole.copy()
    largest_first = np.argsort(-remainder, kind="stable")
    rounded[largest_first[: total - int(whole.sum())]] += 1
    return rounded


def _some(names: list[str]) -> str:
    return ", ".join(names[:_NAMES_SHOWN]) + (", …" if len(names) > _NAMES_SHOWN else "")


def read_quota(path: Path) -> dict[str, int]:
    """Read a quota file: Parquet by its suffix, otherwise CSV.

    Raises:
        InputError: If the file cannot be read, has no such columns, names a stratum twice, or
            has a number that is missing, negative or not whole.
    """
    return quota_of_table(read_any_table(path, expected=_EXPECTED), str(path))


def quota_of_table(table: pa.Table, name: str) -> dict[str, int]:
    """Return the tiles requested of each stratum by a table with ``stratum`` and ``tiles``.

    Args:
        table: One row a stratum.
        name: Name of the table in error messages.

    Raises:
        InputError: As :func:`read_quota` does.
    """
    missing = [column for column in ("stratum", "tiles") if table.column_names.count(column) != 1]
    if missing:
        raise InputError(
            f"{name} must have exactly one column {' and one column '.join(missing)}, found the "
            f"columns {', '.join(table.column_names)}; {_EXPECTED}"
        )
    try:
        names = _trimmed(table["stratum"].cast(pa.string())).to_pylist()
        numbers = _trimmed(table["tiles"]).cast(pa.int64()).to_pylist()
    except pa.ArrowException as error:
        found = str(error).splitlines()[0]
        raise InputError(f"{name}: tiles must be whole numbers ({found})") from None
    return _checked(name, names, numbers)


def _trimmed(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return text without outer blanks, null where nothing is left: people write them in CSV."""
    if not pa.types.is_string(column.type):
        return column
    column = pc.utf8_trim_whitespace(column)
    return pc.if_else(pc.equal(column, ""), None, column)


def _checked(source: str, names: list[str | None], numbers: list[int | None]) -> dict[str, int]:
    quota: dict[str, int] = {}
    for row, (name, number) in enumerate(zip(names, numbers, strict=True), start=1):
        if name is None or number is None:
            raise InputError(
                f"{source}, row {row}: stratum or tiles is empty; fill or remove the row"
            )
        if not 0 <= number <= MAX_TILES:
            raise InputError(
                f"{source}: tiles must be from 0 to {MAX_TILES:,}, found {number} for {name}"
            )
        if name in quota:
            raise InputError(f"{source} names the stratum {name} twice; give one row a stratum")
        quota[name] = number
    if not quota:
        raise InputError(f"{source} has no rows; {_EXPECTED}")
    return dict(sorted(quota.items()))
