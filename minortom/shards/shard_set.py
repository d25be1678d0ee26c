"""A data set of shards: its record, its splits and the metadata of its samples.

A data set is a folder with ``dataset.json`` and Parquet shards (see ``layout.py``). One sample is a
pair of patches, Sentinel-2 and Sentinel-1, of the same ground. Reading needs numpy and pyarrow
only. `SampleReader` reads the tensors.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from minortom.errors import ShardError
from minortom.io.provenance import KEY
from minortom.shards.codec import check_codec
from minortom.shards.formats import Format
from minortom.shards.layout import SampleSpec, spec_of
from minortom.shards.record import Statistics, read_record, statistics_in
from minortom.shards.sample_reader import Buffers, SampleReader, Tensors
from minortom.shards.shard_file import ShardFile, damaged, open_shard


@dataclass(frozen=True, kw_only=True)
class ShardSet:
    """An opened data set of shards; samples are numbered from 0 in the order of the files."""

    folder: Path
    spec: SampleSpec
    num_samples: int
    statistics: Statistics
    """Mean and standard deviation of each band over the ``train`` split, in stored units."""
    provenance: dict[str, object]
    files: list[ShardFile] = field(repr=False)
    """The shards, in order."""

    @classmethod
    def open(cls, folder: Path) -> "ShardSet":
        """Open a folder of shards; check that it is complete and of this schema version.

        Raises:
            ShardError: If the folder is missing or empty; ``dataset.json`` is missing or of another
                version; the shards are tars; or a shard is missing, damaged or has another number
                of rows than recorded.
            InputError: If the package of the codec is not installed.
        """
        record = read_record(folder)
        spec = spec_of(record)
        if spec.format == Format.WEBDATASET:
            raise ShardError(
                f"expected Parquet shards, but {folder} has tars, which the webdataset library "
                "reads; export again with --format parquet"
            )
        check_codec(spec.codec)
        entries = record["shards"]
        files = [open_shard(folder / e["file"], int(e["rows"]), spec) for e in entries]
        return cls(
            folder=folder, spec=spec, num_samples=sum(int(e["rows"]) for e in entries),
            statistics=statistics_in(record), provenance=record[KEY], files=files,
        )  # fmt: skip

    def __len__(self) -> int:
        return self.num_samples

    def __reduce__(self) -> tuple[object, ...]:
        # File handles and locks cannot be pickled: another process opens the folder again.
        return ShardSet.open, (self.folder,)

    @cached_property
    def reader(self) -> SampleReader:
        """The reader of the samples' tensors."""
        return SampleReader(self.files, self.spec)

    def buffers(self, batch: int) -> Tensors:
        """Return arrays [batch, bands, height, width] of the stored dtype, by tensor column."""
        return self.reader.buffers(batch)

    def read_into(self, index: int, buffers: Buffers, row: int) -> None:
        """Read sample ``index`` into ``buffers[column][row]``; see `read_rows`."""
        self.read_rows((index,), buffers, row)

    def read_rows(self, indices: Iterable[int], buffers: Buffers, first_row: int = 0) -> None:
        """Read samples into consecutive rows of buffers; see `SampleReader.read_rows`."""
        self.reader.read_rows(indices, buffers, first_row)

    def metadata(self, columns: Sequence[str]) -> pa.Table:
        """Read metadata columns of all samples, in the order of their numbers.

        Raises:
            ShardError: If a column is not in the schema, or a shard is damaged.
        """
        present = self.spec.metadata_schema
        unknown = [name for name in columns if name not in present.names]
        if unknown:
            raise ShardError(
                f"shards have no metadata column {', '.join(unknown)}; "
                f"they have {', '.join(present.names)}"
            )
        schema = pa.schema([present.field(name) for name in columns])
        tables = []
        for file in self.files:
            try:
                table = pq.read_table(file.path, columns=list(columns)).cast(schema)
            except (OSError, ValueError, pa.ArrowException) as error:
                raise damaged(file.path, str(error)) from None
            _check_places(file.path, table)
            tables.append(table)
        return pa.concat_tables(tables) if tables else schema.empty_table()

    def indices(self, split: str) -> NDArray[np.int64]:
        """Return the numbers of the samples of a split, ascending."""
        splits = self.metadata(["split"])["split"].to_numpy()
        return np.flatnonzero(splits == split)


def _check_places(path: Path, table: pa.Table) -> None:
    for name in ("lat", "lon"):
        if name in table.column_names and not np.isfinite(table[name].to_numpy()).all():
            raise damaged(path, f"a patch whose {name} is no finite number")
