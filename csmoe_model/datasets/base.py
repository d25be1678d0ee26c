"""THE CONTRACT of evaluation: labelled sets, independent of how their files are stored.

Axes, as name suffixes:
    n  samples    C  bands    H W  pixel rows and columns    K  classes
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from minortom.api.arguments import one_of, shown
from minortom.errors import InputError
from minortom.sensors import SensorName

Task = Literal["multiclass", "multilabel", "segmentation"]
SplitName = Literal["train", "val", "test"]
SPLITS: tuple[SplitName, ...] = get_args(SplitName)

_log = logging.getLogger(__name__)

_COUNT_CHUNK = 2**24
"""Pixels counted at once; each takes 8 bytes during the count."""

Images = dict[SensorName, NDArray[np.float32]]
"""Images of each sensor [n, C, H, W], all bands on one grid, in the units of
`ImageEncoder.prepare`: Sentinel-2 as reflectance × 10,000 without offset, Sentinel-1 as gamma0 in
dB."""
ReadImages = Callable[[NDArray[np.int64]], Images]
"""Reads the images of some samples of a split, by their numbers from 0."""
Labels = NDArray[Any]
"""[n] int64 (multiclass), [n, K] bool (multilabel) or [n, H, W] uint8 or int64 (segmentation)."""


@dataclass(frozen=True, kw_only=True, eq=False)
class LabelledSplit:
    """Samples of one split: labels in memory, images read on demand.

    Raises:
        InputError: If the numbers of labels and groups differ, the labels are not an array of
            whole numbers, or the images are not a function.
    """

    images: ReadImages
    labels: Labels
    groups: NDArray[np.str_] | None = None
    """[n] names of groups of similar samples, such as grid cells; None where they are unknown."""
    blocks: NDArray[np.str_] | None = None
    """[n] names of blocks of ground, each of whole groups; None where positions are unknown."""

    def __post_init__(self) -> None:
        for what, names in (("group", self.groups), ("block", self.blocks)):
            if names is not None and len(names) != len(self.labels):
                raise InputError(
                    f"a split needs one label and one {what} for each sample, found "
                    f"{len(self.labels)} labels and {len(names)} {what}s"
                )
        labels = self.labels if isinstance(self.labels, np.ndarray) else None
        if labels is None or labels.dtype.kind not in "biu":
            found = shown(self.labels) if labels is None else f"an array of {labels.dtype}"
            raise InputError(
                f"labels must be a NumPy array of class numbers, bool or integers, found {found}"
            )
        if not callable(self.images):
            raise InputError(
                "images must be a function from numbers of samples to the images of each sensor, "
                f"found {shown(self.images)}"
            )

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, numbers: NDArray[np.int64]) -> "LabelledSplit":
        """Return some samples, by their numbers from 0."""
        return LabelledSplit(
            images=lambda some: self.images(numbers[some]), labels=self.labels[numbers],
            groups=None if self.groups is None else self.groups[numbers],
            blocks=None if self.blocks is None else self.blocks[numbers],
        )  # fmt: skip

    @property
    def independent(self) -> NDArray[np.str_] | None:
        """Return the names [n] of what intervals draw as a whole: blocks, or else groups."""
        return self.groups if self.blocks is None else self.blocks


@dataclass(frozen=True, kw_only=True, eq=False)
class LabelledSet:
    """Labelled images of one or both sensors, split into `train`, `val` and `test`.

    Raises:
        InputError: If the task is unknown, or the name is not text.
    """

    name: str
    """Name of a published set, as the paper writes it, such as `m-eurosat`. The name of a user's
    folder ends in a slash, so that it never equals that of a published set."""
    task: Task
    classes: tuple[str, ...]
    bands: Mapping[SensorName, tuple[str, ...]]
    """Band names of each sensor that the set has, in channel order; see `bands.channels`."""
    splits: Mapping[SplitName, LabelledSplit]
    sha256: str
    """Hash of everything that the images and labels depend on."""
    settings: Mapping[str, object] = field(default_factory=dict)
    """Options that the set was opened with, for the record of a result."""
    licences: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    """Assumptions about the images and splits, one line each; see `report`."""

    def __post_init__(self) -> None:
        one_of("task", self.task, get_args(Task))
        if not isinstance(self.name, str):
            raise InputError(f"name must be text, found {shown(self.name)}")

    @property
    def sensors(self) -> tuple[SensorName, ...]:
        """Return the sensors that the set has."""
        return tuple(self.bands)

    @property
    def record(self) -> dict[str, object]:
        """Return the options and the bands, which the images depend on besides the files."""
        bands = {f"{sensor}_bands": list(names) for sensor, names in self.bands.items()}
        return {**self.settings, **bands}

    def report(self) -> None:
        """Log the notes: when an output is made, so that an error stays one line."""
        for note in self.notes:
            _log.warning("%s", note)

    def split(self, name: SplitName) -> LabelledSplit:
        """Return a split.

        Raises:
            InputError: If the split is missing or empty.
        """
        found = self.splits.get(name)
        if found is None or not len(found):
            existing = ", ".join(f"{key} ({len(value):,})" for key, value in self.splits.items())
            raise InputError(
                f"the set {self.name} needs samples in its {name} split, found "
                f"{existing or 'no split'}; add samples to {name}"
            )
        return found


def check_for_probe(data: LabelledSet, *, needed_by: str = "a probe") -> None:
    """Check that a classifier can be trained, tuned and tested on a set.

    Args:
        data: The set.
        needed_by: Subject of an error, such as `a probe`.

    Raises:
        InputError: If a split is missing or has one class only, a class has one training sample,
            or a class of the test split has none.
    """
    for name in SPLITS:
        counts = class_counts(data, name)
        if data.task == "multiclass" and np.count_nonzero(counts) < 2:
            only = data.classes[int(np.argmax(counts))]
            raise InputError(
                f"{needed_by} needs at least two classes, found only {only} in all "
                f"{len(data.split(name)):,} samples of {data.name}'s {name} split; add samples of "
                "other classes"
            )
        if data.task == "multilabel" and not counts.any():
            raise InputError(
                f"{needed_by} needs labels, found none in {data.name}'s {name} split; add labels"
            )
    counts = class_counts(data, "train")
    single = [data.classes[k] for k in np.flatnonzero(counts == 1)]
    if single:
        raise InputError(
            f"each class needs at least two training samples, found one for {', '.join(single)} in "
            f"{data.name}; add samples or remove the class"
        )
    untrained = (counts == 0) & (class_counts(data, "test") > 0)
    if data.task == "multiclass" and untrained.any():
        missing = ", ".join(data.classes[k] for k in np.flatnonzero(untrained))
        raise InputError(
            f"each class of the test split needs training samples, found none for {missing} in "
            f"{data.name}; change the split or remove the class"
        )


def class_counts(data: LabelledSet, name: SplitName) -> NDArray[np.int64]:
    """Count the samples of each class in a split [K]; for segmentation, the pixels."""
    labels = data.split(name).labels
    if data.task == "multilabel":
        return np.asarray(labels.sum(0), np.int64)
    found = np.zeros(len(data.classes), np.int64)
    for some in np.array_split(labels, max(1, labels.size // _COUNT_CHUNK)):
        known = some[(some >= 0) & (some < len(found))]
        found += np.bincount(known.ravel(), minlength=len(found))
    return found
