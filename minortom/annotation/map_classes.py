"""Classes of cells in one map, by its mode."""

from collections.abc import Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from minortom.annotation.modes import CENTER
from minortom.api.choices import MapMode
from minortom.errors import InputError
from minortom.grid.cells import Cells
from minortom.maps.descriptor import Descriptor
from minortom.progress import OnProgress

Codes = NDArray[np.int16]


@dataclass(frozen=True, kw_only=True, eq=False)
class MapClasses:
    """Classes of [n] cells in one map."""

    descriptor: Descriptor
    codes: Codes
    """[n] codes of the classes, or NO_CLASS or OUTSIDE."""
    shares: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)
    """Column -> [n] share of a class; empty unless the mode is ``fractions``."""
    note: str | None = None
    """Sentence about overviews that could not be used."""

    def take(self, rows: NDArray[np.intp]) -> "MapClasses":
        """Return the classes of some of the cells."""
        shares = {name: part[rows] for name, part in self.shares.items()}
        return MapClasses(
            descriptor=self.descriptor, codes=self.codes[rows], shares=shares, note=self.note
        )


def classes_in_map(
    name: str,
    descriptor: Descriptor,
    cells: Cells,
    *,
    mode: MapMode,
    resolution_m: float,
    executor: Executor | None,
    on_progress: OnProgress,
) -> MapClasses:
    """Return the class of each cell in a map, and on request each class's share.

    Args:
        name: Name of the map's column.
        descriptor: The map.
        cells: Cells to look up.
        mode: Pixels that the class comes from.
        resolution_m: Largest pixel to count, in metres.
        executor: Where tiles are read; this process when None.
        on_progress: Called with (parts done, parts in all).
    """
    if mode == CENTER:
        lon_deg, lat_deg = cells.centres()
        codes = descriptor.codes_at(lon_deg, lat_deg, executor=executor, on_progress=on_progress)
        return MapClasses(descriptor=descriptor, codes=codes)
    counts = descriptor.counts_in(
        cells, resolution_m=resolution_m, executor=executor, on_progress=on_progress
    )
    shares = {}
    if mode == "fractions":
        columns = share_columns(name, descriptor)
        shares = {
            columns[int(c)]: part
            for c, part in zip(counts.codes, counts.fractions().T, strict=True)
        }
    return MapClasses(
        descriptor=descriptor, codes=counts.majority(), shares=shares, note=counts.note
    )


def share_columns(name: str, descriptor: Descriptor) -> dict[int, str]:
    """Return the column of each class's share, by its code.

    Land cover has ``fraction_<class>``, another map ``fraction_<name>_<class>``.
    """
    prefix = "fraction" if name == "landcover" else f"fraction_{name}"
    return {code: f"{prefix}_{of}" for code, of in descriptor.names.items()}


def require_distinct_shares(
    descriptors: Mapping[str, Descriptor], modes: Mapping[str, MapMode]
) -> None:
    """Check that no two classes have the same column of shares.

    Raises:
        InputError: If two have; for example those of a map ``a`` with the class ``b_c`` and of a
            map ``a_b`` with the class ``c``.
    """
    taken: dict[str, str] = {}
    for name, descriptor in descriptors.items():
        if modes[name] != "fractions":
            continue
        for column in share_columns(name, descriptor).values():
            if column in taken:
                raise InputError(
                    f"expected a column for each class, found {column} in the fractions of "
                    f"{taken[column]} and of {name}; give a --descriptor another name, or a class "
                    "in the legend"
                )
            taken[column] = name
