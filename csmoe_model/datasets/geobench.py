"""The six sets of GEO-Bench v1 that the paper probes, read with the data sets of TerraTorch.

Lacoste et al. 2023, https://arxiv.org/abs/2306.03831. TerraTorch lists the files and labels of each
split. Bands are read here by their names in a file, not by their positions. A label inside a pickle
is read without unpickling: unpickling would run any code in the file, and would need the package of
GEO-Bench.
"""

import ast
import pickletools
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from csmoe_model.datasets.base import SPLITS, Images, LabelledSet, LabelledSplit, Labels, SplitName
from csmoe_model.datasets.files import check_files_exist, sha256_of_set
from csmoe_model.datasets.geobench_metadata import BAND_NAMES, METADATA, SetMetadata
from csmoe_model.datasets.names import GeoBenchName
from csmoe_model.datasets.so2sat import decibels
from csmoe_model.optional_packages import load_package
from minortom.errors import InputError
from minortom.sensors import MODEL_BANDS, SensorName

_PARTITION = "default"


def open_geobench(root: Path, name: GeoBenchName) -> LabelledSet:
    """Open a set of GEO-Bench with its own split.

    Args:
        root: Folder that contains the folder of the set, which has the name of the set.
        name: Name of the set.

    Raises:
        InputError: If TerraTorch, the set or a file of it is missing, or a file is damaged.
    """
    metadata = METADATA[name]
    package = load_package("terratorch.datasets", extra="terratorch")
    dataset_class = getattr(package, metadata.dataset_class)
    label_file = getattr(dataset_class, "label_map_file", None)
    index = [f"{_PARTITION}_partition.json", *([label_file] if label_file else [])]
    check_files_exist(name, root, [f"{name}/{file}" for file in index], _how(name, metadata))
    found = {split: _open_split(dataset_class, root, split, name, metadata) for split in SPLITS}
    files = {split: [Path(path) for path in one.image_files] for split, one in found.items()}
    every = [path for split in SPLITS for path in files[split]]
    sha256 = sha256_of_set([root / name / file for file in index], every)
    sensors: tuple[SensorName, ...] = ("s2", "s1") if metadata.has_s1 else ("s2",)
    splits: dict[SplitName, LabelledSplit] = {
        split: LabelledSplit(
            images=_Reader(files=files[split], sensors=sensors, s2_scale=metadata.s2_scale),
            labels=_labels(name, metadata, found[split], files[split]),
        )
        for split in SPLITS
    }
    return LabelledSet(
        name=name, task=metadata.task, classes=_classes(name, metadata, found["train"]),
        bands={sensor: MODEL_BANDS[sensor] for sensor in sensors}, splits=splits, sha256=sha256,
        settings={
            "split_by": f"GEO-Bench v1, {_PARTITION}", "s2_unit": metadata.s2_unit,
            **({"s1_unit": "power after a refined Lee filter, in dB"} if metadata.has_s1 else {}),
        },
        licences=(f"{name}: {metadata.licence}",),
    )  # fmt: skip


def _open_split(
    dataset_class: Any,  # noqa: ANN401
    root: Path,
    split: SplitName,
    name: GeoBenchName,
    metadata: SetMetadata,
) -> Any:  # noqa: ANN401
    try:
        return dataset_class(data_root=str(root), split=split, partition=_PARTITION)
    except (OSError, ValueError) as error:  # ValueError: a partition without the split
        found = str(error).splitlines()[0]
        raise InputError(f"cannot open {root / name}: {found}; {_how(name, metadata)}") from None


def _classes(name: GeoBenchName, metadata: SetMetadata, dataset: Any) -> tuple[str, ...]:  # noqa: ANN401
    if metadata.classes is not None:
        return metadata.classes
    if name == "m-eurosat":
        return tuple(dataset.label_map)
    others = load_package("torchgeo.datasets", extra="terratorch")
    known = others.BigEarthNet.class_sets[43] if name == "m-bigearthnet" else others.So2Sat.classes
    return tuple(known)


def _labels(
    name: GeoBenchName,
    metadata: SetMetadata,
    dataset: Any,  # noqa: ANN401
    files: Sequence[Path],
) -> Labels:
    """Read the labels of a split. Labels of segmentation are bytes, to save memory."""
    try:
        if metadata.task == "segmentation":
            return np.stack([_mask(path) for path in files])
        if name == "m-bigearthnet":
            return np.array([dataset.label_map[path.stem] for path in files], np.bool_)
        if name == "m-eurosat":
            number = {label: k for k, label in enumerate(dataset.label_map)}
            classes = [number[dataset.id_to_class[path.stem]] for path in files]
        else:
            classes = [_label(path) for path in files]
    except KeyError as error:
        raise InputError(
            f"{name} needs a label for {error.args[0]}, found none; {_how(name, metadata)}"
        ) from None
    return np.array(classes, np.int64)


def _label(path: Path) -> int:
    with _hdf5(path) as file:
        return pickled_label(str(file.attrs["pickle"]), path)


def pickled_label(text: str, path: Path) -> int:
    """Return the whole number under the key `label` of a pickled dictionary.

    Args:
        text: The pickle as GEO-Bench stores it in an HDF5 file: a Python literal of bytes.
        path: The HDF5 file, for the error message.

    Raises:
        InputError: If there is not exactly one such number.
    """
    try:
        pickled = ast.literal_eval(text)
        opcodes = [(code.name, value) for code, value, _ in pickletools.genops(pickled)]
    except (ValueError, SyntaxError, TypeError, AttributeError):
        opcodes = []
    # Memo opcodes stand between a key and its value and can be ignored.
    memo = ("MEMOIZE", "BINPUT", "LONG_BINPUT", "PUT")
    opcodes = [opcode for opcode in opcodes if opcode[0] not in memo]
    found = [value for (_, key), (_, value) in pairwise(opcodes) if key == "label"]
    if len(found) != 1 or not isinstance(found[0], int):
        raise InputError(
            f"{path} must contain one label, a whole number, as in GEO-Bench v1, found another "
            "content; download the set again"
        )
    return found[0]


def _mask(path: Path) -> NDArray[np.uint8]:
    with _hdf5(path) as file:
        return np.squeeze(np.asarray(file["label"])).astype(np.uint8)


@dataclass(frozen=True, kw_only=True)
class _Reader:
    """Reader of images, with one file for each, in the units of the model."""

    files: Sequence[Path]
    sensors: tuple[SensorName, ...]
    s2_scale: float

    def __call__(self, indices: NDArray[np.int64]) -> Images:
        stacked: dict[SensorName, list[NDArray[np.float32]]] = {name: [] for name in self.sensors}
        for index in indices.tolist():
            with _hdf5(self.files[index]) as file:
                for sensor, images in stacked.items():
                    images.append(_bands(file, sensor, self.files[index]))
        found: Images = {sensor: np.stack(images) for sensor, images in stacked.items()}
        found["s2"] *= np.float32(self.s2_scale)
        if "s1" in found:
            found["s1"] = decibels(found["s1"])
        return found


def _bands(file: Any, sensor: SensorName, path: Path) -> NDArray[np.float32]:  # noqa: ANN401
    """Read the bands of a sensor, [C, H, W], as stored."""
    images = []
    for band in MODEL_BANDS[sensor]:
        keys = [key for key in file if key.startswith(BAND_NAMES[sensor][band])]
        if len(keys) != 1:
            raise InputError(
                f"{path} must have one image named {BAND_NAMES[sensor][band]!r} for {band}, found "
                f"{len(keys)}; download the set again"
            )
        images.append(np.asarray(file[keys[0]], np.float32))
    return np.stack(images)


def _hdf5(path: Path) -> Any:  # noqa: ANN401
    h5py = load_package("h5py", extra="terratorch")
    try:
        return h5py.File(path, "r")
    except OSError as error:
        raise InputError(
            f"cannot read {path} ({str(error).splitlines()[0]}); download the set again"
        ) from None


def _how(name: GeoBenchName, metadata: SetMetadata) -> str:
    return (
        f"download {metadata.benchmark}_v1.0/{name}.zip from "
        "https://huggingface.co/datasets/recursix/geo-bench-1.0 and give as --root the folder that "
        f"contains {name}"
    )
