"""The file `labels.csv` of a user's folder: one line an image."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from csmoe_model.datasets.base import SPLITS
from minortom.errors import InputError

LABELS_FILE = "labels.csv"
Role = Literal["file", "s2", "s1"]
"""Column that names a file: one with every band, or one of a sensor."""
_FILES: tuple[Role, ...] = get_args(Role)


@dataclass(frozen=True, kw_only=True)
class ImageLine:
    """One image of the file."""

    number: int
    files: dict[Role, Path]
    labels: tuple[str, ...]
    split: str | None
    group: str | None


def read_labels(root: Path) -> list[ImageLine]:
    """Read the lines of `labels.csv` in a folder.

    Raises:
        InputError: If the file is missing, or a line of it cannot be used.
    """
    path = root / LABELS_FILE
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.DictReader(stream)
            # Spreadsheets and people put spaces behind the commas.
            columns = reader.fieldnames = [name.strip() for name in reader.fieldnames or []]
            rows = [(reader.line_num, row) for row in reader]
    except FileNotFoundError:
        raise InputError(
            f"{root} has no {LABELS_FILE}; wanted one with the columns file (or s2, s1) and label"
        ) from None
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}; wanted a CSV file") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"cannot read {path} as CSV in UTF-8: {error}") from None
    if "label" not in columns or not set(_FILES) & set(columns):
        raise InputError(
            f"{path} has the columns {', '.join(columns) or 'none'}; wanted file (or s2, s1) and "
            "label, and maybe split and group"
        )
    if not rows:
        raise InputError(f"{path} has no images; give a line for each")
    return [_line(root, path, number, row, columns) for number, row in rows]


def _line(
    root: Path, path: Path, number: int, row: Mapping[str, str | None], columns: Sequence[str]
) -> ImageLine:
    cells = {name: (row.get(name) or "").strip() for name in columns}
    where = f"line {number} of {path}"
    files: dict[Role, Path] = {name: root / cells[name] for name in _FILES if cells.get(name)}
    if not files:
        raise InputError(f"{where} names no file; give one, or take the line out")
    missing = [file for file in files.values() if not file.is_file()]
    if missing:
        raise InputError(f"{where}: there is no file {missing[0]}; check the path")
    named = next(iter(files.values())).name
    parts = (part.strip() for part in cells["label"].split(";"))
    labels = tuple(dict.fromkeys(part for part in parts if part))
    if not labels:
        raise InputError(f"{where}: {named} has no label; give one, or take the line out")
    if "split" in columns and cells["split"] not in SPLITS:
        raise InputError(
            f"{where}: split is {cells['split']!r}; wanted {', '.join(SPLITS)}, or no such column"
        )
    return ImageLine(
        number=number, files=files, labels=labels,
        split=cells["split"] if "split" in columns else None,
        group=(cells["group"] or str(next(iter(files.values())))) if "group" in columns else None,
    )  # fmt: skip


def check_splits(lines: Sequence[ImageLine], path: Path) -> None:
    """Make sure that nothing stands in two splits: no file, and no group.

    Raises:
        InputError: If an image is listed twice, or a group is in more than one split.
    """
    of_file: dict[Path, ImageLine] = {}
    of_group: dict[str, ImageLine] = {}
    for line in lines:
        for file in line.files.values():
            former = of_file.setdefault(file, line)
            if former is not line and not _may_share(former, line):
                raise InputError(
                    f"line {line.number} of {path}: {file.name} stands in line {former.number}, "
                    "too; give each image once, its labels separated by ;, and what shares a file "
                    "one group and split"
                )
        if line.group is not None:
            former = of_group.setdefault(line.group, line)
            if former.split != line.split:
                raise InputError(
                    f"line {line.number} of {path}: group {line.group} is in {line.split}, and in "
                    f"{former.split} in line {former.number}; keep a group in one split"
                )


def _may_share(one: ImageLine, other: ImageLine) -> bool:
    """Say whether two images may have a file in common: where they land in the same split."""
    if one.files == other.files:
        return False
    if one.split is None:
        return one.group is not None and one.group == other.group
    return one.split == other.split
