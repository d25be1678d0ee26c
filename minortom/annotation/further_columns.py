"""Further columns of tiles, beside those of the maps of classes: numbers and classes.

Tables of cells, continuous rasters and bins of numbers give such columns. A number is one column
``NAME`` with its unit and source in the metadata of the field, null where it is unknown. A class is
a pair of columns, as of an additional map: ``NAME`` and ``NAME_code``, ``unmapped`` where it is
unknown.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from minortom.annotation.class_columns import UNMAPPED, encoded
from minortom.errors import InputError
from minortom.io.column_metadata import number_field

_CODE_TYPES = (np.uint8, np.uint16, np.int32)
"""Types of ``NAME_code``: the first that holds all codes. Its largest number is ``unmapped``."""


@dataclass(frozen=True, kw_only=True, eq=False)
class NumberColumn:
    """Numbers of [n] tiles."""

    values: pa.Array
    """[n] whole or floating-point numbers, null where unknown. NaN becomes null."""
    unit: str | None = None
    """Unit, such as ``m``."""
    source: str | None = None
    """Role of the input and name in it, such as ``table 1: geoenrich:elevation``; no path."""

    def __post_init__(self) -> None:
        if pa.types.is_floating(self.values.type):
            missing = pc.is_nan(self.values)
            if pc.any(missing).as_py():
                known = pc.if_else(missing, pa.scalar(None, self.values.type), self.values)
                object.__setattr__(self, "values", known)

    @property
    def num_missing(self) -> int:
        """Return the number of tiles without a number."""
        return int(self.values.null_count)

    @property
    def num_values(self) -> int:
        """Return the number of tiles with a number."""
        return len(self.values) - self.num_missing

    def stored(self, name: str) -> dict[pa.Field, pa.Array]:
        """Return the columns of ``annotated.parquet``."""
        kind = self.values.type
        return {number_field(name, kind, unit=self.unit, source=self.source): self.values}


@dataclass(frozen=True, kw_only=True, eq=False)
class ClassColumn:
    """Classes of [n] tiles.

    Raises:
        InputError: If a class has the name ``unmapped``, or a code is out of range.
    """

    index: NDArray[np.int32]
    """[n] positions in ``names``, or -1 for a tile without a class."""
    names: Sequence[str]
    """Names of the classes, each once, in the order in which they are shown."""
    codes: Sequence[int] | None = None
    """Code of each class, ascending; its position when None."""

    def __post_init__(self) -> None:
        if UNMAPPED in self.names:
            raise InputError(
                f"expected no class {UNMAPPED!r}, which marks tiles without a class, found it "
                f"among {len(self.names):,} classes; give that class another name"
            )

    @property
    def num_missing(self) -> int:
        """Return the number of tiles without a class."""
        return int((self.index < 0).sum())

    @property
    def num_values(self) -> int:
        """Return the number of tiles with a class."""
        return len(self.index) - self.num_missing

    def counts(self) -> dict[str, int]:
        """Return the number of tiles of each class, in the order of the classes."""
        tiles = np.bincount(self.index[self.index >= 0], minlength=len(self.names)).tolist()
        return dict(zip(self.names, tiles, strict=True))

    def stored(self, name: str) -> dict[pa.Field, pa.Array]:
        """Return the columns of ``annotated.parquet``: names and codes."""
        given = range(len(self.names)) if self.codes is None else self.codes
        kind = _type_for(name, given)
        codes = np.array([*given, np.iinfo(kind).max], kind)
        place = np.where(self.index < 0, len(self.names), self.index)
        classes = encoded(place, [*self.names, UNMAPPED].__getitem__)
        columns = {name: classes, f"{name}_code": pa.array(codes[place])}
        return {pa.field(key, column.type): column for key, column in columns.items()}


Column: TypeAlias = NumberColumn | ClassColumn


@dataclass(frozen=True, kw_only=True, eq=False)
class FurtherColumns:
    """Further columns of tiles, and which of the [n] tiles are kept."""

    columns: Mapping[str, Column]
    """Columns of the kept tiles by name, in the order of the file."""
    kept: NDArray[np.bool_] | None = None
    """[n] mask of the kept tiles; all when None."""
    dropped: Mapping[str, int] = field(default_factory=dict)
    """Number of tiles that are not kept, by reason."""
    lacking: Mapping[str, int] = field(default_factory=dict)
    """Number of the [n] tiles that a table of cells lacks, by its name."""
    legends: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    """Legends of the columns of bins, by their names; see ``Binned.legend``."""

    def add_to(self, table: pa.Table, *, after: str) -> pa.Table:
        """Return the kept rows of a table of the [n] tiles, with the columns behind one of it."""
        place = table.column_names.index(after) + 1
        if self.kept is not None:
            table = table.filter(pa.array(self.kept))
        for name, column in self.columns.items():
            for kind, values in column.stored(name).items():
                table = table.add_column(place, kind, pa.chunked_array([values]))
                place += 1
        return table


def _type_for(name: str, codes: Sequence[int]) -> type[np.integer]:
    low, high = min(codes, default=0), max(codes, default=0)
    for kind in _CODE_TYPES:
        if np.iinfo(kind).min <= low and high < np.iinfo(kind).max:
            return kind
    raise InputError(
        f"expected codes of {name} from {np.iinfo(kind).min} to {np.iinfo(kind).max - 1}, found "
        f"{low} to {high}; give smaller numbers, or use the column as a number"
    )
