"""Shards as a labelled set: a class of each patch, with spatially separate splits.

Cells of different splits are more than 100 km apart, so that test cells are not neighbours of
training cells.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from csmoe_model.datasets.base import SPLITS, Images, LabelledSet, LabelledSplit, SplitName
from csmoe_model.datasets.names import SHARDS, SplitBy
from csmoe_model.datasets.patch_labels import read_patch_labels
from minortom.errors import InputError
from minortom.grid.spatial_split import SplitOptions, block_ids, split_tiles
from minortom.grid.sphere import FloatArray, chord_of_km, unit_vectors
from minortom.io.provenance import licences_in, sha256_of
from minortom.io.up_to_date import stored_licences
from minortom.sensors import BASE_RESOLUTION_M, MODEL_BANDS, S1, SensorName
from minortom.shards.layout import DATASET_FILE
from minortom.shards.shard_set import ShardSet

APART_KM = 100.0
"""Minimum distance between cells of different splits (exclusive)."""
BLOCK_KM = 400.0
"""Minimum side of a block of a split by blocks. Most of such a block is far from its edge."""
INTERVAL_KM = 100.0
"""Minimum side of the blocks of ground that intervals draw as a whole."""
MIN_BLOCKS = 10
"""With fewer blocks in a split, intervals draw cells: so few blocks show no spread."""
BLOCK_SHARES = (0.6, 0.15, 0.25)
"""Shares of `train`, `val` and `test` of a split by blocks."""
_CLASSES = ("landcover", "climate", "stratum")
"""Columns of classes of every data set."""
_NO_SPLIT = -1


@dataclass(frozen=True, kw_only=True)
class ShardLabels:
    """Options for opening shards as a labelled set."""

    label: str = "landcover"
    """Column of classes that holds the labels."""
    labels: Path | None = None
    """Table with the labels of the patches, as `minortom label` writes it, in place of a column.
    Patches without a label are left out."""
    split_by: SplitBy = "shards"
    """`shards`: the splits in the shards, without the held-out cells within 100 km of `train`. A
    model that was trained on these shards is then tested more than 100 km from its training data.
    `blocks`: a split by blocks of ground of at least 400 km that ignores the splits in the
    shards."""
    seed: int = 0
    """Random seed of the split by blocks."""


def open_shards(folder: Path, options: ShardLabels) -> LabelledSet:
    """Open shards as a labelled set.

    Raises:
        ShardError: If the shards are missing, damaged or of another version.
        InputError: If the shards have no such column of classes, a patch has no label in it, or
            the table of labels is of other shards.
    """
    data = ShardSet.open(folder)
    names = _labels_in(data, options)
    known = np.flatnonzero(names != "")
    rows = data.metadata(["grid_cell", "lat", "lon", "split"]).take(known)
    cells = rows["grid_cell"].to_numpy(zero_copy_only=False).astype(str)
    classes, labels = np.unique(names[known], return_inverse=True)
    lonlat = np.stack([rows["lon"].to_numpy(), rows["lat"].to_numpy()], axis=1)
    own = rows["split"].to_numpy(zero_copy_only=False).astype(str)
    _, first, of_cell = np.unique(cells, return_index=True, return_inverse=True)
    points = _centres_of(of_cell, lonlat)
    codes = _split_codes(points, labels[first], own[first], options)[of_cell]
    blocks_n = block_ids(points, INTERVAL_KM)[of_cell]
    _check_splits(codes, folder, options)
    splits: dict[SplitName, LabelledSplit] = {}
    for code, name in enumerate(SPLITS):
        members = np.flatnonzero(codes == code)
        splits[name] = LabelledSplit(
            images=ShardImages(data, known[members]), labels=labels[members].astype(np.int64),
            groups=cells[members], blocks=_blocks_to_draw(blocks_n[members]),
        )  # fmt: skip
    has_blocks = splits["test"].blocks is not None
    blocks = {"block_km": BLOCK_KM, "block_shares": list(BLOCK_SHARES), "split_seed": options.seed}
    return LabelledSet(
        name=SHARDS, task="multiclass", classes=tuple(classes.tolist()),
        bands=shard_bands(data), splits=splits, sha256=_hash_of(folder, options.labels),
        settings={
            **_label_settings(options, len(names) - len(known)),
            "split_by": options.split_by, "apart_km": APART_KM,
            **(blocks if options.split_by == "blocks" else {}),
            **({"interval_km": INTERVAL_KM} if has_blocks else {}),
            "left_out": int((codes == _NO_SPLIT).sum()),
        },
        licences=_licences_of(data, options.labels),
    )  # fmt: skip


def _labels_in(data: ShardSet, options: ShardLabels) -> NDArray[np.str_]:
    """Return the label of each patch [n]; empty only where the table of labels has none."""
    if options.labels is not None:
        return read_patch_labels(options.labels, data)
    _check_label(options.label, data)
    rows = data.metadata(["grid_cell", options.label])
    names: NDArray[np.str_] = rows[options.label].to_numpy(zero_copy_only=False).astype(str)
    unlabelled = np.flatnonzero(rows[options.label].is_null().to_numpy() | (names == ""))
    if len(unlabelled):
        cell = rows["grid_cell"][int(unlabelled[0])].as_py()
        raise InputError(
            f"all patches of {data.folder} need a label in the column {options.label}, found "
            f"{len(unlabelled):,} without one, the first in cell {cell}; annotate the tiles "
            "with it before the export"
        )
    return names


def _hash_of(folder: Path, labels: Path | None) -> str:
    """Return the hash of the shards, and of the table of labels where there is one."""
    shards = sha256_of(folder / DATASET_FILE)
    if labels is None:
        return shards
    return hashlib.sha256(f"{shards} {sha256_of(labels)}".encode()).hexdigest()


def _licences_of(data: ShardSet, labels: Path | None) -> tuple[str, ...]:
    """Return the licences of the shards, and of the map that a table of labels was made from."""
    more = () if labels is None else stored_licences(labels)
    return tuple(dict.fromkeys((*licences_in(data.provenance), *more)))


def _label_settings(options: ShardLabels, unlabelled: int) -> dict[str, object]:
    """Return how patches are labelled, for the record of a result."""
    if options.labels is None:
        return {"label": options.label}
    return {"labels_sha256": sha256_of(options.labels), "unlabelled": unlabelled}


def _check_label(label: str, data: ShardSet) -> None:
    """Check that the labels are a column of classes: one of every data set, or a further one."""
    further = [column.name for column in data.spec.further if column.type_name == "string"]
    if label not in (*_CLASSES, *further):
        raise InputError(
            f"label must be one of {', '.join([*_CLASSES, *further])} (the classes of "
            f"{data.folder}), found {label!r}; export other columns with --columns"
        )


def _centres_of(of_cell: NDArray[np.intp], lonlat_deg: NDArray[np.float64]) -> FloatArray:
    """Return the centre of the patches of each cell as unit vectors [C, 3]."""
    patches = unit_vectors(lonlat_deg[:, 0], lonlat_deg[:, 1])
    sums = [np.bincount(of_cell, patches[:, axis]).astype(np.float64) for axis in range(3)]
    points = np.stack(sums, axis=1)
    centres: FloatArray = points / np.linalg.norm(points, axis=1, keepdims=True)
    return centres


def _blocks_to_draw(block_n: NDArray[np.int64]) -> NDArray[np.str_] | None:
    """Return the names of blocks [n]; None if they are too few for intervals."""
    if len(np.unique(block_n)) < MIN_BLOCKS:
        return None
    return np.array([f"block {block}" for block in block_n.tolist()])


def _split_codes(
    points: FloatArray,
    labels: NDArray[np.int64],
    own: NDArray[np.str_],
    options: ShardLabels,
) -> NDArray[np.int8]:
    """Return the split of each cell [C], as an index into `SPLITS` or `_NO_SPLIT`."""
    if options.split_by == "blocks":
        blocks = SplitOptions(shares=BLOCK_SHARES, block_km=BLOCK_KM, buffer_km=APART_KM)
        return split_tiles(points, labels.astype(np.int64), blocks, seed=options.seed)
    split = np.array([SPLITS.index(name) if name in SPLITS else _NO_SPLIT for name in own])
    # Held-out cells near `train` are dropped, and cells of `val` near `test`.
    for dropped, kept in ((2, 0), (1, 0), (1, 2)):
        members = np.flatnonzero(split == dropped)
        others = points[split == kept]
        if len(members) and len(others):
            distance, _ = cKDTree(others).query(points[members])
            split[members[distance <= chord_of_km(APART_KM)]] = _NO_SPLIT
    return split.astype(np.int8)


def _check_splits(codes: NDArray[np.int8], folder: Path, options: ShardLabels) -> None:
    empty = [name for code, name in enumerate(SPLITS) if not (codes == code).any()]
    if empty:
        advice = (
            "give --split-by blocks, or select tiles with `minortom sample --split`"
            if options.split_by == "shards"
            else "give shards of a larger region"
        )
        raise InputError(
            f"{folder} needs patches for each split more than {APART_KM:g} km from the cells of "
            f"the other splits, found none for {', '.join(empty)}; {advice}"
        )


def shard_bands(data: ShardSet) -> dict[SensorName, tuple[str, ...]]:
    """Return the bands of the images of shards, by sensor."""
    stored = {band for group in data.spec.groups for band in group.bands}
    bands: dict[SensorName, tuple[str, ...]] = {
        sensor: tuple(band for band in names if band in stored)
        for sensor, names in MODEL_BANDS.items()
    }
    return {sensor: names for sensor, names in bands.items() if names}


@dataclass(frozen=True)
class ShardImages:
    """Reader of patches as images, with all bands at 10 m and in physical units."""

    data: ShardSet
    members: NDArray[np.int64]
    """Index in the shards of each sample."""

    def __call__(self, indices: NDArray[np.int64]) -> Images:
        """Read some samples, by their numbers from 0."""
        buffers = self.data.buffers(len(indices))
        for row, index in enumerate(indices.tolist()):
            self.data.read_into(int(self.members[index]), buffers, row)
        return {
            sensor: self._image(sensor, bands, buffers)
            for sensor, bands in shard_bands(self.data).items()
        }

    def _image(
        self, sensor: SensorName, bands: Sequence[str], buffers: Mapping[str, NDArray[np.generic]]
    ) -> NDArray[np.float32]:
        found: dict[str, NDArray[np.float32]] = {}
        for group in self.data.spec.groups:
            if group.sensor != sensor:
                continue
            value_BCHW = buffers[group.column].astype(np.float32)
            if sensor == "s1":
                value_BCHW *= np.float32(S1.scale)
            times = group.resolution_m // BASE_RESOLUTION_M
            if times > 1:
                value_BCHW = value_BCHW.repeat(times, axis=2).repeat(times, axis=3)
            found |= {band: value_BCHW[:, n] for n, band in enumerate(group.bands)}
        return np.stack([found[band] for band in bands], axis=1)
