"""The opened sources of an annotation: cells, maps and tables; and the counts of its result."""

from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from minortom.annotation.annotated_table import Annotated
from minortom.annotation.candidates import Candidates
from minortom.annotation.cell_table import CellTable
from minortom.annotation.further_inputs import FurtherInputs
from minortom.annotation.result import AnnotateResult
from minortom.archive.archive import Archive
from minortom.grid.cell_lists import CellSource, hash_cells
from minortom.io.provenance import sha256_of
from minortom.maps.descriptor import Descriptor


@dataclass(frozen=True, kw_only=True, eq=False)
class OpenedSources:
    """All that tiles and their columns come from, ready to be looked up."""

    archives: tuple[Archive, Archive] | None
    descriptors: Mapping[str, Descriptor]
    """Maps of classes by the name of their column."""
    tables: Mapping[str, CellTable]
    """Tables of cells by their role, such as ``table 1``."""
    further: FurtherInputs
    """Continuous rasters, and bins."""
    candidates: Candidates
    executor: Executor | None
    """Where tiles of maps are read; this process when None."""

    def hashes(self, cells: Sequence[CellSource]) -> dict[str, str]:
        """Return the SHA-256 of each input by its role; ``cells`` are the lists of cells."""
        inputs = hash_cells(cells)
        for archive in self.archives or ():
            inputs[f"{archive.sensor}_metadata"] = sha256_of(archive.metadata_path)
        for name, map_ in self.descriptors.items():
            inputs[name] = map_.hash_for(self.candidates.cells, executor=self.executor)
            inputs[f"{name} legend"] = sha256_of(map_.legend_path)
        inputs |= {role: table.sha256 for role, table in self.tables.items()}
        return inputs | self.further.hashes()

    def licences(self) -> tuple[str, ...]:
        """Return the licences of the inputs, each once."""
        found = [line for archive in self.archives or () for line in archive.licences]
        found += [map_.credit() for map_ in self.descriptors.values()]
        found += [licence for table in self.tables.values() for licence in table.licences]
        return tuple(dict.fromkeys([*found, *self.further.credits()]))

    @property
    def may_be_unknown(self) -> tuple[str, ...]:
        """Return the columns of the annotated file that may have missing values."""
        numbers = [
            name for table in self.tables.values()
            for name in table.columns if name not in table.class_names
        ]  # fmt: skip
        return (*self.candidates.may_be_unknown, *numbers, *self.further.variables)

    def result(
        self,
        *,
        out: Path | None,
        status: str,
        table: pa.Table,
        found: Annotated | None = None,
        made: pa.Table | None = None,
    ) -> AnnotateResult:
        """Count what the table contains; ``found`` is None if the output was up to date."""
        in_archive = self.candidates.archive is not None
        unknown = {name: table[name].null_count for name in self.may_be_unknown}
        has_tables = found is not None and len(self.tables) > 0
        return AnnotateResult(
            out=out,
            status=status,
            made=made,
            cells_in=self.candidates.cells_in,
            removed=self.candidates.removed,
            tiles=len(table),
            strata=len(pc.unique(table["stratum"].unify_dictionaries())),
            dropped=None if found is None else found.dropped,
            unmapped=None if found is None else found.unmapped,
            not_in_table=found.lacking if found is not None and has_tables else None,
            notes=None if found is None else [*found.notes, *self._notes()] or None,
            unknown={name: n for name, n in unknown.items() if n}
            if in_archive or self.tables or self.further.variables else None,
            bins=None if found is None else found.bins or None,
            repeated=self.candidates.repeated if in_archive else None,
            not_in_archive=self.candidates.not_in_archive,
            citations=self._citations(),
        )  # fmt: skip

    def _citations(self) -> list[str]:
        found = (map_.citation() for map_ in self.descriptors.values())
        return list(dict.fromkeys(text for text in found if text is not None))

    def _notes(self) -> list[str]:
        return [
            f"{table.name}: columns left out: {', '.join(table.left_out)}"
            for table in self.tables.values() if table.left_out
        ]  # fmt: skip
