"""A user's own images with a CSV of labels, as a labelled set.

The folder holds `labels.csv`, one line an image:

    file,label,split            one file with every band; or columns s2 and s1, a file each
    a/1.tif,forest;water,train  several labels: the set is multilabel
    b/2.tif,water,test

`split` is `train`, `val` or `test`; without the column images are split at random, each class
alike. A column `group` names what makes images alike, such as their scene: it stays in one split,
and the bootstrap draws whole groups.
"""

import csv
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast, get_args

import numpy as np
from numpy.typing import NDArray

from csmoe_model.datasets.base import SPLITS, Images, LabelledSet, LabelledSplit, SplitName
from minortom.errors import InputError
from minortom.io.provenance import sha256_of
from minortom.sensors import SensorName

LABELS_FILE = "labels.csv"
SHARES = (0.6, 0.15, 0.25)
"""Of `train`, `val` and `test` where the file does not say."""
Role = Literal["file", "s2", "s1"]
"""Column that names a file: one with every band, or one of a sensor."""
_FILES: tuple[Role, ...] = get_args(Role)

Bands = dict[SensorName, tuple[tuple[str, ...], NDArray[np.float32]]]
"""By sensor the names of the bands, and their pixels [C, H, W] in the units of `prepare`."""
ReadBands = Callable[[Mapping[Role, Path]], Bands]
"""Reads the files of one image, by the column that names them."""


@dataclass(frozen=True, kw_only=True)
class _Line:
    """One image of the file."""

    number: int
    files: dict[Role, Path]
    labels: tuple[str, ...]
    split: str | None
    group: str | None


def folder_as_labelled(root: Path, read_bands: ReadBands, *, seed: int = 0) -> LabelledSet:
    """Open a folder of images with `labels.csv`.

    Args:
        root: The folder; the file's paths are relative to it.
        read_bands: Reads one image, such as GeoTIFFs, which need a library of their own.
        seed: Draws the split where the file has none.

    Raises:
        InputError: If the file is missing or a line of it cannot be used, or the first image
            cannot be read.
    """
    lines = _read_lines(root)
    _check_apart(lines, root / LABELS_FILE)
    classes = sorted({label for line in lines for label in line.labels})
    several = any(len(line.labels) != 1 for line in lines)
    number = {name: k for k, name in enumerate(classes)}
    labels_nK = np.zeros((len(lines), len(classes)), bool)
    for row, line in enumerate(lines):
        labels_nK[row, [number[label] for label in line.labels]] = True
    labels = labels_nK if several else labels_nK.argmax(1).astype(np.int64)
    first = read_bands(lines[0].files)
    bands = {sensor: names for sensor, (names, _) in first.items()}
    side = {sensor: pixels.shape for sensor, (_, pixels) in first.items()}
    told = lines[0].split is not None
    names = [line.split for line in lines] if told else _drawn_splits(lines, seed)
    splits: dict[SplitName, LabelledSplit] = {}
    for name in SPLITS:
        members = [row for row, of in enumerate(names) if of == name]
        groups = [lines[row].group for row in members]
        splits[name] = LabelledSplit(
            images=_Reader([lines[row] for row in members], read_bands, bands, side),
            labels=labels[members],
            groups=None if None in groups or not groups else np.array(groups),
        )
    return LabelledSet(
        name=f"{root.resolve().name}/",
        task="multilabel" if several else "multiclass",
        classes=tuple(classes), bands=bands, splits=splits, sha256=_sha256(root, lines),
        settings={"split_by": "labels.csv"} if told else {
            "split_by": "drawn, each class alike", "shares": list(SHARES), "split_seed": seed,
        },
    )  # fmt: skip


def _read_lines(root: Path) -> list[_Line]:
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
) -> _Line:
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
    return _Line(
        number=number, files=files, labels=labels,
        split=cells["split"] if "split" in columns else None,
        group=(cells["group"] or str(next(iter(files.values())))) if "group" in columns else None,
    )  # fmt: skip


def _check_apart(lines: Sequence[_Line], path: Path) -> None:
    """Make sure that nothing stands in two splits: no file, and no group.

    Raises:
        InputError: If an image is listed twice, or a group is in more than one split.
    """
    of_file: dict[Path, _Line] = {}
    of_group: dict[str, _Line] = {}
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


def _may_share(one: _Line, other: _Line) -> bool:
    """Say whether two images may have a file in common: where they land in the same split."""
    if one.files == other.files:
        return False
    if one.split is None:
        return one.group is not None and one.group == other.group
    return one.split == other.split


def _drawn_splits(lines: Sequence[_Line], seed: int) -> list[SplitName]:
    """Draw each image's split: groups stay whole, each class is cut into the same shares."""
    groups: dict[str, list[int]] = {}
    for row, line in enumerate(lines):
        groups.setdefault(line.group or str(row), []).append(row)
    of_class: dict[tuple[str, ...], list[list[int]]] = {}
    for rows in groups.values():
        of_class.setdefault(lines[rows[0]].labels, []).append(rows)
    rng, found = np.random.default_rng(seed), [""] * len(lines)
    bounds = np.cumsum(SHARES)
    for labels in sorted(of_class):
        members = of_class[labels]
        for place, index in enumerate(rng.permutation(len(members)).tolist()):
            part = int(np.searchsorted(bounds, (place + 0.5) / len(members)))
            for row in members[index]:
                found[row] = SPLITS[min(part, 2)]
    return cast(list[SplitName], found)


def _sha256(root: Path, lines: Sequence[_Line]) -> str:
    digest = hashlib.sha256(sha256_of(root / LABELS_FILE).encode())
    for line in lines:
        for file in line.files.values():
            digest.update(sha256_of(file).encode())
    return digest.hexdigest()


@dataclass(frozen=True)
class _Reader:
    """Reads images file by file, and makes sure that they are alike."""

    lines: Sequence[_Line]
    read_bands: ReadBands
    bands: Mapping[SensorName, tuple[str, ...]]
    shape: Mapping[SensorName, tuple[int, ...]]
    """[C, H, W] of the first image."""

    def __call__(self, indices: NDArray[np.int64]) -> Images:
        stacked: dict[SensorName, list[NDArray[np.float32]]] = {name: [] for name in self.bands}
        for index in indices.tolist():
            line = self.lines[index]
            path = next(iter(line.files.values()))
            found = self.read_bands(line.files)
            for sensor, images in stacked.items():
                names, pixels = found.get(sensor, ((), np.empty((0, 0, 0), np.float32)))
                if names != self.bands[sensor] or pixels.shape != self.shape[sensor]:
                    raise InputError(
                        f"{path} has {_said(sensor, names, pixels.shape)}, "
                        "the first image "
                        f"{_said(sensor, self.bands[sensor], self.shape[sensor])}; make them alike"
                    )
                images.append(pixels)
        return {sensor: np.stack(images) for sensor, images in stacked.items()}


def _said(sensor: SensorName, names: Sequence[str], shape: Sequence[int]) -> str:
    return f"the {sensor} bands {' '.join(names) or 'none'} in {shape[1]} × {shape[2]} pixels"
