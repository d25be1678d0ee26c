"""DuckDB in memory with limits: tables are read in parts, and large results spill to disk."""

import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from minortom.api.cores import available_cores

if TYPE_CHECKING:
    import duckdb

MEMORY_LIMIT = "600MB"
"""Memory limit of DuckDB, without the resulting table."""
_MAX_THREADS = 4
"""Maximum number of threads: more threads need much memory and save little time."""


@contextmanager
def opened_database(*, keep_order: bool = False) -> Iterator["duckdb.DuckDBPyConnection"]:
    """Open a database that is deleted at the end.

    Args:
        keep_order: Whether results keep the order of the rows in the file.
    """
    import duckdb

    with tempfile.TemporaryDirectory(prefix="minortom-") as folder:
        limits: dict[str, str | bool | int | float | list[str]] = {
            "memory_limit": MEMORY_LIMIT, "temp_directory": folder,
            "threads": min(available_cores(), _MAX_THREADS),
            "preserve_insertion_order": keep_order,
        }  # fmt: skip
        with duckdb.connect(config=limits) as database:
            yield database


def path_in_sql(path: Path) -> str:
    """Return a path as text of SQL, without quotes; wildcards of a pattern stand for themselves."""
    return text_in_sql(re.sub(r"([*?\[])", r"[\1]", str(path.absolute())))


def text_in_sql(text: str) -> str:
    """Return a text for SQL, to be put between single quotes."""
    return text.replace("'", "''")


def name_in_sql(name: str) -> str:
    """Return the name of a column as SQL, in double quotes."""
    return '"' + name.replace('"', '""') + '"'
