"""Look-up of cells in maps: which cells become tiles, and their columns of classes."""

from collections.abc import Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import get_args

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from minortom.annotation.class_columns import class_columns, joint_class, mapped, with_unmapped
from minortom.api.arguments import shown
from minortom.api.choices import LandcoverMode
from minortom.errors import InputError
from minortom.grid.cells import Cells
from minortom.maps.class_table import NO_CLASS, OUTSIDE
from minortom.maps.descriptor import Descriptor
from minortom.progress import OnProgress, ignore_progress

Codes = NDArray[np.int16]
_OF_STRATUM = ("climate", "landcover")


@dataclass(frozen=True, kw_only=True)
class LandcoverOptions:
    """Pixels that the land cover of a cell comes from.

    Raises:
        InputError: If a value is out of range.
    """

    mode: LandcoverMode = "center"
    """``center``: the pixel at the centre. ``majority``: the most frequent class of the cell, in
    a tie the lowest code. ``fractions``: as ``majority``, with each class's share of the pixels."""
    resolution_m: float = 40.0
    """Largest pixel to count for ``majority`` and ``fractions``, in metres. The coarsest overview
    with such pixels is read."""

    def __post_init__(self) -> None:
        if not isinstance(self.mode, str) or self.mode not in get_args(LandcoverMode):
            expected = ", ".join(get_args(LandcoverMode))
            raise InputError(f"expected --landcover-mode {expected}, found {shown(self.mode)}")
        if not 0 < self.resolution_m < np.inf:
            raise InputError(
                f"expected --landcover-resolution above 0 metres, found {self.resolution_m}"
            )

    def as_options(self) -> dict[str, object]:
        """Return the options that change the result, for the provenance."""
        if self.mode == "center":
            return {"landcover_mode": self.mode}
        return {"landcover_mode": self.mode, "landcover_resolution_m": self.resolution_m}


@dataclass(frozen=True, kw_only=True, eq=False)
class TileClasses:
    """Cells that became tiles, and their classes."""

    rows: NDArray[np.intp]
    """[n] indices into the cells that were looked up, ascending."""
    columns: Mapping[str, pa.Array]
    """Classes, codes and ``stratum``; fractions and additional maps on request."""
    dropped: Mapping[str, int]
    """Number of cells that did not become tiles, by the first reason that applies."""
    unmapped: Mapping[str, int]
    """Number of tiles whose class is ``unmapped``, by map."""


def look_up(
    cells: Cells,
    descriptors: Mapping[str, Descriptor],
    *,
    options: LandcoverOptions | None = None,
    keep_unmapped: bool = False,
    executor: Executor | None = None,
    on_progress: OnProgress = ignore_progress,
) -> TileClasses:
    """Look cells up in maps (Algorithm 1).

    Args:
        cells: Candidates for tiles.
        descriptors: Maps by the name of their column. ``climate`` and ``landcover`` make the
            stratum. A tile outside an additional map, or on its nodata, stays and is ``unmapped``
            there.
        options: Which pixels the land cover comes from.
        keep_unmapped: Whether cells without a climate or land-cover class stay, as ``unmapped``.
        executor: Where tiles of maps are read; this process when None.
        on_progress: Called with (look-ups done, look-ups in all).

    Raises:
        InputError: If a map is unusable.
    """
    options = options or LandcoverOptions()
    climate, landcover = descriptors["climate"], descriptors["landcover"]
    further = {name: map_ for name, map_ in descriptors.items() if name not in _OF_STRATUM}
    progress = _MapProgress(
        on_progress=on_progress, num_cells=len(cells), num_maps=len(descriptors)
    )
    lon_deg, lat_deg = cells.centres()
    u = climate.codes_at(lon_deg, lat_deg, executor=executor, on_progress=progress.of(0))
    first = np.flatnonzero(keep_unmapped | (u >= 0))
    v, fractions = _landcover(landcover, cells.take(first), options, executor, progress.of(1))
    kept = np.flatnonzero(keep_unmapped | (v >= 0))
    rows = first[kept]
    found = {"climate": (u[rows], climate), "landcover": (v[kept], landcover)}
    for number, (name, descriptor) in enumerate(further.items(), start=2):
        codes = descriptor.codes_at(
            lon_deg[rows], lat_deg[rows], executor=executor, on_progress=progress.of(number)
        )
        found[name] = (codes, descriptor)
    return TileClasses(
        rows=rows,
        columns=_columns(found, {name: part[kept] for name, part in fractions.items()}),
        dropped={} if keep_unmapped else {**_without("climate", u), **_without("landcover", v)},
        unmapped={
            name: int((codes < 0).sum())
            for name, (codes, _) in found.items() if keep_unmapped or name in further
        },
    )  # fmt: skip


def _landcover(
    landcover: Descriptor,
    cells: Cells,
    options: LandcoverOptions,
    executor: Executor | None,
    on_progress: OnProgress,
) -> tuple[Codes, dict[str, NDArray[np.float32]]]:
    """Return the class of each cell, and on request each class's share."""
    if options.mode == "center":
        lon_deg, lat_deg = cells.centres()
        at = landcover.codes_at(lon_deg, lat_deg, executor=executor, on_progress=on_progress)
        return at, {}
    counts = landcover.counts_in(
        cells, resolution_m=options.resolution_m, executor=executor, on_progress=on_progress
    )
    if options.mode == "majority":
        return counts.majority(), {}
    shares = counts.fractions()
    names = (f"fraction_{landcover.names[int(code)]}" for code in counts.codes)
    return counts.majority(), dict(zip(names, shares.T, strict=True))


def _columns(
    found: Mapping[str, tuple[Codes, Descriptor]], fractions: Mapping[str, NDArray[np.float32]]
) -> dict[str, pa.Array]:
    """Return the columns of ``annotated.parquet`` that come from maps, in order."""
    names = {name: with_unmapped(map_.names, of=name) for name, (_, map_) in found.items()}
    codes = {name: mapped(values) for name, (values, _) in found.items()}
    columns = {name: class_columns(name, codes[name], names[name]) for name in found}
    paper = columns.pop("climate") | columns.pop("landcover")
    laid_out = {
        name: paper[name] for name in ("climate", "landcover", "climate_code", "landcover_code")
    }
    laid_out["stratum"] = joint_class(
        codes["climate"], codes["landcover"], names["climate"], names["landcover"]
    )
    # NaN: a cell without any mapped pixel.
    laid_out |= {name: pa.array(part, from_pandas=True) for name, part in fractions.items()}
    for pair in columns.values():
        laid_out |= pair
    return laid_out


def _without(name: str, codes: Codes) -> dict[str, int]:
    return {
        f"outside_{name}_map": int((codes == OUTSIDE).sum()),
        f"no_{name}_class": int((codes == NO_CLASS).sum()),
    }


@dataclass(frozen=True, kw_only=True)
class _MapProgress:
    """Progress over several maps; each map counts as one look-up per cell."""

    on_progress: OnProgress
    num_cells: int
    num_maps: int

    def of(self, number: int) -> OnProgress:
        """Return the callback of a map; its counts become look-ups in proportion."""

        def move(done: int, total: int) -> None:
            before = number * self.num_cells
            here = self.num_cells * done // total if total else self.num_cells
            self.on_progress(before + here, self.num_maps * self.num_cells)

        return move
