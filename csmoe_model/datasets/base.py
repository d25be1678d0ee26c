"""THE CONTRACT of evaluation: what a labelled set is, whoever keeps its files.

Axes, as name suffixes:
    n  samples    C  bands    H W  pixel rows and columns    K  classes
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from minortom.errors import InputError
from minortom.sensors import SensorName

Task = Literal["multiclass", "multilabel", "segmentation"]
SplitName = Literal["train", "val", "test"]
SPLITS: tuple[SplitName, ...] = get_args(SplitName)

_COUNTED_AT_ONCE = 2**24
"""Pixels, whose numbers take 8 bytes each while they are counted."""

Images = dict[SensorName, NDArray[np.float32]]
"""By sensor [n, C, H, W], all bands on one grid, in the units of `CSMoE.prepare`:
Sentinel-2 as reflectance × 10,000 without offset, Sentinel-1 as gamma0 in dB."""
ReadImages = Callable[[NDArray[np.int64]], Images]
"""Reads the images of some samples of a split, numbered from 0."""
Labels = NDArray[Any]
"""[n] int64 (multiclass), [n, K] bool (multilabel) or [n, H, W] uint8 or int64 (segmentation)."""


@dataclass(frozen=True, kw_only=True, eq=False)
class LabelledSplit:
    """Samples of one split: images are read when asked for, labels are here.

    Raises:
        InputError: If labels and groups are not of the same samples.
    """

    images: ReadImages
    labels: Labels
    groups: NDArray[np.str_] | None = None
    """[n] what samples share that makes them alike, such as a cell; None where nothing is known."""

    def __post_init__(self) -> None:
        if self.groups is not None and len(self.groups) != len(self.labels):
            raise InputError(
                f"{len(self.labels)} labels with {len(self.groups)} groups; wanted one of each a "
                "sample"
            )

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True, kw_only=True, eq=False)
class LabelledSet:
    """Images of one sensor or both with labels, split into `train`, `val` and `test`."""

    name: str
    """As in `eurosat`; of a set of the paper its name there, as in `m-eurosat`;
    of a user's folder that with a slash, so that it passes for no published set."""
    task: Task
    classes: tuple[str, ...]
    bands: Mapping[SensorName, tuple[str, ...]]
    """Names of the channels of each sensor that the set has; `bands.channels` reads them."""
    splits: Mapping[SplitName, LabelledSplit]
    sha256: str
    """Of all that the images and labels depend on."""
    settings: Mapping[str, object] = field(default_factory=dict)
    """What was chosen about the set, for the record of a result."""
    licences: tuple[str, ...] = ()

    @property
    def sensors(self) -> tuple[SensorName, ...]:
        """Sensors that the set has images of."""
        return tuple(self.bands)

    @property
    def record(self) -> dict[str, object]:
        """What was chosen, and the bands: what else images depend on than the files."""
        bands = {f"{sensor}_bands": list(names) for sensor, names in self.bands.items()}
        return {**self.settings, **bands}

    def split(self, name: SplitName) -> LabelledSplit:
        """Give a split.

        Raises:
            InputError: If the set has none of that name, or it is empty.
        """
        found = self.splits.get(name)
        if found is None or not len(found):
            there = ", ".join(f"{key} ({len(value):,})" for key, value in self.splits.items())
            raise InputError(
                f"the set {self.name} has no samples in its {name} split; it has {there or 'none'}"
            )
        return found


def check_for_probe(data: LabelledSet) -> None:
    """Make sure that a probe can be trained, tuned and tested on a set.

    Raises:
        InputError: If a split is missing or of one class, or a class has one training sample.
    """
    for name in SPLITS:
        counts = class_counts(data, name)
        if data.task == "multiclass" and np.count_nonzero(counts) < 2:
            only = data.classes[int(np.argmax(counts))]
            raise InputError(
                f"all {len(data.split(name)):,} samples of {data.name}'s {name} split are of one "
                f"class, {only}; a probe needs two or more"
            )
        if data.task == "multilabel" and not counts.any():
            raise InputError(f"no sample of {data.name}'s {name} split has a label")
    counts = class_counts(data, "train")
    single = [data.classes[k] for k in np.flatnonzero(counts == 1)]
    if single:
        raise InputError(
            f"the class {', '.join(single)} has one training sample in {data.name}; give it more, "
            "or leave it out"
        )
    untaught = (counts == 0) & (class_counts(data, "test") > 0)
    if data.task == "multiclass" and untaught.any():
        missing = ", ".join(data.classes[k] for k in np.flatnonzero(untaught))
        raise InputError(
            f"the class {missing} of {data.name} is tested but has no training sample; split the "
            "set otherwise, or leave it out"
        )


def class_counts(data: LabelledSet, name: SplitName) -> NDArray[np.int64]:
    """Count the samples [K] (for segmentation the pixels) of each class in a split."""
    labels = data.split(name).labels
    if data.task == "multilabel":
        return np.asarray(labels.sum(0), np.int64)
    found = np.zeros(len(data.classes), np.int64)
    for some in np.array_split(labels, max(1, labels.size // _COUNTED_AT_ONCE)):
        known = some[(some >= 0) & (some < len(found))]
        found += np.bincount(known.ravel(), minlength=len(found))
    return found
