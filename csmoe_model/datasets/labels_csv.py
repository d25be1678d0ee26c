"""The file `labels.csv` in a user's folder, with one line for each image."""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from csmoe_model.datasets.base import SPLITS
from minortom.errors import InputError
from minortom.io.delimited import read_text, separator_of

LABELS_FILE = "labels.csv"
Role = Literal["file", "s2", "s1"]
"""Column with a path: of a file with all bands, or of a file of one sensor."""
_FILES: tuple[Role, ...] = get_args(Role)
_COLUMNS = {
    "file": ("file", "filename", "file_name", "filepath", "path", "image", "image_path"),
    "s2": ("s2",),
    "s1": ("s1",),
    "label": ("label", "labels", "class", "class_name", "category"),
    "split": ("split",),
    "group": ("group",),
}
"""Names of each column, in lower case, the preferred one first."""
SPLIT_NAMES = {
    "train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val",
    "test": "test", "testing": "test",
}  # fmt: skip
"""Names of the splits, in lower case."""


@dataclass(frozen=True, kw_only=True)
class ImageLine:
    """One line of the file."""

    number: int
    files: dict[Role, Path]
    labels: tuple[str, ...]
    split: str | None
    group: str | None


def read_labels(root: Path) -> list[ImageLine]:
    """Read the lines of `labels.csv` in a folder.

    Raises:
        InputError: If the file is missing, or a line is not valid.
    """
    path = root / LABELS_FILE
    if not path.exists():
        raise InputError(
            f"{root} must contain {LABELS_FILE}, with the columns file (or s2, s1) and label, or a "
            "folder of images for each class, found neither; write the file or give another folder"
        )
    text = read_text(path)
    try:
        reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=separator_of(text))
        # Spreadsheets and people write spaces after commas.
        found = reader.fieldnames = [name.strip() for name in reader.fieldnames or []]
        rows = [(reader.line_num, row) for row in reader if any(map(str.strip, _texts(row)))]
    except csv.Error as error:
        raise InputError(f"{path} must be a CSV file, found: {error}; correct it") from None
    columns = _columns(found)
    if "label" not in columns or not set(_FILES) & set(columns):
        raise InputError(
            f"{path} must have the columns file (or s2, s1) and label, and may have split and "
            f"group, found {', '.join(found) or 'no columns'}; add the missing ones"
        )
    if not rows:
        raise InputError(f"{path} must have a line for each image, found no lines; add them")
    return [_line(root, path, number, row, columns) for number, row in rows]


def _texts(row: Mapping[str, str | None]) -> list[str]:
    """Return the values of a line that are text; a line that is too long has a list too."""
    return [value for value in row.values() if isinstance(value, str)]


def _columns(names: Sequence[str]) -> dict[str, str]:
    """Return the name in the file of each known column that it has."""
    lower = {name.lower(): name for name in reversed(names)}
    return {
        column: next(lower[name] for name in known if name in lower)
        for column, known in _COLUMNS.items()
        if any(name in lower for name in known)
    }


def _existing(root: Path, name: str) -> Path:
    """Return a path relative to a folder; a path of Windows may have backslashes."""
    path = root / name
    return path if path.exists() or "\\" not in name else root / name.replace("\\", "/")


def _line(
    root: Path, path: Path, number: int, row: Mapping[str, str | None], columns: Mapping[str, str]
) -> ImageLine:
    cells = {column: (row.get(name) or "").strip() for column, name in columns.items()}
    where = f"line {number} of {path}"
    files: dict[Role, Path] = {
        name: _existing(root, cells[name]) for name in _FILES if cells.get(name)
    }
    if not files:
        raise InputError(f"{where} must name a file, found none; add it or remove the line")
    missing = [file for file in files.values() if not file.exists()]
    if missing:
        raise InputError(f"{where}: the file {missing[0]} does not exist; correct the path")
    named = next(iter(files.values())).name
    parts = (part.strip() for part in cells["label"].split(";"))
    labels = tuple(dict.fromkeys(part for part in parts if part))
    if not labels:
        raise InputError(
            f"{where} must have a label for {named}, found none; add it or remove the line"
        )
    split = SPLIT_NAMES.get(cells.get("split", "").lower())
    if "split" in columns and split is None:
        raise InputError(
            f"{where}: split must be one of {', '.join(SPLITS)}, found {cells['split']!r}; correct "
            "it, or remove the column"
        )
    return ImageLine(
        number=number, files=files, labels=labels,
        split=split,
        group=(cells["group"] or str(next(iter(files.values())))) if "group" in columns else None,
    )  # fmt: skip


def check_splits(lines: Sequence[ImageLine], path: Path) -> None:
    """Check that no file and no group is in two splits.

    Raises:
        InputError: If an image is listed twice, or a file or group is in two splits.
    """
    line_of_file: dict[Path, ImageLine] = {}
    line_of_group: dict[str, ImageLine] = {}
    for line in lines:
        for file in line.files.values():
            other = line_of_file.setdefault(file, line)
            if other is not line and not _may_share(other, line):
                raise InputError(
                    f"line {line.number} of {path}: each image must have one line, found "
                    f"{file.name} in line {other.number} too; write several labels in one line, "
                    "separated by ;, and give images that share a file the same group and split"
                )
        if line.group is not None:
            other = line_of_group.setdefault(line.group, line)
            if other.split != line.split:
                raise InputError(
                    f"line {line.number} of {path}: a group must be in one split, found group "
                    f"{line.group} in {line.split} and, in line {other.number}, in {other.split}; "
                    "change one of them"
                )


def _may_share(one: ImageLine, other: ImageLine) -> bool:
    """Return whether two images may share a file: only if they end up in the same split."""
    if one.files == other.files:
        return False
    if one.split is None:
        return one.group is not None and one.group == other.group
    return one.split == other.split
