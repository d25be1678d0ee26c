"""Look-up of cells in maps: which cells become tiles, and their columns of classes."""

from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from minortom.annotation.class_columns import class_columns, joint_class, mapped, with_unmapped
from minortom.annotation.map_classes import (
    Codes,
    MapClasses,
    classes_in_map,
    require_distinct_shares,
)
from minortom.annotation.modes import Modes
from minortom.grid.cells import Cells
from minortom.maps.class_table import NO_CLASS, OUTSIDE
from minortom.maps.descriptor import Descriptor
from minortom.progress import OnProgress, ignore_progress, part_of

_OF_STRATUM = ("climate", "landcover")


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
    notes: Sequence[str]
    """Sentences about maps that were read in another way than expected."""


def look_up(
    cells: Cells,
    descriptors: Mapping[str, Descriptor],
    *,
    modes: Modes | None = None,
    keep_unmapped: bool = False,
    executor: Executor | None = None,
    num_later: int = 0,
    on_progress: OnProgress = ignore_progress,
) -> TileClasses:
    """Look cells up in maps (Algorithm 1).

    Args:
        cells: Candidates for tiles.
        descriptors: Maps by the name of their column. ``climate`` and ``landcover`` make the
            stratum. A tile outside an additional map, or on its nodata, stays and is ``unmapped``
            there.
        modes: Which pixels the classes come from.
        keep_unmapped: Whether cells without a climate or land-cover class stay, as ``unmapped``.
        executor: Where tiles of maps are read; this process when None.
        num_later: Number of rasters that are looked up after these maps, for the progress.
        on_progress: Called with (look-ups done, look-ups in all).

    Raises:
        InputError: If a map is unusable.
    """
    modes = modes or Modes()
    require_distinct_shares(descriptors, {name: modes.of(name) for name in descriptors})
    further = [name for name in descriptors if name not in _OF_STRATUM]
    order = [*_OF_STRATUM, *further]

    def look(name: str, here: Cells) -> MapClasses:
        progress = part_of(
            on_progress, order.index(name), parts=len(order) + num_later, size=len(cells)
        )
        return classes_in_map(
            name, descriptors[name], here, mode=modes.of(name), resolution_m=modes.resolution_m,
            executor=executor, on_progress=progress,
        )  # fmt: skip

    climate = look("climate", cells)
    first = np.flatnonzero(keep_unmapped | (climate.codes >= 0))
    landcover = look("landcover", cells.take(first))
    kept = np.flatnonzero(keep_unmapped | (landcover.codes >= 0))
    rows = first[kept]
    found = {"climate": climate.take(rows), "landcover": landcover.take(kept)}
    found |= {name: look(name, cells.take(rows)) for name in further}
    missing = {**_without("climate", climate.codes), **_without("landcover", landcover.codes)}
    return TileClasses(
        rows=rows,
        columns=_columns(found),
        dropped={} if keep_unmapped else missing,
        unmapped={
            name: int((classes.codes < 0).sum())
            for name, classes in found.items() if keep_unmapped or name in further
        },
        notes=[classes.note for classes in found.values() if classes.note is not None],
    )  # fmt: skip


def _columns(found: Mapping[str, MapClasses]) -> dict[str, pa.Array]:
    """Return the columns of ``annotated.parquet`` that come from maps, in order."""
    names = {name: with_unmapped(map_.descriptor.names, of=name) for name, map_ in found.items()}
    codes = {name: mapped(map_.codes) for name, map_ in found.items()}
    columns = {name: class_columns(name, codes[name], names[name]) for name in found}
    paper = columns["climate"] | columns["landcover"]
    laid_out = {
        name: paper[name] for name in ("climate", "landcover", "climate_code", "landcover_code")
    }
    laid_out["stratum"] = joint_class(
        codes["climate"], codes["landcover"], names["climate"], names["landcover"]
    )
    for name, map_ in found.items():
        laid_out |= {} if name in _OF_STRATUM else columns[name]
        # NaN: a cell without any mapped pixel.
        laid_out |= {
            column: pa.array(part, from_pandas=True) for column, part in map_.shares.items()
        }
    return laid_out


def _without(name: str, codes: Codes) -> dict[str, int]:
    return {
        f"outside_{name}_map": int((codes == OUTSIDE).sum()),
        f"no_{name}_class": int((codes == NO_CLASS).sum()),
    }
