"""The inputs of ``sample``, each as a file or in memory: annotated tiles, kept cells, a quota."""

import csv
import hashlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from minortom.api.arguments import path_of
from minortom.errors import InputError
from minortom.grid.cell_lists import read_cells
from minortom.grid.cells import cells_from_names
from minortom.io.memory_tables import in_memory, no_table, table_bytes, table_provenance
from minortom.io.provenance import licences_in, sha256_of
from minortom.io.table_columns import checked, read_table
from minortom.io.up_to_date import stored_provenance
from minortom.sampling.quotas import quota_of_table, read_quota
from minortom.sampling.selection_table import MADE_BY


@dataclass(frozen=True, kw_only=True, eq=False)
class SampleInputs:
    """The inputs of one selection and their hashes."""

    annotated: Path | pa.Table
    keep: Path | tuple[str, ...] | None
    """A list of cells: a file, or names."""
    quota: Mapping[str, int] | None
    """Name of a stratum -> tiles requested."""
    hashes: Mapping[str, str]
    """Role of each input (``annotated``, ``keep``, ``quota``) -> SHA-256."""
    licences: tuple[str, ...]
    """Licences of the annotated tiles."""
    paths: tuple[Path, ...] = field(default=())
    """Those inputs that are files."""

    @property
    def name(self) -> str:
        """Return the name of the annotated tiles in error messages."""
        return str(self.annotated) if isinstance(self.annotated, Path) else "the annotated table"

    @property
    def keep_name(self) -> str:
        """Return the name of the list of kept cells in error messages."""
        return str(self.keep) if isinstance(self.keep, Path) else "keep"

    def annotated_table(self, columns: Sequence[str] | None = None) -> pa.Table:
        """Return columns of the annotated tiles; all when None.

        Raises:
            InputError: If the file cannot be read, or a column is missing or has a wrong type.
        """
        if isinstance(self.annotated, Path):
            return read_table(self.annotated, columns, made_by=MADE_BY)
        return checked(self.annotated, columns, name=self.name, made_by=MADE_BY)

    def kept_cells(self) -> list[str] | None:
        """Return the names of the cells that must be selected; None without a list.

        Raises:
            InputError: If the list cannot be read, is empty, or has a name that is not a cell.
        """
        if isinstance(self.keep, Path):
            # The word `grid` would mean the whole grid; here it is the name of a file.
            source = "./grid" if self.keep.parts == ("grid",) else str(self.keep)
            names: list[str] = read_cells([source]).names().tolist()
            return names
        if self.keep is None:
            return None
        if not self.keep:
            raise InputError("keep must name at least one cell, found none; omit it to keep none")
        found: list[str] = cells_from_names(self.keep).names().tolist()
        return found


def read_inputs(annotated: object, *, keep: object, quota: object) -> SampleInputs:
    """Hash the inputs of ``sample`` and read the quota.

    Args:
        annotated: A path, a ``pyarrow.Table`` or a ``GeoDataFrame``.
        keep: A path, a table with ``grid_cell``, a sequence of names, or None.
        quota: A path, a table with ``stratum`` and ``tiles``, a mapping, or None.

    Raises:
        InputError: If an input does not exist or is of another type.
    """
    table = in_memory(annotated)
    paths: list[Path] = []
    if table is None:
        if not isinstance(annotated, str | Path):
            raise no_table("annotated", annotated, made_by=MADE_BY)
        source: Path | pa.Table = path_of("annotated", annotated)
        paths.append(source)
        hashes = {"annotated": sha256_of(source)}
        record = stored_provenance(source)
    else:
        # Written and read back, so that the selection has the bytes that it has from the file.
        content = table_bytes(table)
        source = pq.ParquetFile(pa.BufferReader(content)).read()
        hashes = {"annotated": hashlib.sha256(content).hexdigest()}
        record = table_provenance(table)
    kept, hash_of_keep = _read_keep(keep)
    numbers, hash_of_quota = _read_quota(quota)
    hashes |= {"keep": hash_of_keep} if hash_of_keep else {}
    hashes |= {"quota": hash_of_quota} if hash_of_quota else {}
    paths += [Path(given) for given in (keep, quota) if isinstance(given, str | Path)]
    return SampleInputs(
        annotated=source, keep=kept, quota=numbers, hashes=hashes, paths=tuple(paths),
        licences=licences_in(record),
    )  # fmt: skip


def _read_keep(keep: Any) -> tuple[Path | tuple[str, ...] | None, str]:  # noqa: ANN401
    """Return the kept cells and their hash: of the file, or of one that has a name a line."""
    if keep is None:
        return None, ""
    if isinstance(keep, str | Path):
        path = path_of("keep", keep)
        return path, sha256_of(path)
    table = in_memory(keep)
    if table is not None:
        cells = checked(table, ["grid_cell"], name="the table keep", made_by=MADE_BY)
        keep = cells["grid_cell"].to_pylist()
    try:
        names = tuple(keep)
    except TypeError:  # no iterable, or an array without a dimension
        names = (None,)
    if not all(isinstance(name, str) for name in names):
        raise InputError(
            f"keep must be a path, a table with grid_cell, or names of cells, found {keep!r:.100}"
        )
    return names, _sha256("".join(f"{name}\n" for name in names))


def _read_quota(quota: Any) -> tuple[dict[str, int] | None, str]:  # noqa: ANN401
    """Return the quota and its hash: of the file, or of the CSV file with the same rows."""
    if quota is None:
        return None, ""
    if isinstance(quota, str | Path):
        path = path_of("quota", quota)
        return read_quota(path), sha256_of(path)
    table = in_memory(quota)
    if table is None:
        if not isinstance(quota, Mapping):
            raise InputError(
                "quota must be a path, a table with stratum and tiles, or a mapping, found "
                f"{type(quota).__name__}"
            )
        names, numbers = list(quota), list(quota.values())
        try:
            table = pa.table({"stratum": pa.array(names, pa.string()), "tiles": pa.array(numbers)})
        except pa.ArrowException as error:
            raise InputError(f"quota must map names of strata to whole numbers ({error})") from None
    found = quota_of_table(table, "the table quota")
    text = io.StringIO()
    rows = zip(table["stratum"].to_pylist(), table["tiles"].to_pylist(), strict=True)
    csv.writer(text, lineterminator="\n").writerows([("stratum", "tiles"), *rows])
    return found, _sha256(text.getvalue())


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
