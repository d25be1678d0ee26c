"""Files of embeddings: those of `csmoe embed`, and those in the layout of Major TOM."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from minortom.errors import InputError
from minortom.io.table_columns import is_vector
from minortom.io.tables import damage_as_input_error, parquet_parts
from minortom.io.up_to_date import stored_provenance

COLUMNS = ("vector", "embedding")
"""Column with the vectors: that of `csmoe embed`, and that of Major TOM."""
_BOTH = "both"
_LAYOUT = (
    "a Parquet file with the columns grid_cell and vector (from `csmoe embed`) or embedding (as "
    "Major TOM publishes them)"
)


@dataclass(frozen=True, kw_only=True)
class Part:
    """A file of embeddings."""

    path: Path
    column: str
    has_sensor: bool
    width: int
    """Length of its vectors."""
    num_rows: int


@dataclass(frozen=True, kw_only=True, eq=False)
class Embeddings:
    """Embeddings of one model, in one file or several."""

    sources: tuple[Path, ...]
    """Files and folders, as they were given."""
    parts: tuple[Part, ...]
    width: int
    """Length of a vector, D."""
    sensor: str | None
    """Value of the column `sensor` in the rows that are read; None without that column."""
    model: str | None
    """SHA-256 of the weights; None where the files do not state it."""

    @property
    def num_rows(self) -> int:
        """Return the number of rows, with those of other sensors."""
        return sum(part.num_rows for part in self.parts)


def open_embeddings(
    sources: Sequence[Path], sensor: str | None, *, preferred: str | None = None
) -> Embeddings:
    """Open files and folders of embeddings, and check that they are of one model.

    Args:
        sources: Parquet files, and folders of Parquet files.
        sensor: Value of the column `sensor` to read. None reads `both`, or the only sensor.
        preferred: Value to read when `sensor` is None and there is such a column.

    Raises:
        InputError: If a file is missing, unreadable or of another layout; if the files have
            vectors of different widths or models; or if they do not have the sensor.
    """
    files = [file for source in sources for file in _files_of(source)]
    opened = [_open_part(file) for file in files]
    parts = tuple(part for part in opened if part.num_rows)
    if not parts:
        raise InputError(f"expected embeddings in {files[0]}, found no rows; give other files")
    first = parts[0]
    for part in parts:
        if part.width != first.width:
            raise InputError(
                f"expected embeddings of one width, found {first.width} in {first.path} and "
                f"{part.width} in {part.path}; give those of one model"
            )
    return Embeddings(
        sources=tuple(sources), parts=parts, width=first.width, model=_model(parts),
        sensor=_sensor(parts, sensor, preferred),
    )  # fmt: skip


def _files_of(source: Path) -> list[Path]:
    if not source.exists():
        raise InputError(f"expected {_LAYOUT}, found no file {source}; check the path")
    return parquet_parts(source)


def _open_part(path: Path) -> Part:
    try:
        with pq.ParquetFile(path) as file:
            schema, num_rows = file.schema_arrow, file.metadata.num_rows
            column = _column(schema, path)
            width = _width(file, column) if num_rows else 0
    except (OSError, pa.ArrowException) as error:
        found = str(error).splitlines()[0]
        raise InputError(f"expected {_LAYOUT}, cannot read {path} ({found})") from None
    return Part(
        path=path, column=column, has_sensor="sensor" in schema.names, width=width,
        num_rows=num_rows,
    )  # fmt: skip


def _column(schema: pa.Schema, path: Path) -> str:
    """Return the column with the vectors, after a check of the columns."""
    names = schema.names
    present = [name for name in COLUMNS if name in names]
    if len(present) != 1 or "grid_cell" not in names:
        shown = ", ".join(names[:12]) + (", …" if len(names) > 12 else "")
        raise InputError(f"expected {_LAYOUT}, found the columns {shown} in {path}")
    for name in ("grid_cell", "sensor", present[0]):
        if names.count(name) > 1:
            raise InputError(f"{path} has the column {name} more than once; keep one")
    kind = schema.field(present[0]).type
    if not is_vector(kind):
        raise InputError(
            f"expected lists of numbers in the column {present[0]} of {path}, found {kind}; give "
            "a file of embeddings"
        )
    return present[0]


def _width(file: pq.ParquetFile, column: str) -> int:
    """Return the length of the vectors by their type, else that of the first one."""
    kind = file.schema_arrow.field(column).type
    if pa.types.is_fixed_size_list(kind):
        return int(kind.list_size)
    first = next(file.iter_batches(batch_size=1, columns=[column]))[0][0]
    return len(first) if first.is_valid else 0


def _sensor(parts: Sequence[Part], wanted: str | None, preferred: str | None) -> str | None:
    """Return the sensor to read; None where no file has the column `sensor`."""
    having = [part for part in parts if part.has_sensor]
    if len(having) not in (0, len(parts)):
        other = next(part for part in parts if not part.has_sensor)
        raise InputError(
            f"expected the column sensor in all files or in none, found it in {having[0].path} "
            f"and not in {other.path}; give files of one kind"
        )
    if not having:
        if wanted is not None:
            raise InputError(
                f"--sensor {wanted} needs the column sensor, which {parts[0].path} does not have; "
                "leave it out"
            )
        return None
    found = sorted({name for part in having for name in _sensors_in(part)})
    if wanted is None:
        wanted = preferred or (_BOTH if _BOTH in found else None)
    if wanted is None and len(found) == 1:
        wanted = found[0]
    if wanted not in found:
        raise InputError(
            f"expected --sensor with one of {', '.join(found) or 'no sensor'}, which "
            f"{having[0].path} has, found {wanted or 'none'}; give one of these"
        )
    return wanted


def _sensors_in(part: Part) -> list[str]:
    with damage_as_input_error(part.path), pq.ParquetFile(part.path) as file:
        column = pc.unique(file.read(columns=["sensor"])["sensor"])
    return [str(name) for name in column.to_pylist() if name is not None]


def _model(parts: Sequence[Part]) -> str | None:
    """Return the model that the files state; None if none does."""
    models = {model_of(part.path): part.path for part in reversed(parts)}
    known = sorted(model for model in models if model is not None)
    if len(known) > 1:
        raise InputError(
            f"expected embeddings of one model, found those of two in {models[known[0]]} and "
            f"{models[known[1]]}; give those of one model"
        )
    return known[0] if known else None


def model_of(path: Path) -> str | None:
    """Return the SHA-256 of the weights that made a file of `csmoe embed`; None of others."""
    inputs = (stored_provenance(path) or {}).get("inputs")
    found = inputs.get("weights") if isinstance(inputs, dict) else None
    return found if isinstance(found, str) else None
