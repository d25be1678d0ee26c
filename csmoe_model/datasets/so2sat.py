"""So2Sat LCZ42 version 2, read with torchgeo: pairs of both sensors in 17 local climate zones.

Zhu et al. 2020, https://doi.org/10.1109/MGRS.2020.2964708. Images are 32 × 32 pixels: Sentinel-2 as
reflectance, Sentinel-1 as power after a refined Lee filter.
"""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from csmoe_model.datasets.base import Images, LabelledSet, LabelledSplit, SplitName
from csmoe_model.datasets.files import check_files_exist, sha256_of_set
from csmoe_model.optional_packages import load_package
from minortom.errors import InputError
from minortom.sensors import MODEL_BANDS

_VERSION = "2"
"""The version with a validation split."""
_SPLITS: dict[SplitName, str] = {"train": "train", "val": "validation", "test": "test"}
"""Names of the splits in torchgeo."""
_S1_BANDS = ("S1_B6", "S1_B5")
"""Power of VV and VH after the filter. The other bands are single looks and phases."""
_MIN_POWER = 1e-5
"""-50 dB, below the noise floor of the sensor; replaces 0, which the filter returns in places."""
_HOW = (
    "download training.h5, validation.h5 and testing.h5 of version 2 from "
    "https://dataserv.ub.tum.de/index.php/s/m1483140"
)


def open_so2sat(root: Path) -> LabelledSet:
    """Open the three HDF5 files of So2Sat.

    Raises:
        InputError: If torchgeo, h5py or a file is missing, or a file is damaged.
    """
    dataset_class = load_package("torchgeo.datasets", extra="terratorch").So2Sat
    names = dataset_class.filenames_by_version[_VERSION]
    files = {split: root / names[name] for split, name in _SPLITS.items()}
    check_files_exist("So2Sat", root, [path.name for path in files.values()], _HOW)
    labels = {split: _labels(path) for split, path in files.items()}
    bands = (*_S1_BANDS, *(f"S2_{band}" for band in MODEL_BANDS["s2"]))
    splits: dict[SplitName, LabelledSplit] = {
        split: LabelledSplit(
            images=partial(
                _read, dataset_class(root=str(root), version=_VERSION, split=name, bands=bands)
            ),
            labels=labels[split],
        )
        for split, name in _SPLITS.items()
    }
    return LabelledSet(
        name="so2sat", task="multiclass", classes=tuple(dataset_class.classes), bands=MODEL_BANDS,
        splits=splits, sha256=sha256_of_set([], files.values()),
        settings={
            "split_by": "So2Sat version 2", "s2_unit": "reflectance, times 10,000",
            "s1_unit": "power after a refined Lee filter, in dB",
        },
        licences=("So2Sat LCZ42: CC-BY-4.0",),
    )  # fmt: skip


def decibels(power: NDArray[np.float32]) -> NDArray[np.float32]:
    """Convert power to dB, with a minimum of -50 dB."""
    return np.asarray(10 * np.log10(np.maximum(power, _MIN_POWER)), np.float32)


def _labels(path: Path) -> NDArray[np.int64]:
    h5py = load_package("h5py", extra="terratorch")
    try:
        with h5py.File(path, "r") as file:
            return np.asarray(np.argmax(file["label"][:], axis=1), np.int64)
    except (OSError, KeyError) as error:
        raise InputError(f"cannot read {path} ({error}); {_HOW}") from None


def _read(samples: Any, indices: NDArray[np.int64]) -> Images:  # noqa: ANN401
    """Read image pairs in the units of the model."""
    stacked = np.stack([samples[index]["image"].numpy() for index in indices.tolist()])
    return {
        "s2": stacked[:, len(_S1_BANDS) :] * np.float32(10_000),
        "s1": decibels(stacked[:, : len(_S1_BANDS)]),
    }
