"""How many tiles are wanted of each stratum: one number, a quota, or shares of a total.

A file of quotas is CSV or Parquet with the columns ``stratum`` and ``tiles``.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import isqrt
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
from numpy.typing import NDArray

from minortom.errors import InputError
from minortom.sampling.strata import Strata

Rule = Literal["equal", "proportional", "sqrt"]
"""What a stratum's share of a total goes by: nothing, its tiles, or the square root of those."""

MOST_TILES = 10**8
_SQRT_BITS = 20  # binary places of a square root; times any total it stays below 2^63
_SHOWN = 3
_WANTED = "wanted a CSV or Parquet file with the columns stratum and tiles"

IntArray = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Allocation:
    """A total that is shared out among the strata.

    Raises:
        InputError: If the total or the rule cannot be.
    """

    tiles: int
    rule: Rule = "equal"

    def __post_init__(self) -> None:
        if not 1 <= self.tiles <= MOST_TILES:
            raise InputError(f"--tiles must be from 1 to {MOST_TILES:,}, not {self.tiles:,}")
        if self.rule not in get_args(Rule):
            raise InputError(f"--allocation {self.rule}: wanted {', '.join(get_args(Rule))}")

    def shares(self, sizes: IntArray) -> IntArray:
        """Give the tiles of each stratum [S], never more than it has.

        They add up to ``tiles`` wherever there are so many. What a small stratum cannot give is
        shared out again among the others; fractions go by the largest remainder, of equal ones
        first to the stratum that comes first. All in whole numbers, hence exact.

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


def wishes(
    strata: Strata,
    *,
    per_stratum: int,
    quota: Mapping[str, int] | None = None,
    allocation: Allocation | None = None,
) -> IntArray:
    """Give the tiles wanted of each stratum [S], be it more than the stratum has.

    Args:
        strata: The strata.
        per_stratum: Of each stratum that the quota does not name.
        quota: By stratum.
        allocation: A total; takes the place of both.

    Raises:
        InputError: If the quota names a stratum that is not there, or no tile is wanted.
    """
    if allocation is not None:
        return allocation.shares(strata.sizes)
    quota = quota or {}
    known = set(strata.names)
    unknown = [name for name in quota if name not in known]
    if unknown:
        raise InputError(
            f"--quota names {len(unknown)} strata that have no tile ({_some(unknown)}); there are "
            f"{len(strata)}, such as {_some(list(strata.names))}; take them out of the file"
        )
    wanted = np.array([quota.get(name, per_stratum) for name in strata.names], np.int64)
    if not wanted.any():
        raise InputError("--quota wants no tile of any stratum; give one stratum more than 0")
    return wanted


def stored_wishes(options: Mapping[str, object], strata: Strata) -> IntArray | None:
    """Give the tiles wanted of each stratum [S] as the options in a selection's provenance say.

    None where they do not.

    Raises:
        InputError: If the strata are not those that the options are about.
    """
    match options:
        case {"tiles": int(total), "allocation": "equal" | "proportional" | "sqrt" as rule}:
            allocation = Allocation(tiles=total, rule=rule)
            return wishes(strata, per_stratum=0, allocation=allocation)
        case {"per_stratum": int(per_stratum), "quota": dict(quota)}:
            return wishes(strata, per_stratum=per_stratum, quota=quota)
        case {"per_stratum": int(per_stratum)}:
            return wishes(strata, per_stratum=per_stratum)
    return None


def _rounded(whole: IntArray, remainder: IntArray, total: int) -> IntArray:
    """Round shares up by the largest remainder until they add up."""
    rounded = whole.copy()
    largest_first = np.argsort(-remainder, kind="stable")
    rounded[largest_first[: total - int(whole.sum())]] += 1
    return rounded


def _some(names: list[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (", …" if len(names) > _SHOWN else "")


def read_quota(path: Path) -> dict[str, int]:
    """Read the tiles wanted of each stratum: Parquet where it is called so, else CSV.

    Raises:
        InputError: If the file cannot be read, lacks a column, names a stratum twice, or has a
            number that is missing, negative or not whole.
    """
    is_parquet = path.suffix.lower() in (".parquet", ".geoparquet")
    try:
        table = pq.read_table(path) if is_parquet else _read_csv(path)
    except (OSError, pa.ArrowException) as error:
        raise InputError(f"cannot read {path} ({str(error).splitlines()[0]}); {_WANTED}") from None
    missing = [name for name in ("stratum", "tiles") if table.column_names.count(name) != 1]
    if missing:
        raise InputError(
            f"{path} has not one column {', '.join(missing)} but the columns "
            f"{', '.join(table.column_names)}; {_WANTED}"
        )
    try:
        names = table["stratum"].cast(pa.string()).to_pylist()
        numbers = table["tiles"].cast(pa.int64()).to_pylist()
    except pa.ArrowException as error:
        found = str(error).splitlines()[0]
        raise InputError(f"{path}: {found}; wanted whole numbers as tiles") from None
    return _checked(path, names, numbers)


def _checked(path: Path, names: list[str | None], numbers: list[int | None]) -> dict[str, int]:
    quota: dict[str, int] = {}
    for row, (name, number) in enumerate(zip(names, numbers, strict=True), start=1):
        if name is None or number is None:
            raise InputError(f"{path}, row {row}: stratum or tiles is empty; fill or drop the row")
        if not 0 <= number <= MOST_TILES:
            raise InputError(
                f"{path}: {number} tiles of {name}; wanted a number from 0 to {MOST_TILES:,}"
            )
        if name in quota:
            raise InputError(f"{path} names the stratum {name} twice; wanted one row a stratum")
        quota[name] = number
    if not quota:
        raise InputError(f"{path} has no rows; {_WANTED}")
    return dict(sorted(quota.items()))


def _read_csv(path: Path) -> pa.Table:
    # As text: a class may be called 10 or NA.
    as_text = pa_csv.ConvertOptions(
        column_types={"stratum": pa.string(), "tiles": pa.string()}, null_values=[""],
        strings_can_be_null=True,
    )  # fmt: skip
    table = pa_csv.read_csv(path, convert_options=as_text)
    # People put spaces after commas.
    columns = [
        pc.utf8_trim_whitespace(column) if pa.types.is_string(column.type) else column
        for column in table.columns
    ]
    return pa.table(columns, names=[name.strip() for name in table.column_names])
