"""Bins of numbers: classes of tiles by edges, or by quantiles over the annotated tiles."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from minortom.annotation.further_columns import ClassColumn, Column, NumberColumn
from minortom.api.arguments import name_and_value
from minortom.errors import InputError

BINS_KEY = "minortom_bins"
"""Key of the legends of bins in a file's metadata: JSON, column -> ``Binned.legend()``."""
_FORM = "NAME=EDGE,EDGE,… with ascending numbers, or NAME=quantiles:N with N from 2 to 1000"
_QUANTILES = "quantiles:"
_MAX_QUANTILES = 1000
_NAME_DIGITS = range(3, 18)
"""Significant digits of the edges of quantiles in names: the first number that tells them apart."""

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Bins:
    """Bins of one column of numbers: ascending edges, or a number of quantiles."""

    name: str
    """Name of the column of numbers."""
    edges: tuple[float, ...] = ()
    """Edges in the unit of the column; empty for quantiles."""
    quantiles: int | None = None
    """Number of bins with about as many tiles each; None with edges."""

    @classmethod
    def parse(cls, text: object) -> "Bins":
        """Parse ``NAME=EDGE,EDGE,…`` or ``NAME=quantiles:N``.

        Raises:
            InputError: If the text has another form, or the edges do not ascend.
        """
        name, value = name_and_value("--bins", text, form=_FORM)
        if value.startswith(_QUANTILES):
            number = value.removeprefix(_QUANTILES)
            if not (number.isdecimal() and 2 <= int(number) <= _MAX_QUANTILES):
                raise InputError(f"expected --bins {_FORM}, found {text!r}")
            return cls(name=name, quantiles=int(number))
        try:
            edges = np.array([float(edge) for edge in value.split(",")])
        except ValueError:
            raise InputError(f"expected --bins {_FORM}, found {text!r}") from None
        if not (np.isfinite(edges).all() and (np.diff(edges) > 0).all()):
            raise InputError(
                f"expected --bins {name}= with finite edges that ascend, found {value}; sort the "
                "edges, and give each once"
            )
        return cls(name=name, edges=tuple(edges.tolist()))

    @property
    def column(self) -> str:
        """Return the name of the column of classes."""
        return f"{self.name}_bin"

    def as_option(self) -> dict[str, object]:
        """Return what the user chose, for the provenance."""
        return {"edges": [*self.edges]} if self.edges else {"quantiles": self.quantiles}

    def of(self, columns: Mapping[str, Column]) -> "Binned":
        """Bin a column of numbers; a tile without a number has no class.

        Raises:
            InputError: If the column does not exist, has no numbers, or has so many equal ones
                that quantiles are equal.
        """
        numbers = self._numbers(columns)
        values = numbers.values.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
        known = ~np.isnan(values)
        if not known.any():
            raise InputError(
                f"--bins {self.name}: expected a number at some tile, found none at "
                f"{len(values):,} tiles; choose another column"
            )
        edges = np.array(self.edges) if self.edges else self._quantile_edges(values[known])
        index = np.searchsorted(edges, values, side="right").astype(np.int32)
        index[~known] = -1
        names = bin_names(edges, numbers.unit, exact=bool(self.edges))
        return Binned(
            bins=self, edges=tuple(edges.tolist()), unit=numbers.unit,
            classes=ClassColumn(index=index, names=names),
        )  # fmt: skip

    def require_column(self, names: Sequence[str]) -> None:
        """Check that one of the further columns has the name of the column of numbers.

        Raises:
            InputError: If none has.
        """
        if self.name not in names:
            raise InputError(
                f"--bins {self.name}: expected the name of a column of numbers from --variable or "
                f"--table, found no such column; the columns are {', '.join(names) or 'none'}"
            )

    def _numbers(self, columns: Mapping[str, Column]) -> NumberColumn:
        self.require_column([*columns])
        column = columns[self.name]
        if not isinstance(column, NumberColumn):
            raise InputError(
                f"--bins {self.name}: expected a column of numbers, found one with "
                f"{len(column.names):,} classes; use the column itself, as in --stratify-by"
            )
        return column

    def _quantile_edges(self, values: FloatArray) -> FloatArray:
        """Return the inner quantiles [N - 1] of the tiles, each of which has the same weight."""
        assert self.quantiles is not None
        found: FloatArray = np.quantile(values, np.arange(1, self.quantiles) / self.quantiles)
        equal = np.flatnonzero(np.diff(found, prepend=values.min()) <= 0)
        if len(equal):
            value = found[equal[0]]
            raise InputError(
                f"--bins {self.name}=quantiles:{self.quantiles}: expected edges that ascend, found "
                f"the edge {value:g} twice, since {(values == value).mean():.0%} of the tiles have "
                "this number; give fewer quantiles, or edges"
            )
        return found


@dataclass(frozen=True, kw_only=True, eq=False)
class Binned:
    """Classes of tiles by the bins of a number."""

    bins: Bins
    edges: tuple[float, ...]
    """Edges in the unit of the number; a bin has its lower edge and not its upper one."""
    unit: str | None
    classes: ClassColumn

    def legend(self) -> dict[str, object]:
        """Return the edges and the names of the classes, as the metadata of the file have them."""
        return {
            "of": self.bins.name, "unit": self.unit, "edges": [*self.edges],
            "classes": [*self.classes.names],
        }  # fmt: skip


def legends_metadata(legends: Mapping[str, Mapping[str, object]]) -> dict[str, str]:
    """Return the metadata of a file with the legends of its bins; empty without bins."""
    return {BINS_KEY: json.dumps(legends, ensure_ascii=False)} if legends else {}


def quantile_edges(
    bins: Sequence[Bins], legends: Mapping[str, Mapping[str, object]]
) -> dict[str, object]:
    """Return the edges that follow from the tiles, for the provenance; empty without quantiles."""
    edges = {of.name: legends[of.column]["edges"] for of in bins if of.quantiles is not None}
    return {"quantile_edges": edges} if edges else {}


def bin_names(edges: FloatArray, unit: str | None, *, exact: bool) -> list[str]:
    """Return the names of the bins between and beside [k] edges, such as ``500–1500 m``.

    Args:
        edges: Ascending edges.
        unit: Unit of the edges.
        exact: Whether names have all digits; else the fewest, at least three, that differ.
    """
    shown = edges
    for digits in () if exact else _NAME_DIGITS:
        shown = np.array([float(f"{edge:.{digits}g}") for edge in edges])
        if len(np.unique(shown)) == len(edges):
            break
    texts = [np.format_float_positional(edge, trim="-") for edge in shown]
    between = " to " if edges[0] < 0 else "–"
    names = [f"< {texts[0]}", *map(between.join, pairwise(texts))]
    return [f"{name} {unit}" if unit else name for name in (*names, f"≥ {texts[-1]}")]
