"""Inputs of further columns of tiles: continuous rasters, and bins of numbers."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from pathlib import Path
from typing import get_args

import numpy as np
import pyarrow as pa

from minortom.annotation.bins import Bins
from minortom.annotation.column_names import require_free_name
from minortom.annotation.further_columns import Column, NumberColumn
from minortom.api.arguments import name_and_value, one_of
from minortom.api.choices import VariableMode
from minortom.errors import InputError
from minortom.grid.cells import Cells
from minortom.maps.continuous import ContinuousRaster
from minortom.progress import OnProgress


@dataclass(frozen=True, kw_only=True)
class FurtherInputs:
    """Rasters and bins that give further columns.

    Raises:
        InputError: If a name cannot be that of a column, or the mode is unknown or without a
            raster.
    """

    variables: Mapping[str, ContinuousRaster] = field(default_factory=dict)
    """Rasters by the name of their column."""
    variable_mode: VariableMode = "center"
    bins: Sequence[Bins] = ()

    def __post_init__(self) -> None:
        one_of("--variable-mode", self.variable_mode, get_args(VariableMode))
        if self.variable_mode != "center" and not self.variables:
            raise InputError("--variable-mode needs a continuous raster; give --variable")
        for name in self.variables:
            require_free_name(name, option="--variable")

    @property
    def names(self) -> list[str]:
        """Return the names of the columns, without those of codes."""
        return [*self.variables, *(bins.column for bins in self.bins)]

    @property
    def reads_cells(self) -> bool:
        """Return whether whole cells of a raster are read, which workers do in parallel."""
        return bool(self.variables) and self.variable_mode == "mean"

    def check(self, of_tables: Sequence[str]) -> None:
        """Check bands and the columns of bins, before anything is looked up.

        Args:
            of_tables: Names of the columns of tables.

        Raises:
            InputError: If a raster does not have the band, or bins have no column.
        """
        for raster in self.variables.values():
            raster.unit_and_title()
        for bins in self.bins:
            bins.require_column([*of_tables, *self.variables])

    def as_options(self) -> dict[str, object]:
        """Return the options that change the result, for the provenance; empty without any."""
        options: dict[str, object] = {}
        if self.variables:
            options["variables"] = {name: r.band for name, r in self.variables.items()}
            options["variable_mode"] = self.variable_mode
        if self.bins:
            options["bins"] = {bins.name: bins.as_option() for bins in self.bins}
        return options

    def hashes(self) -> dict[str, str]:
        """Return the SHA-256 of each raster, by the role of the file."""
        return {f"variable {name}": raster.hash() for name, raster in self.variables.items()}

    def credits(self) -> list[str]:
        """Return the lines about licences that rasters state."""
        found = (raster.credit() for raster in self.variables.values())
        return [credit for credit in found if credit is not None]

    def local_paths(self) -> list[Path]:
        """Return the files that are read."""
        return [raster.path for raster in self.variables.values()]

    def look_up(
        self,
        cells: Cells,
        *,
        executor: Executor | None,
        progress_of: Callable[[int], OnProgress],
    ) -> dict[str, Column]:
        """Return the columns of numbers of [n] tiles.

        Args:
            cells: The tiles.
            executor: Where rasters are read for means; this process when None.
            progress_of: Returns the callback for the progress of a raster, by its number.

        Raises:
            InputError: If a raster cannot be read, or has no value at any tile.
        """
        found: dict[str, Column] = {}
        for number, (name, raster) in enumerate(self.variables.items()):
            step = progress_of(number)
            if self.variable_mode == "mean":
                values = raster.means_in(cells, executor=executor, on_progress=step)
            else:
                values = raster.values_at(*cells.centres(), on_progress=step)
            if np.isnan(values).all():
                raise InputError(
                    f"--variable {name}: expected a value at some tile, found none at "
                    f"{len(cells):,} tiles; give a raster that covers the tiles"
                )
            unit, title = raster.unit_and_title()
            found[name] = NumberColumn(
                values=pa.array(values), unit=unit, source=f"variable {name}: {title}"
            )
        return found


def parse_further(
    variables: Iterable[object], mode: VariableMode, bins: Iterable[object]
) -> FurtherInputs:
    """Parse ``--variable NAME=RASTER[:BAND]`` and ``--bins``.

    Raises:
        InputError: If a text has another form, a name is repeated, or a file does not exist.
    """
    form = "NAME=RASTER or NAME=RASTER:BAND"
    pairs = [name_and_value("--variable", text, form=form) for text in variables]
    parsed = [Bins.parse(text) for text in bins]
    for option, names in (
        ("--variable", [name for name, _ in pairs]), ("--bins", [of.name for of in parsed])
    ):  # fmt: skip
        twice = [name for name, count in Counter(names).items() if count > 1]
        if twice:
            raise InputError(
                f"expected {option} with each NAME once, found {', '.join(twice)} more than once; "
                "leave one out or give it another name"
            )
    rasters = {name: ContinuousRaster.parse(f"--variable {name}", place) for name, place in pairs}
    return FurtherInputs(variables=rasters, variable_mode=mode, bins=parsed)
