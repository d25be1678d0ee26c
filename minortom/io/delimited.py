"""Text files as people have them: encodings, gzip, separators and blank rows of CSV."""

import codecs
import csv
import gzip
import io
import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv

from minortom.api.arguments import not_special
from minortom.errors import InputError

_SEPARATORS = (",", ";", "\t", "|")
_MARKS = {  # UTF-32 first: its mark begins with that of UTF-16
    codecs.BOM_UTF32_LE: "utf-32", codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16", codecs.BOM_UTF8: "utf-8-sig",
}  # fmt: skip
_GZIP = b"\x1f\x8b"
_HEAD_CHARACTERS = 1 << 20
"""Characters at the beginning of a file that contain its header."""
_BLOCK_BYTES = 1 << 20
_SAYS_SEPARATOR = re.compile(r'"?sep=(.)"?\r?\n')  # the first line that Excel writes and reads


def read_text(path: Path) -> str:
    """Read a text file, unpacked if it is gzip.

    A byte-order mark tells the encoding. Without one it is UTF-8, or else Windows-1252, which
    Latin-1 is a part of.

    Raises:
        InputError: If the file cannot be read, or is not text in one of these encodings.
    """
    try:
        content = not_special("a table", path).read_bytes()
        if content.startswith(_GZIP):
            content = gzip.decompress(content)
    except (OSError, EOFError, zlib.error) as error:
        raise _unreadable(path, error) from None
    marked = [name for mark, name in _MARKS.items() if content.startswith(mark)]
    encodings = marked[:1] or ["utf-8", "cp1252"]
    for encoding in encodings:
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\0" not in text:
            return text
    raise InputError(
        f"expected text in UTF-8 (or UTF-16 with a byte-order mark, or Latin-1), found other bytes "
        f"in {path}; save the file as UTF-8"
    )


@dataclass(frozen=True, kw_only=True)
class DelimitedFile:
    """A CSV file in UTF-8, for readers that do not load it whole."""

    path: Path
    names: tuple[str, ...]
    """Names in the header."""
    separator: str
    skipped_lines: int
    """Lines above the header."""
    is_gzip: bool


def open_delimited(path: Path, *, scratch: Path) -> DelimitedFile:
    """Read the header of a CSV file, with the rules of ``read_delimited``.

    Args:
        path: The file; it may be gzip.
        scratch: Folder for a copy in UTF-8, if the file has another encoding.

    Raises:
        InputError: If the file cannot be read, is empty, or is not text.
    """
    if not _is_utf8(not_special("a table", path)):
        copy = scratch / f"utf-8-{path.name.removesuffix('.gz')}"
        copy.write_text(read_text(path), encoding="utf-8", newline="")
        path = copy
    is_gzip = _is_gzip(path)
    with _opened(path) as stream, io.TextIOWrapper(stream, "utf-8-sig", newline="") as reader:
        text = reader.read(_HEAD_CHARACTERS)
    header = _header(text, path)
    return DelimitedFile(
        path=path, names=tuple(header.names), separator=header.separator,
        skipped_lines=header.skipped_lines, is_gzip=is_gzip,
    )  # fmt: skip


def _is_utf8(path: Path) -> bool:
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        with _opened(path) as stream:
            while block := stream.read(_BLOCK_BYTES):
                if "\0" in decoder.decode(block):
                    return False
            decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    except (OSError, EOFError, zlib.error) as error:
        raise _unreadable(path, error) from None
    return True


def _is_gzip(path: Path) -> bool:
    with path.open("rb") as stream:
        return stream.read(len(_GZIP)) == _GZIP


def _opened(path: Path) -> BinaryIO:
    return cast(BinaryIO, gzip.open(path, "rb")) if _is_gzip(path) else path.open("rb")


def read_delimited(path: Path) -> pa.Table:
    """Read a CSV file as columns of text; blank rows are left out, and blanks around names.

    The separator is the one of ``,``, ``;``, tab and ``|`` that cuts the header into most names.

    Raises:
        InputError: If the file cannot be read, has no header, or has a row of another length.
    """
    text = read_text(path)
    header = _header(text, path)
    try:
        table = _parsed(text[header.end :], header.names, header.separator)
    except pa.ArrowException as error:
        raise _not_csv(path, error) from None
    return _without_blank_rows(table)


@dataclass(frozen=True, kw_only=True)
class _Header:
    names: list[str]
    separator: str
    skipped_lines: int
    """Lines above it."""
    end: int
    """Position of the first character below it."""


def _header(text: str, path: Path) -> _Header:
    """Parse the header at the beginning of a text; ``path`` is for messages."""
    if not text.strip():
        raise InputError(f"expected a CSV file with a header, cannot read {path} (it is empty)")
    said = _SAYS_SEPARATOR.match(text)
    start = said.end() if said else len(text) - len(text.lstrip("\r\n"))
    rest = text[start:]
    separator = said[1] if said else separator_of(rest)
    stream = io.StringIO(rest, newline="")
    try:
        names = [name.strip() for name in next(csv.reader(stream, delimiter=separator), [])]
    except csv.Error as error:
        raise _not_csv(path, error) from None
    return _Header(
        names=names, separator=separator, end=start + stream.tell(),
        skipped_lines=len(text[:start].splitlines()),
    )  # fmt: skip


def _not_csv(path: Path, error: Exception) -> InputError:
    found = str(error).splitlines()[0]
    return InputError(f"expected a CSV file, cannot read {path} ({found}); check it")


def _unreadable(path: Path, error: Exception) -> InputError:
    found = getattr(error, "strerror", None) or error
    return InputError(f"cannot read {path}: {found}; check the file")


def separator_of(text: str) -> str:
    """Return the separator of ``,``, ``;``, tab and ``|`` that cuts the header into most names."""
    header = text.partition("\n")[0]
    return max(_SEPARATORS, key=lambda one: len(next(csv.reader([header], delimiter=one), [])))


def _parsed(body: str, names: Sequence[str], separator: str) -> pa.Table:
    blank = f'{separator} \t\r\n"'
    if not body.strip(blank):
        return pa.schema([(name, pa.string()) for name in names]).empty_table()
    return pa_csv.read_csv(
        io.BytesIO(body.encode()),
        read_options=pa_csv.ReadOptions(column_names=names),
        convert_options=pa_csv.ConvertOptions(column_types=dict.fromkeys(names, pa.string())),
        parse_options=pa_csv.ParseOptions(
            delimiter=separator, newlines_in_values=True,
            invalid_row_handler=lambda row: "error" if row.text.strip(blank) else "skip",
        ),
    )  # fmt: skip


def _without_blank_rows(table: pa.Table) -> pa.Table:
    """Return the rows with a value; spreadsheets write blank rows below their own."""
    is_blank = None
    for column in table.columns:
        here = pc.equal(pc.utf8_trim_whitespace(column), "")
        is_blank = here if is_blank is None else pc.and_(is_blank, here)
        if not pc.any(is_blank).as_py():
            return table
    return table if is_blank is None else table.filter(pc.invert(is_blank))
