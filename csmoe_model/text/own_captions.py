"""Captions that users wrote: a CSV file with the columns cell, row, column and text."""

from pathlib import Path

import numpy as np
import pyarrow as pa

from csmoe_model.inference.embeddings import PATCH
from csmoe_model.text.captions import Captions, SameTexts
from csmoe_model.text.vocabulary import words_of
from minortom.errors import InputError
from minortom.io.delimited import read_delimited

_COLUMNS = ("cell", "row", "column", "text")


def read_captions(path: Path, patches: pa.Table) -> Captions:
    """Read the captions of patches; a patch may have several, or none.

    Args:
        path: The file. It may have captions of other patches, which are left out.
        patches: Table with the cell, row and column of each patch.

    Raises:
        InputError: If it cannot be read, lacks a column, has a row or column that is no whole
            number or a text without words, or no caption of these patches.
    """
    table = read_delimited(path)
    missing = [name for name in _COLUMNS if name not in table.column_names]
    if missing:
        raise InputError(
            f"{path} must have the columns {', '.join(_COLUMNS)}, found "
            f"{', '.join(table.column_names)}; add {', '.join(missing)}"
        )
    twice = [name for name in _COLUMNS if table.column_names.count(name) > 1]
    if twice:
        raise InputError(
            f"expected each column once in {path}, found {', '.join(twice)} more than once; "
            "remove the others"
        )
    number_of = {key: n for n, key in enumerate(zip(*map(_texts, _of(patches)), strict=True))}
    found = []
    for line, (*where, text) in enumerate(zip(*_of_file(table), strict=True), start=2):
        key = _key(where, path, line)
        if not words_of(text or ""):
            raise InputError(
                f"expected words in the text of each caption of {path}, found {text!r} in row "
                f"{line}; remove the row"
            )
        if key in number_of:
            found.append((number_of[key], text))
    if not found:
        raise InputError(
            f"expected captions of the patches of the embeddings in {path}, found none; compare "
            "cell, row and column with the embeddings"
        )
    found.sort(key=lambda pair: pair[0])
    texts = [text for _, text in found]
    patch_m = np.array([number for number, _ in found], np.int64)
    _, text_m = np.unique([" ".join(words_of(text)) for text in texts], return_inverse=True)
    meanings = SameTexts(text_m=text_m.astype(np.int64), patch_m=patch_m, num_patches=len(patches))
    return Captions(texts=texts, patch_m=patch_m, meanings=meanings)


def _of(patches: pa.Table) -> list[pa.ChunkedArray]:
    cell, row, col = (patches[name] for name in PATCH)
    return [cell.cast(pa.string()), row.cast(pa.int64()), col.cast(pa.int64())]


def _of_file(table: pa.Table) -> list[list[str | None]]:
    return [table[name].to_pylist() for name in _COLUMNS]


def _texts(column: pa.ChunkedArray) -> list[str]:
    return [str(value) for value in column.to_pylist()]


def _key(where: list[str | None], path: Path, line: int) -> tuple[str, str, str]:
    """Return cell, row and column of a caption, as text."""
    cell, *numbers = ((value or "").strip() for value in where)
    try:
        row, col = (str(int(value)) for value in numbers)
    except ValueError:
        raise InputError(
            f"expected whole numbers in the columns row and column of {path}, found "
            f"{' and '.join(map(repr, numbers))} in row {line}; correct them"
        ) from None
    return cell, row, col
