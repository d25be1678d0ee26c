"""Tables of cells as the user names them: ``--table FILE[:COLUMNS]``."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from minortom.annotation.column_names import without_namespace
from minortom.api.arguments import one_of
from minortom.api.choices import MissingCells
from minortom.errors import InputError
from minortom.remote.http import is_url

_FORM = "--table FILE[:COLUMNS], such as global.parquet:elevation,precipitation"


@dataclass(frozen=True, kw_only=True)
class TableChoice:
    """A table of cells and the columns that are taken from it."""

    place: str
    """Path or address of the file, or path of a folder of Parquet files."""
    columns: tuple[str, ...] | None = None
    """Columns, with or without their namespaces; all that can be taken when None."""

    @classmethod
    def parse(cls, text: str) -> "TableChoice":
        """Parse ``FILE`` or ``FILE:COLUMNS``; the first colon after the last slash separates them.

        In an address with a query, the columns stand before the question mark. A file that exists
        under the whole name is that file.

        Raises:
            InputError: If the name is empty, or a column is empty or named twice.
        """
        head, mark, query = text.partition("?") if is_url(text) else (text, "", "")
        folder, slash, name = head.rpartition("/")
        file, colon, listed = name.partition(":")
        if not colon or (not is_url(text) and Path(text).exists()):
            return cls._checked(text, None, text)
        columns = tuple(column.strip() for column in listed.split(","))
        return cls._checked(f"{folder}{slash}{file}{mark}{query}", columns, text)

    @classmethod
    def _checked(cls, place: str, columns: tuple[str, ...] | None, text: str) -> "TableChoice":
        plain = [without_namespace(name) for name in columns or ()]
        if not place.rpartition("/")[2] or not all(plain):
            raise InputError(f"expected {_FORM}, found {text!r}")
        if len(set(plain)) < len(plain):
            raise InputError(f"expected {_FORM} with each column once, found {text!r}")
        return cls(place=place, columns=columns)

    @property
    def is_remote(self) -> bool:
        """Return whether the table is behind an address."""
        return is_url(self.place)


@dataclass(frozen=True, kw_only=True)
class Tables:
    """Tables of cells, and how their columns are used.

    Raises:
        InputError: If there are options about tables without a table, or a word is unknown.
    """

    choices: tuple[TableChoice, ...] = ()
    class_columns: tuple[str, ...] = ()
    """Columns of whole numbers that become classes."""
    missing: MissingCells = "unmapped"
    """The rule for cells that a table lacks."""

    def __post_init__(self) -> None:
        one_of("table_missing", self.missing, get_args(MissingCells))
        if not self.choices and (self.class_columns or self.missing != "unmapped"):
            option = "--class-column" if self.class_columns else "--table-missing"
            raise InputError(f"{option} needs a table of cells; give --table")

    def as_options(self) -> dict[str, object]:
        """Return the options that change the result, for the provenance; none without a table."""
        if not self.choices:
            return {}
        return {
            "tables": [None if c.columns is None else [*c.columns] for c in self.choices],
            "class_columns": [*self.class_columns],
            "table_missing": self.missing,
        }

    def local_paths(self) -> list[Path]:
        """Return the files and folders that are read."""
        return [Path(choice.place) for choice in self.choices if not choice.is_remote]


def tables_of(
    tables: Sequence[str], *, class_columns: Sequence[str], missing: MissingCells
) -> Tables:
    """Parse the options about tables of cells.

    Raises:
        InputError: If one has another form.
    """
    return Tables(
        choices=tuple(TableChoice.parse(text) for text in tables),
        class_columns=tuple(without_namespace(name) for name in class_columns),
        missing=missing,
    )
