"""Table from the values of a categorical map to class codes, after the crosswalk of its legend."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from minortom.errors import InputError
from minortom.maps.legends import MAX_CODE, Legend
from minortom.maps.manifests import find_manifest

OUTSIDE = -1
"""Code of a point or a cell outside the map."""
NO_CLASS = -2
"""Code of a point or a cell where the map has nodata."""


class NotCategoriesError(InputError):
    """Values that are not codes of classes; in an overview they may be blends of codes."""


@dataclass(frozen=True, kw_only=True, eq=False)
class ClassTable:
    """Class codes of the pixel values of a map."""

    legend: str
    """Name of the legend."""
    names: Mapping[int, str]
    """Name of each class, by its code in the result."""
    colours: Mapping[int, str]
    """Colours of classes as ``#rrggbb``, by their codes in the result; not of every class."""
    table: NDArray[np.int16]
    """[256] code in the result for each pixel value; NO_CLASS for values without a class."""
    known: frozenset[int]
    """Pixel values that are in the legend, as classes or nodata."""

    @classmethod
    def of(cls, legend: Legend) -> "ClassTable":
        """Build the table of a legend, after its crosswalk if it has one.

        Raises:
            InputError: If the crosswalk has codes that the other legend does not have.
        """
        codes, names, colours = _final_classes(legend)
        table = np.full(MAX_CODE + 1, NO_CLASS, dtype=np.int16)
        table[list(codes)] = list(codes.values())
        known = frozenset((*codes, *legend.nodata))
        return cls(legend=legend.name, names=names, colours=colours, table=table, known=known)

    @property
    def codes(self) -> NDArray[np.int16]:
        """[K] codes of the classes, ascending."""
        return np.array(sorted(self.names), dtype=np.int16)

    def codes_of(self, values: NDArray[Any], nodata: float | None) -> NDArray[np.int16]:
        """Return the codes of pixels [...]; NO_CLASS for pixels without a class.

        Args:
            values: Pixel values.
            nodata: Value of pixels without data, in addition to the nodata of the legend.
        """
        codable = (values >= 0) & (values <= MAX_CODE)
        codes = self.table[np.where(codable, values, 0).astype(np.intp)]
        return np.where(codable & (values != nodata), codes, np.int16(NO_CLASS))

    def numbered(
        self, values: NDArray[Any], nodata: float | None
    ) -> tuple[NDArray[Any], NDArray[np.int64]]:
        """Return pixels [...] as small whole numbers, and the class of each such number.

        Returns:
            Pixels as numbers from 0 (bytes unchanged); and for each number its index in
            ``codes``, K for nodata and K + 1 for values that are not in the legend.
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
        """Return the values that are not in the legend."""
        if values.dtype == np.uint8:
            found = np.flatnonzero(np.bincount(values.ravel(), minlength=1))
        else:
            found = np.unique(values)
        return {int(v) for v in found if int(v) not in self.known and v != nodata}

    def require_known(self, unknown: set[int], place: object) -> None:
        """Check that no values are missing from the legend.

        Raises:
            NotCategoriesError: If there are such values; the message names the map and the first
                of them.
        """
        if not unknown:
            return
        values = sorted(unknown)
        shown = ", ".join(map(str, values[:10])) + (", …" if len(values) > 10 else "")
        raise NotCategoriesError(
            f"expected values of the legend {self.legend} in {place} "
            f"({', '.join(map(str, sorted(self.known)))}), found {shown}; choose another legend or "
            "correct the map"
        )


def _final_classes(
    legend: Legend,
) -> tuple[dict[int, int], dict[int, str], dict[int, str]]:
    """Return the code of each value, and names and colours of the codes, after the crosswalk.

    Codes with the same name become the lowest of them.
    """
    codes, target = {code: code for code in legend.classes}, legend
    if legend.crosswalk is not None:
        found = find_manifest(legend.crosswalk.to)[1].legend
        assert found is not None
        codes, target = dict(legend.crosswalk.codes), found
        strange = [code for code in codes.values() if code not in target.classes]
        if strange or target.crosswalk is not None:
            raise InputError(
                f"legend {legend.name}: expected a crosswalk to codes of {target.name}, found "
                f"{strange or 'a further crosswalk'}; correct the manifest"
            )
    lowest: dict[str, int] = {}
    for code in sorted(target.classes):
        lowest.setdefault(target.classes[code], code)
    codes = {value: lowest[target.classes[code]] for value, code in codes.items()}
    names = {code: target.classes[code] for code in sorted(set(codes.values()))}
    colours = {code: target.colours[code] for code in names if code in target.colours}
    return codes, names, colours
