"""Pairing of archives: one row of Sentinel-2 and one of Sentinel-1 for each cell.

DuckDB reads the metadata of both archives with a fixed amount of memory, and spills to a temporary
folder.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from minortom.archive.archive import Archive
from minortom.archive.pair_queries import (
    READ_ROWS,
    SELECT_S1,
    SELECT_S2,
    broken_by_s1,
    broken_by_s2,
)
from minortom.archive.pair_rules import PairRules
from minortom.errors import ArchiveError
from minortom.grid.cells import N_ROWS, Cells, cells_from_names, columns_of_rows
from minortom.io.database import opened_database, path_in_sql

if TYPE_CHECKING:
    import duckdb

Place = tuple[str, Callable[[Cells], NDArray[np.bool_]]]
"""Rule about the location of cells: its name, and a function that masks the cells to keep."""

_NULLABLE = ("s2_timestamp", "s1_timestamp", "s2_cloud_cover", "s2_nodata", "s1_nodata",
               "s2_crs", "s1_crs")  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class PairedArchive:
    """Cells of two archives with a pair that passes the rules, and counts of the others."""

    cells: Cells
    """Cells with a pair, by grid row, then by column."""
    table: pa.Table
    """One row per cell: ``grid_cell``; with the prefixes ``s2`` and ``s1`` the columns
    ``_product_id``, ``_timestamp`` (UTC, nullable), ``_nodata``, ``_crs``, ``_part`` and ``_row``;
    ``dt_days`` (S1 minus S2, nullable) and ``s2_cloud_cover``."""
    cells_in: int
    """Number of cells in the Sentinel-2 archive: those of ``table`` and of ``removed``."""
    removed: dict[str, int]
    """Number of cells that each rule left without a row. The rules apply in this order: those of
    places, ``since``, ``until``, ``max_cloud``, ``max_nodata_s2``, ``require_known_s2``,
    ``without_s1``, ``max_nodata_s1``, ``max_dt``, ``same_crs``, ``require_known_s1``."""
    unknown: dict[str, int]
    """Number of cells without a value, by column of ``table``."""
    repeated: dict[str, int]
    """Number of rows beyond the first of a cell in the whole archive, for ``s2`` and ``s1``."""


@dataclass(frozen=True, kw_only=True)
class Pairs:
    """Cells with tiles of both sensors, and cells without."""

    table: pa.Table
    """As in :class:`PairedArchive`."""
    without_s2: tuple[str, ...]
    """Cells that are not in the Sentinel-2 archive."""
    without_s1: tuple[str, ...]
    """Cells in the Sentinel-2 archive that are not in the Sentinel-1 archive."""


def pair_archives(
    s2: Archive, s1: Archive, rules: PairRules, *, places: Sequence[Place] = ()
) -> PairedArchive:
    """Select one row of each archive for each cell, among the rows that pass the rules.

    Rules are applied before rows are selected: rules about Sentinel-2 to its rows, the other rules
    to the rows of Sentinel-1 beside the selected row. A cell counts as removed by the rule that
    its last row breaks. Rows that do not say where their images are stored are ignored.

    Args:
        s2: Archive of Sentinel-2.
        s1: Archive of Sentinel-1.
        rules: Rules for the rows.
        places: Rules about the location of cells. They apply first, in this order. Their names
            must differ from the names of the other rules.

    Raises:
        ArchiveError: If metadata cannot be read, or have a name that is not a cell.
    """
    with _opened(s2, s1) as database:
        for archive in (s2, s1):
            _check_names(database, archive)
        cells = _cells_of(database, "SELECT DISTINCT grid_row, grid_col FROM s2")
        cells_in, removed = len(cells), dict[str, int]()
        for name, keeps in places:
            kept = np.asarray(keeps(cells), np.bool_)
            removed[name] = int((~kept).sum())
            cells = cells.take(kept)
        found, table, broken = _select_pairs(database, rules, cells if places else None)
        return PairedArchive(
            cells=found,
            table=table,
            cells_in=cells_in,
            removed=removed | broken,
            unknown={name: table[name].null_count for name in _NULLABLE},
            repeated={"s2": _repeated(database, "s2"), "s1": _repeated(database, "s1")},
        )


def find_pairs(s2: Archive, s1: Archive, cells: Sequence[str]) -> Pairs:
    """Select one row of each archive for each of some cells, as :func:`pair_archives` does.

    Raises:
        ArchiveError: If metadata cannot be read, or none of the cells is in both archives.
        InputError: If a name is not a cell.
    """
    selected = cells_from_names(list(cells))
    with _opened(s2, s1) as database:
        _, table, _ = _select_pairs(database, PairRules(), selected)
        lone = _cells_of(
            database, "SELECT grid_row, grid_col FROM pairs WHERE s1_broken IS NOT NULL"
        )
    if not len(table):
        raise ArchiveError(
            f"expected selected cells in both {s2.place} and {s1.place}, found none of "
            f"{len(cells):,} ({len(lone):,} in {s2.place}); give the archives of these cells"
        )
    without_s1 = lone.names().tolist()
    found = {*without_s1, *table["grid_cell"].to_pylist()}
    return Pairs(
        table=table,
        without_s2=tuple(cell for cell in selected.names().tolist() if cell not in found),
        without_s1=tuple(without_s1),
    )


@contextmanager
def _opened(s2: Archive, s1: Archive) -> Iterator["duckdb.DuckDBPyConnection"]:
    """Open a database with the rows of both archives in its tables ``s2`` and ``s1``."""
    import duckdb

    with opened_database() as database:
        grid_row = np.arange(N_ROWS) - N_ROWS // 2
        columns = {"grid_row": grid_row, "n_columns": columns_of_rows(grid_row)}
        database.register("grid_rows", pa.table(columns))
        database.execute(
            "CREATE TEMP MACRO known(x) AS if(isnan(CAST(x AS DOUBLE)), NULL, CAST(x AS DOUBLE))"
        )
        try:
            for archive in (s2, s1):
                _read_rows(database, archive)
            yield database
        except (duckdb.OutOfMemoryException, duckdb.IOException) as error:
            found = str(error).splitlines()[0]
            raise ArchiveError(
                f"no space to pair {s2.place} and {s1.place} ({found}); set TMPDIR to a folder "
                "with space for twice their metadata"
            ) from None


def _read_rows(database: "duckdb.DuckDBPyConnection", archive: Archive) -> None:
    import duckdb

    path = path_in_sql(archive.metadata_path)
    cloud_cover = "known(cloud_cover) AS cloud_cover," if archive.sensor == "s2" else ""
    try:
        database.execute(
            READ_ROWS.format(sensor=archive.sensor, path=path, cloud_cover=cloud_cover)
        )
    except duckdb.OutOfMemoryException:
        raise
    except duckdb.Error as error:
        raise archive.unreadable(error) from None


def _check_names(database: "duckdb.DuckDBPyConnection", archive: Archive) -> None:
    query = f"SELECT count(odd_name), min(odd_name) FROM {archive.sensor}"  # noqa: S608
    count, first = database.execute(query).fetchall()[0]
    if count:
        raise ArchiveError(
            f"expected cells of the 10 km grid in the metadata of {archive.place}, found {count:,} "
            f"rows with other names, such as {first!r}; give an archive of that grid"
        )


def _select_pairs(
    database: "duckdb.DuckDBPyConnection", rules: PairRules, cells: Cells | None
) -> tuple[Cells, pa.Table, dict[str, int]]:
    """Fill ``s2_best`` and ``pairs``; return cells, their pairs, and counts by removing rule."""
    join = ""
    if cells is not None:
        database.register("selected", pa.table({"grid_row": cells.row, "grid_col": cells.col}))
        join = "SEMI JOIN selected USING (grid_row, grid_col)"
    removed: dict[str, int] = {}
    for query, outcome, conditions in (
        (SELECT_S2, "SELECT s2_broken, count(*) FROM s2_best GROUP BY ALL", broken_by_s2(rules)),
        (SELECT_S1, "SELECT s1_broken, count(*) FROM pairs GROUP BY ALL", broken_by_s1(rules)),
    ):
        numbered = [f"WHEN {sql} THEN {n}" for n, sql in enumerate(conditions.values())]
        broken = f"CASE {' '.join(numbered or ['WHEN false THEN 0'])} END"
        database.execute(query.format(broken=broken, join=join))
        by_number = dict(database.execute(outcome).fetchall())
        removed |= {name: by_number.get(n, 0) for n, name in enumerate(conditions)}
    return *_table_of(database), removed


def _table_of(database: "duckdb.DuckDBPyConnection") -> tuple[Cells, pa.Table]:
    query = """SELECT * EXCLUDE s1_broken FROM pairs WHERE s1_broken IS NULL
        ORDER BY grid_row, grid_col"""
    table = database.sql(query).to_arrow_table()
    cells = Cells(row=table["grid_row"].to_numpy(), col=table["grid_col"].to_numpy())
    table = table.drop_columns(["grid_row", "grid_col"])
    table = table.add_column(0, "grid_cell", pa.array(cells.names(), pa.string()))
    for name in ("s2_timestamp", "s1_timestamp"):
        utc = pc.assume_timezone(table[name].cast(pa.timestamp("us")), "UTC")
        table = table.set_column(table.column_names.index(name), name, utc)
    return cells, table


def _cells_of(database: "duckdb.DuckDBPyConnection", query: str) -> Cells:
    found = database.sql(f"FROM ({query}) ORDER BY grid_row, grid_col").to_arrow_table()
    return Cells(row=found["grid_row"].to_numpy(), col=found["grid_col"].to_numpy())


def _repeated(database: "duckdb.DuckDBPyConnection", sensor: str) -> int:
    query = f"SELECT count(*) - count(DISTINCT (grid_row, grid_col)) FROM {sensor}"  # noqa: S608
    count: int = database.execute(query).fetchall()[0][0]
    return count
