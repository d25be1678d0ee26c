"""Major TOM products in a local folder: metadata, Sentinel-1 to -2 matching, rows of images.

A product's folder holds ``metadata.parquet`` and ``images/part_*.parquet`` with one row a row
group; a row's part is found by the file name in ``parquet_url``.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from minortom.errors import ArchiveError
from minortom.grid import cells_from_names
from minortom.sensors import MODEL_BANDS, SensorName

_COLUMNS = ("grid_cell", "product_id", "timestamp", "nodata", "crs", "parquet_url", "parquet_row")
_KINDS = {"parquet_url": pa.string(), "parquet_row": pa.int64()}
_LAYOUT = "wanted a local folder in Major TOM's layout: metadata.parquet, images/part_*.parquet"


@dataclass(frozen=True, kw_only=True)
class Archive:
    """One product, such as Core-S2L2A."""

    folder: Path
    sensor: SensorName

    @classmethod
    def open(cls, folder: Path, sensor: SensorName) -> "Archive":
        """Check that a folder is laid out as Major TOM.

        Raises:
            ArchiveError: If the folder or its metadata is missing or lacks a column.
        """
        archive = cls(folder=folder, sensor=sensor)
        if not folder.is_dir():
            raise ArchiveError(f"{folder} does not exist; {_LAYOUT}")
        if not archive.metadata_path.is_file():
            raise ArchiveError(f"{folder} has no metadata.parquet; {_LAYOUT}")
        if not (folder / "images").is_dir():
            raise ArchiveError(f"{folder} has no folder images; {_LAYOUT}")
        try:
            found = pq.read_schema(archive.metadata_path).names
        except (OSError, pa.ArrowException) as error:
            raise _unreadable(archive.metadata_path, error) from None
        missing = [name for name in archive.metadata_columns if name not in found]
        if missing:
            raise ArchiveError(
                f"{archive.metadata_path} lacks the column {', '.join(missing)}; "
                f"it has {', '.join(found)}; is {folder} the archive of {sensor}?"
            )
        return archive

    @property
    def metadata_path(self) -> Path:
        """The table of all rows."""
        return self.folder / "metadata.parquet"

    @property
    def metadata_columns(self) -> tuple[str, ...]:
        """The columns of it that are read."""
        return (*_COLUMNS, "cloud_cover") if self.sensor == "s2" else _COLUMNS

    def metadata_of(self, cells: Sequence[str]) -> pa.Table:
        """Read the rows of some cells: ``metadata_columns``, cells by this library's names.

        A row that does not say where its images lie is as good as none.

        Raises:
            ArchiveError: If the metadata cannot be read.
        """
        names = _published_names(cells)
        wanted = pc.field("grid_cell").isin(pa.array(names, pa.string()))
        for name in ("parquet_url", "parquet_row"):
            wanted &= pc.field(name).is_valid()
        try:
            table = pq.read_table(
                self.metadata_path, columns=list(self.metadata_columns), filters=wanted
            )
            for name, kind in _KINDS.items():
                place = table.column_names.index(name)
                table = table.set_column(place, name, table[name].cast(kind))
        except (OSError, pa.ArrowException) as error:
            raise _unreadable(self.metadata_path, error) from None
        own = pa.array([names[name] for name in table["grid_cell"].to_pylist()], pa.string())
        return table.set_column(table.column_names.index("grid_cell"), "grid_cell", own)

    def read_tile(self, part: str, row: int, *, cell: str, product_id: str) -> dict[str, bytes]:
        """Read the GeoTIFF bytes of a tile's bands, by name; only its row group is touched.

        Args:
            part: File name of the part.
            row: Row, and row group, within it.
            cell: The cell that must be there.
            product_id: The product that it must come from.

        Raises:
            ArchiveError: If the part is missing or damaged, or that row holds something else.
        """
        bands = MODEL_BANDS[self.sensor]
        where = f"{self.sensor} {part} row {row}"
        try:
            # Not mapped into memory: a part that is cut short would then end the process.
            with pq.ParquetFile(self.folder / "images" / part, pre_buffer=False) as file:
                missing = [name for name in bands if name not in file.schema_arrow.names]
                if missing:
                    raise ArchiveError(f"{where}: lacks the column {', '.join(missing)}")
                if not 0 <= row < file.num_row_groups:
                    raise ArchiveError(f"{where}: has only {file.num_row_groups} row groups")
                table = file.read_row_group(row, columns=["grid_cell", "product_id", *bands])
                images = {name: table[name].cast(pa.binary()) for name in bands}
        except FileNotFoundError:
            raise ArchiveError(f"{where}: there is no such part") from None
        except (OSError, pa.ArrowException) as error:
            raise ArchiveError(f"{where}: {str(error).splitlines()[0]}") from None
        if len(table) != 1:
            raise ArchiveError(f"{where}: {len(table)} rows in one row group, wanted 1")
        found_cell, found_id = (table[name][0].as_py() for name in ("grid_cell", "product_id"))
        if found_id != product_id or found_cell not in _published_names([cell]):
            raise ArchiveError(f"{where}: holds {found_cell} of {found_id}, not what metadata say")
        return {name: image[0].as_py() or b"" for name, image in images.items()}


@dataclass(frozen=True, kw_only=True)
class Pairs:
    """Cells with a tile of both sensors, and those without."""

    table: pa.Table
    """One row a cell, by cell: ``grid_cell``, and for ``s2`` and ``s1`` each ``_product_id``,
    ``_timestamp`` (UTC, nullable), ``_nodata``, ``_crs``, ``_part``, ``_row``; ``dt_days`` (S1
    minus S2, nullable) and ``s2_cloud_cover``."""
    without_s2: tuple[str, ...]
    """Cells that Sentinel-2's archive lacks."""
    without_s1: tuple[str, ...]
    """Cells that Sentinel-2's archive has and Sentinel-1's lacks."""


# A timestamp that is none of the archive's form is unknown. Every order ends in the place of
# the row, so that it is total: some rows are there twice, word for word.
_PAIRS_QUERY = r"""
WITH s2_rows AS (
    SELECT *, try_strptime(CAST("timestamp" AS VARCHAR), '%Y%m%dT%H%M%S') AS second,
        regexp_extract(parquet_url, '[^/]+$') AS part,
    FROM s2
), s1_rows AS (
    SELECT *, try_strptime(CAST("timestamp" AS VARCHAR), '%Y%m%dT%H%M%S') AS second,
        regexp_extract(parquet_url, '[^/]+$') AS part,
    FROM s1
), s2_best AS (
    SELECT * FROM s2_rows
    QUALIFY 1 = row_number() OVER (PARTITION BY grid_cell ORDER BY
        nodata NULLS LAST, cloud_cover NULLS LAST, second DESC NULLS LAST,
        product_id, part, parquet_row)
)
SELECT
    a.grid_cell AS grid_cell,
    a.product_id AS s2_product_id, b.product_id AS s1_product_id,
    a.second AS s2_timestamp, b.second AS s1_timestamp,
    (epoch_us(b.second) - epoch_us(a.second)) / 86400e6 AS dt_days,
    a.crs AS s2_crs, b.crs AS s1_crs,
    a.cloud_cover AS s2_cloud_cover, a.nodata AS s2_nodata, b.nodata AS s1_nodata,
    a.part AS s2_part, a.parquet_row AS s2_row, b.part AS s1_part, b.parquet_row AS s1_row
FROM s2_best a LEFT JOIN s1_rows b ON a.grid_cell = b.grid_cell
QUALIFY 1 = row_number() OVER (PARTITION BY a.grid_cell ORDER BY
    b.nodata NULLS LAST, abs(epoch_us(b.second) - epoch_us(a.second)) NULLS LAST,
    b.product_id, b.part, b.parquet_row)
ORDER BY grid_cell
"""


def find_pairs(s2: Archive, s1: Archive, cells: Sequence[str]) -> Pairs:
    """Choose a row of each archive for each cell.

    Where a cell has several: of Sentinel-2 the one with the least nodata, the least cloud,
    the latest, the first product id; of Sentinel-1 the one with the least nodata, the
    closest in time to that, the first product id. What is unknown comes last.

    Raises:
        ArchiveError: If metadata cannot be read, or none of the cells is in both archives.
        InputError: If a name is no cell.
    """
    import duckdb

    cells = cells_from_names(list(cells)).names().tolist()
    with duckdb.connect() as database:
        database.register("s2", s2.metadata_of(cells))
        database.register("s1", s1.metadata_of(cells))
        table = database.sql(_PAIRS_QUERY).to_arrow_table()
    for name in ("s2_timestamp", "s1_timestamp"):
        utc = pc.assume_timezone(table[name].cast(pa.timestamp("us")), "UTC")
        table = table.set_column(table.column_names.index(name), name, utc)
    found = set(table["grid_cell"].to_pylist())
    paired = pc.is_valid(table["s1_part"])
    without_s1 = table.filter(pc.invert(paired))["grid_cell"].to_pylist()
    table = table.filter(paired)
    if not len(table):
        raise ArchiveError(
            f"none of the {len(cells):,} selected cells is in both {s2.folder} and {s1.folder}; "
            f"{s2.folder.name} has {len(found):,} of them; give the archives of these cells"
        )
    return Pairs(
        table=table,
        without_s2=tuple(cell for cell in cells if cell not in found),
        without_s1=tuple(without_s1),
    )


def _published_names(cells: Sequence[str]) -> dict[str, str]:
    """Map each name that an archive may use to the cell's name here.

    In a few rows the archive calls the westernmost cell, at the antimeridian, as if it were
    the easternmost: ``(M/2)R`` for ``(M/2)L``.
    """
    names = {cell: cell for cell in cells}
    parsed = cells_from_names(list(cells))
    for number in np.flatnonzero(parsed.bounds_deg()[0] == -180).tolist():
        cell = cells[number]
        names.setdefault(f"{cell[:-1]}R", cell)
    return names


def _unreadable(path: Path, error: Exception) -> ArchiveError:
    found = str(error).splitlines()[0]
    return ArchiveError(f"{path} is no readable Parquet file ({found}); {_LAYOUT}")
