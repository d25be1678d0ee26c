"""Labelled set from a user's folder of images with `labels.csv`.

`labels.csv` has one line for each image:

    file,label,split            one file with all bands; or columns s2 and s1, one file each
    a/1.tif,forest;water,train  several labels make the set multilabel
    b/2.tif,water,test

`split` is `train`, `val` or `test`. Without this column the images are split at random, with the
same shares of each class; without `val`, it is drawn from `train`. Without the file, the folders of
the images are the classes. An optional column `group` names the group of similar images, such as
those of one scene. A group stays in one split, and the bootstrap draws whole groups.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from csmoe_model.datasets.base import SPLITS, Images, LabelledSet, LabelledSplit, SplitName
from csmoe_model.datasets.class_folders import has_class_folders, read_class_folders
from csmoe_model.datasets.labels_csv import LABELS_FILE, ImageLine, Role, check_splits, read_labels
from minortom.errors import InputError
from minortom.io.provenance import sha256_of
from minortom.scenes.band_names import known_band
from minortom.sensors import SensorName

SHARES = (0.6, 0.15, 0.25)
"""Shares of `train`, `val` and `test` where the file has no splits."""
VAL_SHARE = 0.2
"""Share of the training images that become `val` where a set has `train` and `test` only."""

ImageBands = dict[SensorName, tuple[tuple[str, ...], NDArray[np.float32]]]
"""Band names of each sensor, and their pixels [C, H, W] in the units of `prepare`."""
ReadBands = Callable[[Mapping[Role, Path]], ImageBands]
"""Reads the files of one image, keyed by the column that names them."""


FilesOf = Callable[[Path], Sequence[Path]]
"""Returns the files of an image that a path in the labels names."""


class FitReader(Protocol):
    """Function that decides how the images of a folder are read."""

    def __call__(self, images: Sequence[Mapping[Role, Path]], where: Path) -> "FittedReader":
        """Return a reader for the images, by the files of each."""
        ...


class FittedReader(Protocol):
    """Reader that converts all images of a folder alike."""

    @property
    def notes(self) -> tuple[str, ...]:
        """Assumptions about the images, one line each."""
        ...

    @property
    def record(self) -> Mapping[str, object]:
        """Conversions that are not the default."""
        ...

    def files(self, path: Path) -> Sequence[Path]:
        """Return the files of an image that a path in the labels names."""
        ...

    def __call__(self, files: Mapping[Role, Path]) -> ImageBands:
        """Read the files of one image."""
        ...


def open_image_folder(
    root: Path, read_bands: ReadBands, *, fit: FitReader | None = None, seed: int = 0
) -> LabelledSet:
    """Open a folder of images with `labels.csv`.

    Args:
        root: The folder. Paths in the file are relative to it.
        read_bands: Reads the GeoTIFFs of one image.
        fit: Returns a reader for all images of the folder, which is used instead of `read_bands`.
        seed: Random seed of the split, where the file has none.

    Raises:
        InputError: If the file is missing, a line is not valid, or the first image cannot be read.
    """
    of_folders = has_class_folders(root)
    lines = read_class_folders(root) if of_folders else read_labels(root)
    check_splits(lines, root / LABELS_FILE)
    classes = sorted({label for line in lines for label in line.labels})
    several = any(len(line.labels) != 1 for line in lines)
    number = {name: k for k, name in enumerate(classes)}
    labels_nK = np.zeros((len(lines), len(classes)), bool)
    for row, line in enumerate(lines):
        labels_nK[row, [number[label] for label in line.labels]] = True
    labels = labels_nK if several else labels_nK.argmax(1).astype(np.int64)
    conversions: Mapping[str, object] = {}
    notes: tuple[str, ...] = ()
    files_of: FilesOf = _itself
    if fit is not None:
        fitted = fit([line.files for line in lines], root)
        read_bands, conversions, files_of = fitted, fitted.record, fitted.files
        notes = fitted.notes
    first = read_bands(lines[0].files)
    bands = {sensor: names for sensor, (names, _) in first.items()}
    shapes = {sensor: pixels.shape for sensor, (_, pixels) in first.items()}
    names, split_settings, split_notes = _splits(
        root, lines, seed, "folders" if of_folders else LABELS_FILE
    )
    splits: dict[SplitName, LabelledSplit] = {}
    for name in SPLITS:
        members = [row for row, of in enumerate(names) if of == name]
        groups = [lines[row].group for row in members]
        splits[name] = LabelledSplit(
            images=_Reader([lines[row] for row in members], read_bands, bands, shapes),
            labels=labels[members],
            groups=None if None in groups or not groups else np.array(groups),
        )
    return LabelledSet(
        name=f"{root.resolve().name}/",
        task="multilabel" if several else "multiclass",
        classes=tuple(classes), bands=bands, splits=splits, sha256=_sha256(root, lines, files_of),
        settings={**conversions, **split_settings}, notes=(*notes, *split_notes),
    )  # fmt: skip


def _itself(path: Path) -> Sequence[Path]:
    return (path,)


def _splits(
    root: Path, lines: Sequence[ImageLine], seed: int, source: str
) -> tuple[Sequence[str | None], dict[str, object], tuple[str, ...]]:
    """Return the split of each image, the settings for the record of a result, and notes."""
    names = [line.split for line in lines]
    if names[0] is None:
        parts = _drawn_parts(lines, SHARES, seed)
        settings: dict[str, object] = {
            "split_by": "drawn, each class alike", "shares": list(SHARES), "split_seed": seed,
        }  # fmt: skip
        return [SPLITS[part] for part in parts], settings, ()
    if "val" in names or not {"train", "test"} <= set(names):
        return names, {"split_by": source}, ()
    train = [row for row, name in enumerate(names) if name == "train"]
    parts = _drawn_parts([lines[row] for row in train], (1 - VAL_SHARE, VAL_SHARE), seed)
    drawn = [row for row, part in zip(train, parts, strict=True) if part]
    if not drawn:
        return names, {"split_by": source}, ()
    for row in drawn:
        names[row] = "val"
    note = f"{root} has no validation images: drew {len(drawn)} of {len(train)} from its training "
    return names, {
        "split_by": f"{source}, val drawn from train", "val_share": VAL_SHARE, "split_seed": seed,
    }, (f"{note}images",)  # fmt: skip


def _drawn_parts(lines: Sequence[ImageLine], shares: Sequence[float], seed: int) -> list[int]:
    """Draw the part of each image, with the same shares of each class; groups stay whole."""
    groups: dict[str, list[int]] = {}
    for row, line in enumerate(lines):
        groups.setdefault(line.group or str(row), []).append(row)
    of_class: dict[tuple[str, ...], list[list[int]]] = {}
    for rows in groups.values():
        of_class.setdefault(lines[rows[0]].labels, []).append(rows)
    rng, found = np.random.default_rng(seed), [0] * len(lines)
    bounds = np.cumsum(shares)
    for labels in sorted(of_class):
        members = of_class[labels]
        for place, index in enumerate(rng.permutation(len(members)).tolist()):
            part = int(np.searchsorted(bounds, (place + 0.5) / len(members)))
            for row in members[index]:
                found[row] = min(part, len(shares) - 1)
    return found


def _sha256(root: Path, lines: Sequence[ImageLine], files_of: FilesOf) -> str:
    labels = root / LABELS_FILE
    digest = hashlib.sha256()
    if labels.exists():
        digest.update(sha256_of(labels).encode())
    for line in lines:
        if not labels.exists():
            digest.update(f"{line.labels} {line.split}\n".encode())
        for path in line.files.values():
            for file in files_of(path):
                digest.update(sha256_of(file).encode())
    return digest.hexdigest()


@dataclass(frozen=True)
class _Reader:
    """Reader of image files that checks that all have the same bands and size."""

    lines: Sequence[ImageLine]
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
                order = _order(self.bands[sensor], names)
                if order is None or pixels.shape != self.shape[sensor]:
                    raise InputError(
                        "all images must have the same bands and size, found "
                        f"{_described(sensor, names, pixels.shape)} in {path} and "
                        f"{_described(sensor, self.bands[sensor], self.shape[sensor])} in the "
                        "first image; change one of them"
                    )
                images.append(pixels[order])
        return {sensor: np.stack(images) for sensor, images in stacked.items()}


def _order(wanted: Sequence[str], found: Sequence[str]) -> list[int] | None:
    """Return the place of each band among others that may be spelled otherwise; None if absent."""
    places = {_spelled_alike(name): number for number, name in enumerate(found)}
    order = [places.get(_spelled_alike(name)) for name in wanted]
    if len(found) != len(wanted):
        return None
    return None if None in order else [number for number in order if number is not None]


def _spelled_alike(name: str) -> str:
    known = known_band(name)
    return name if known is None else known.name


def _described(sensor: SensorName, names: Sequence[str], shape: Sequence[int]) -> str:
    return f"the {sensor} bands {' '.join(names) or 'none'} in {shape[1]} × {shape[2]} pixels"
