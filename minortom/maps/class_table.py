"""What the values of a categorical map become: codes of classes, after the legend's crosswalk."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from minortom.errors import InputError
from minortom.maps.manifests import MAX_CODE, Legend, find_manifest

OUTSIDE = -1
"""Stands for a code where a point or a cell lies outside the map."""
NO_CLASS = -2
"""Stands for a code where the map has nodata."""


@dataclass(frozen=True, kw_only=True, eq=False)
class ClassTable:
    """Value of a pixel -> code of its class in the result."""

    legend: str
    """Name of the legend."""
    names: Mapping[int, str]
    """Code in the result -> name of the class."""
    table: NDArray[np.int16]
    """[256] value of a pixel -> code in the result, NO_CLASS where it has none."""
    known: frozenset[int]
    """Values of pixels that the legend speaks of."""

    @classmethod
    def of(cls, legend: Legend) -> "ClassTable":
        """Take a legend, and its crosswalk where it has one.

        Raises:
            InputError: If the crosswalk leads nowhere.
        """
        codes, names = _final_classes(legend)
        table = np.full(MAX_CODE + 1, NO_CLASS, dtype=np.int16)
        table[list(codes)] = list(codes.values())
        known = frozenset((*codes, *legend.nodata))
        return cls(legend=legend.name, names=names, table=table, known=known)

    @property
    def codes(self) -> NDArray[np.int16]:
        """[K] codes of the classes, ascending."""
        return np.array(sorted(self.names), dtype=np.int16)

    def codes_of(self, values: NDArray[Any], nodata: float | None) -> NDArray[np.int16]:
        """Give the codes of [...] pixels, NO_CLASS where there is none.

        Args:
            values: The pixels.
            nodata: Value that the file itself calls nodata, whatever the legend says.
        """
        codable = (values >= 0) & (values <= MAX_CODE)
        codes = self.table[np.where(codable, values, 0).astype(np.intp)]
        return np.where(codable & (values != nodata), codes, np.int16(NO_CLASS))

    def numbered(
        self, values: NDArray[Any], nodata: float | None
    ) -> tuple[NDArray[Any], NDArray[np.int64]]:
        """Give whole numbers for [...] pixels, and the class of each such number.

        Returns:
            Pixels as numbers from 0 (bytes as they are); and number -> position in ``codes``,
            K for nodata and K + 1 for values that the legend does not know.
        """
        number_of = np.full(MAX_CODE + 1, len(self.codes) + 1, dtype=np.int64)
        for value in self.known:
            code = self.table[value]
            number_of[value] = len(self.codes) if code < 0 else np.searchsorted(self.codes, code)
        if nodata is not None and nodata in range(MAX_CODE + 1):
            number_of[int(nodata)] = len(self.codes)
        if values.dtype == np.uint8:
            return values, number_of
        codable = (values >= 0) & (values <= MAX_CODE)
        numbers = number_of[np.where(codable, values, 0)].astype(np.uint16)
        numbers[~codable] = len(self.codes) + 1
        numbers[values == nodata] = len(self.codes)
        return numbers, np.arange(len(self.codes) + 2)

    def unknown_in(self, values: NDArray[Any], nodata: float | None) -> set[int]:
        """Give the values that the legend does not speak of."""
        if values.dtype == np.uint8:
            found = np.flatnonzero(np.bincount(values.ravel(), minlength=1))
        else:
            found = np.unique(values)
        return {int(v) for v in found if int(v) not in self.known and v != nodata}

    def require_known(self, unknown: set[int], place: object) -> None:
        """Complain about values that the legend does not know.

        Raises:
            InputError: If there are some; the message names the map and the first of them.
        """
        if not unknown:
            return
        values = sorted(unknown)
        shown = ", ".join(map(str, values[:10])) + (", …" if len(values) > 10 else "")
        raise InputError(
            f"{place} holds values that the legend {self.legend} does not know: "
            f"{shown}; it knows {', '.join(map(str, sorted(self.known)))}; choose another legend "
            "or correct the map"
        )


def _final_classes(legend: Legend) -> tuple[dict[int, int], dict[int, str]]:
    """Give value -> code and code -> name, after the crosswalk where the legend has one."""
    if legend.crosswalk is None:
        return {code: code for code in legend.classes}, dict(legend.classes)
    target = find_manifest(legend.crosswalk.to)[1].legend
    assert target is not None
    codes = dict(legend.crosswalk.codes)
    strange = [code for code in codes.values() if code not in target.classes]
    if strange or target.crosswalk is not None:
        raise InputError(
            f"legend {legend.name}: its crosswalk leads to {strange or 'a further crosswalk'} in "
            f"{target.name}; wanted codes of that legend"
        )
    return codes, {code: target.classes[code] for code in sorted(set(codes.values()))}
