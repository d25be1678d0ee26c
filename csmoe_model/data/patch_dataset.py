"""A map-style torch data set of the patches in shards, for training loops other than ours."""

import operator
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Dataset

from csmoe_model.data.loader import check_bands
from csmoe_model.data.normalise import Normalise
from minortom.api.arguments import flag, path_of, whole_number
from minortom.errors import InputError
from minortom.shards.sample_sequence import open as open_samples


class PatchDataset(Dataset[dict[str, Any]]):
    """The pairs of patches in a folder of shards, as dictionaries of tensors and metadata.

    Items are in stored order, which the export has shuffled. They work with
    `torch.utils.data.DataLoader`, any number of workers and its default `collate_fn`: tensors are
    stacked, numbers become tensors, text becomes a list.

    Normalised items hold what the model sees:

    - `s2`: Sentinel-2, float32 [10, size, size], bands in the order of
      `minortom.sensors.MODEL_BANDS`, all at 10 m (20 m bands by nearest neighbour), z-scored with
      the statistics of the data set's `train` split
    - `s1`: Sentinel-1, float32 [2, size, size], `vv` and `vh`, z-scored

    Items that are not normalised hold the stored values, size being the side of a patch in pixels
    of 10 m (`samples.shards.spec.patch_px`, usually 120):

    - `s2_10m`: uint16 [4, size, size]; bands B02, B03, B04, B08; reflectance × 10,000
    - `s2_20m`: uint16 [6, size / 2, size / 2]; bands B05, B06, B07, B8A, B11, B12
    - `s1`: int16 [2, size, size]; `vv` and `vh`; gamma0 in hundredths of dB

    All items hold `index`, the number of the sample in the data set, and the metadata of
    `minortom.shards.open`. Two kinds of metadata differ, so that they can be collated: times are
    text (ISO 8601, empty if unknown), and `dt_days` is NaN if unknown.

    Example:
        >>> patches = csmoe_model.PatchDataset("shards", split="train")
        >>> loader = torch.utils.data.DataLoader(patches, batch_size=64, shuffle=True)
        >>> batch = next(iter(loader))
        >>> batch["s2"].shape, batch["s1"].shape
        (torch.Size([64, 10, 120, 120]), torch.Size([64, 2, 120, 120]))
    """

    def __init__(
        self,
        folder: str | Path,
        *,
        split: str | None = None,
        normalised: bool = True,
        image_size: int | None = None,
    ) -> None:
        """Open a folder of shards.

        Args:
            folder: Folder that `minortom.export` made.
            split: `train`, `val` or `test`; samples of all splits when None.
            normalised: Whether items hold normalised images or stored values.
            image_size: Side of normalised images in pixels, resized as in training; that of a
                patch when None.

        Raises:
            ShardError: If the folder is missing, or its shards are not readable.
            InputError: If there is no such split; or if `normalised` and the shards do not have all
                bands of the model, or a band has no contrast.
        """
        self.samples = open_samples(path_of("folder", folder), split=split)
        """The samples with their stored values; `samples.shards` is the data set."""
        shards = self.samples.shards
        self._normalise: Normalise | None = None
        if flag("normalised", normalised):
            check_bands(shards)
            size = shards.spec.patch_px if image_size is None else image_size
            size = whole_number("image_size", size, minimum=1)
            self._normalise = Normalise(shards.statistics, image_size=size)
        elif image_size is not None:
            raise InputError(
                "image_size needs normalised=True: stored values are not resized; leave one out"
            )
        if len(self.samples):
            self.samples[0]  # reads the metadata once, before workers are forked

    def __len__(self) -> int:
        """Return the number of samples."""
        return len(self.samples)

    def __repr__(self) -> str:
        return f"<{len(self):,} patches of {self.samples.shards.folder}>"

    def __getitem__(self, index: int) -> dict[str, Any]:
        """Return one sample; see the class for its keys.

        Raises:
            IndexError: If the index is out of range.
            TypeError: If the index is not a whole number.
        """
        try:
            position = operator.index(index)
        except TypeError:
            raise TypeError(
                f"patches are indexed by whole numbers, found {type(index).__name__}; take several "
                "with torch.utils.data.Subset(patches, range(10))"
            ) from None
        sample = self.samples[position]
        columns = [group.column for group in self.samples.shards.spec.groups]
        stored = {column: torch.from_numpy(sample[column]) for column in columns}
        metadata = {name: value for name, value in sample.items() if name not in columns}
        number = int(self.samples.numbers[position])
        return {**self._images(stored), "index": number, **_collatable(metadata)}

    def _images(self, stored: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        if self._normalise is None:
            return stored
        images = self._normalise({column: tensor[None] for column, tensor in stored.items()})
        return {str(sensor): image_1CHW[0] for sensor, image_1CHW in images.items()}


def _collatable(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Replace times and missing values, which `default_collate` does not take."""
    values: dict[str, Any] = {}
    for name, value in metadata.items():
        if name.endswith("_timestamp"):
            values[name] = value.isoformat() if isinstance(value, datetime) else ""
        else:
            values[name] = float("nan") if value is None else value
    return values
