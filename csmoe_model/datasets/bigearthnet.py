"""BigEarthNet v2 (reBEN) in the folder layout of torchgeo: pairs of both sensors, 19 classes.

Clasen et al. 2025, https://arxiv.org/abs/2407.03653. Images are 120 × 120 pixels: Sentinel-2 as
reflectance × 10,000 without offset, Sentinel-1 in dB. Class names, folders and splits come from
torchgeo. The files are read here, band by band, because torchgeo rounds decibels to whole numbers
and resamples the 20 m bands bilinearly, whereas the paper takes the nearest pixel.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from csmoe_model.datasets.base import Images, LabelledSet, LabelledSplit, SplitName
from csmoe_model.datasets.files import check_files_exist, sha256_of_set
from csmoe_model.datasets.names import BigEarthNetName
from csmoe_model.optional_packages import load_package
from minortom.errors import InputError
from minortom.sensors import MODEL_BANDS, SensorName

ReadBand = Callable[[Path], NDArray[np.float32]]
"""Reads a GeoTIFF of one band, [H, W]."""

SIDE_PX = 120
_BLOCK_PATCHES = 10
"""Side of a group in patches, 12 km: patches so close are similar."""
_METADATA = "metadata.parquet"
_COLUMNS = ("patch_id", "labels", "split", "country", "s1_name")


@dataclass(frozen=True, kw_only=True)
class _Part:
    """Filter that selects a part of the patches, such as a data set of the paper."""

    countries: Collection[str] | None = None
    months: Collection[int] | None = None
    """Months of acquisition of the Sentinel-2 image, 1 to 12."""

    def settings(self) -> dict[str, object]:
        return {
            name: None if chosen is None else list(chosen)
            for name, chosen in (("countries", self.countries), ("months", self.months))
        }


_PARTS: Mapping[BigEarthNetName, _Part] = {
    "bigearthnet-v2": _Part(),
    "benv2-14k": _Part(countries=("Serbia",), months=(6, 7, 8)),
    "benv2-243k": _Part(months=(6, 7, 8, 9, 10, 11)),
}
"""The paper's parts: Serbia in summer (14k), and all countries in summer and autumn (243k)."""


def open_bigearthnet(root: Path, name: BigEarthNetName, read_band: ReadBand) -> LabelledSet:
    """Open BigEarthNet v2, or a part of it, with its official split.

    Args:
        root: Folder with `BigEarthNet-S2`, `BigEarthNet-S1` and `metadata.parquet`.
        name: `bigearthnet-v2` for the whole set; `benv2-14k` (Serbia, June to August) or
            `benv2-243k` (June to November) for a part that the paper uses.
        read_band: Reads one file.

    Raises:
        InputError: If torchgeo or the set is missing, or the metadata are not valid.
    """
    dataset_class = load_package("torchgeo.datasets", extra="terratorch").BigEarthNetV2
    folders: dict[SensorName, Path] = {
        sensor: root / dataset_class.dir_file_names[sensor] for sensor in ("s2", "s1")
    }
    needed = [*(folder.name for folder in folders.values()), _METADATA]
    check_files_exist("BigEarthNet v2", root, needed, _how(root))
    rows = _filter(_read_metadata(root), _PARTS[name])
    classes = tuple(dataset_class.class_set)
    splits: dict[SplitName, LabelledSplit] = {}
    for split in ("train", "val", "test"):
        members = [row for row in rows if row["split"] == dataset_class.split_map[split]]
        splits[split] = LabelledSplit(
            images=_Reader(
                s2=[_folder(folders["s2"], row["patch_id"], 2) for row in members],
                s1=[_folder(folders["s1"], row["s1_name"], 3) for row in members],
                read_band=read_band,
            ),
            labels=_labels(members, classes, root),
            groups=np.array([_block(row["patch_id"]) for row in members], np.str_),
        )  # fmt: skip
    return LabelledSet(
        name=name, task="multilabel", classes=classes, bands=MODEL_BANDS, splits=splits,
        sha256=sha256_of_set([root / _METADATA]),
        settings={
            "split_by": "reBEN", **_PARTS[name].settings(),
            "groups": f"{_BLOCK_PATCHES} × {_BLOCK_PATCHES} patches of a Sentinel-2 tile",
        },
        licences=("BigEarthNet v2: CDLA-Permissive-1.0",),
    )  # fmt: skip


def _read_metadata(root: Path) -> list[dict[str, Any]]:
    path = root / _METADATA
    try:
        rows: list[dict[str, Any]] = pq.read_table(path, columns=list(_COLUMNS)).to_pylist()
    except (OSError, pa.ArrowException) as error:
        found = str(error).splitlines()[0]
        raise InputError(
            f"{path} must be a Parquet file with the columns {', '.join(_COLUMNS)}, "
            f"found: {found}; {_how(root)}"
        ) from None
    return rows


def _filter(rows: Sequence[dict[str, Any]], part: _Part) -> list[dict[str, Any]]:
    return [
        row
        for row in rows
        if (part.countries is None or row["country"] in part.countries)
        and (part.months is None or _month(row["patch_id"]) in part.months)
    ]


def _month(patch_id: str) -> int:
    """Return the month in a name such as `S2A_MSIL2A_20170613T101031_N9999_R022_T33UUP_26_57`."""
    return int(patch_id.split("_")[2][4:6])


def _block(patch_id: str) -> str:
    """Return the name of a patch's block: tile, and column and row of the block in the tile."""
    *_, tile, column, row = patch_id.split("_")
    return f"{tile}_{int(column) // _BLOCK_PATCHES}_{int(row) // _BLOCK_PATCHES}"


def _folder(parent: Path, patch: str, num_parts: int) -> Path:
    """Return the folder of a patch, `<product>/<patch>`.

    The name of the product is that of the patch without its last `num_parts` parts.
    """
    return parent / patch.rsplit("_", num_parts)[0] / patch


def _labels(
    rows: Sequence[Mapping[str, Any]], classes: Sequence[str], root: Path
) -> NDArray[np.bool_]:
    number = {name: k for k, name in enumerate(classes)}
    labels_nK = np.zeros((len(rows), len(classes)), np.bool_)
    for one_K, row in zip(labels_nK, rows, strict=True):
        unknown = [label for label in row["labels"] if label not in number]
        if unknown:
            raise InputError(
                f"{root / _METADATA}: each label must be one of the {len(classes)} classes, found "
                f"{unknown[0]!r} for {row['patch_id']}; {_how(root)}"
            )
        one_K[[number[label] for label in row["labels"]]] = True
    return labels_nK


@dataclass(frozen=True, kw_only=True)
class _Reader:
    """Reader of image pairs, with one file for each band."""

    s2: Sequence[Path]
    s1: Sequence[Path]
    read_band: ReadBand

    def __call__(self, indices: NDArray[np.int64]) -> Images:
        folders: dict[SensorName, Sequence[Path]] = {"s2": self.s2, "s1": self.s1}
        return {
            sensor: np.stack([self._image(folders[sensor][n], bands) for n in indices.tolist()])
            for sensor, bands in MODEL_BANDS.items()
        }

    def _image(self, folder: Path, bands: Sequence[str]) -> NDArray[np.float32]:
        return np.stack([self._band(folder, band) for band in bands])

    def _band(self, folder: Path, band: str) -> NDArray[np.float32]:
        path = folder / f"{folder.name}_{band.upper()}.tif"
        pixels = self.read_band(path)
        times, rest = divmod(SIDE_PX, len(pixels))
        if rest or pixels.shape[0] != pixels.shape[1]:
            raise InputError(
                f"{path} must have {SIDE_PX} × {SIDE_PX} pixels, or a whole fraction of them, "
                f"found {pixels.shape[0]} × {pixels.shape[1]}; download the set again"
            )
        return pixels.repeat(times, axis=0).repeat(times, axis=1)


def _how(root: Path) -> str:
    return (
        'download it with `python -c "from torchgeo.datasets import BigEarthNetV2; '
        f"BigEarthNetV2('{root}', download=True)\"` or from https://bigearth.net"
    )
