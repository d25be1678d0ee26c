"""Samples of a data set as a Python sequence: a dictionary of arrays and metadata for each."""

import operator
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any, overload

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from minortom.api.arguments import path_of, shown
from minortom.errors import InputError
from minortom.shards.shard_set import ShardSet

Sample = dict[str, Any]
"""One sample, by name; see `SampleSequence`."""


class SampleSequence:
    """The samples of a data set of shards, or of one split, in stored order.

    It has a length, takes numbers (negative ones count from the end) and slices (which are
    sequences again, without a copy), and can be iterated any number of times. It can be pickled;
    the copy opens the folder again, so that each worker of a ``DataLoader`` has its own file
    handles. Threads may share one.

    A sample is a dictionary. Its tensors are new arrays [band, row from north, column from west] of
    the stored dtype, which nobody else uses:

    ========== ======== ============================================= =========================
    key        dtype    bands (where the export stored all)           times this: unit
    ========== ======== ============================================= =========================
    s2_10m     uint16   B02, B03, B04, B08 at 10 m                    1e-4: surface reflectance
    s2_20m     uint16   B05, B06, B07, B8A, B11, B12 at 20 m          1e-4: surface reflectance
    s1         int16    vv, vh at 10 m                                0.01: dB (gamma0)
    ========== ======== ============================================= =========================

    No valid Sentinel-2 pixel is 0 and no valid Sentinel-1 pixel is -32768.
    ``shards.spec.groups`` lists the bands that are stored. The metadata are Python values:

    - ``grid_cell``: the Major TOM cell, such as ``"922D_249L"``.
    - ``patch_row``, ``patch_col``: place of the patch in its tile, from the north-west, from 0.
    - ``s2_product_id``, ``s1_product_id``: the products that the patches are cut from.
    - ``s2_timestamp``, ``s1_timestamp``: their acquisition as ``datetime`` in UTC, or None.
    - ``dt_days``: time of Sentinel-1 minus time of Sentinel-2, in days, or None.
    - ``s2_offset``: the number that the export subtracted from the archive's Sentinel-2 values.
    - ``s2_invalid``, ``s1_invalid``: share of the sensor's values, 0 to 1, that were not measured
      and are filled.
    - ``epsg``, ``ulx_m``, ``uly_m``: projection, and north-west corner of the patch in metres.
    - ``lat``, ``lon``: centre of the patch in degrees.
    - ``climate``, ``landcover``, ``stratum``: classes of the tile.
    - ``split``: ``"train"``, ``"val"`` or ``"test"``.
    - Further columns of the export (``--columns``): text, whole numbers, or numbers that are None
      where unknown.
    """

    def __init__(self, shards: ShardSet, numbers: NDArray[np.int64]) -> None:
        """Take samples of an opened data set; `open` does both.

        Args:
            shards: The data set.
            numbers: Numbers of the samples in the data set [sample], in the order wanted.
        """
        self.shards = shards
        """The data set: its ``folder``, ``spec``, ``statistics`` and ``provenance``."""
        self.numbers = numbers
        """Numbers of the samples in the data set [sample], as ``shards.metadata`` has its rows."""

    def __len__(self) -> int:
        return len(self.numbers)

    @overload
    def __getitem__(self, index: int) -> Sample: ...
    @overload
    def __getitem__(self, index: slice) -> "SampleSequence": ...
    def __getitem__(self, index: int | slice) -> "Sample | SampleSequence":
        if isinstance(index, slice):
            return SampleSequence(self.shards, self.numbers[index])
        try:
            position = operator.index(index)
        except TypeError:
            raise TypeError(
                f"samples are indexed by whole numbers or slices, found {type(index).__name__}"
            ) from None
        if not -len(self) <= position < len(self):
            raise IndexError(f"sample {position} is out of range: there are {len(self)} samples")
        number = int(self.numbers[position])
        return {**self.shards.reader.read(number), **self._metadata.row(number)}

    def __iter__(self) -> Iterator[Sample]:
        return (self[position] for position in range(len(self)))

    def __repr__(self) -> str:
        return f"<{len(self):,} samples of {self.shards.folder}>"

    def __reduce__(self) -> tuple[object, ...]:
        return SampleSequence, (self.shards, self.numbers)

    @cached_property
    def _metadata(self) -> "_Metadata":
        return _Metadata(self.shards)


class _Metadata:
    """Metadata of all samples in memory, to be read one row at a time."""

    def __init__(self, shards: ShardSet) -> None:
        schema = shards.spec.metadata_schema
        table, self._names = shards.metadata(schema.names), schema.names
        self._numbers: dict[str, NDArray[Any]] = {}
        # Text, times and what may be null are the same in the rows of a tile: each value once, and
        # its number by row. That takes a tenth of the memory, and reading a row a tenth of the
        # time, that a table of pyarrow does.
        self._values: dict[str, tuple[list[Any], NDArray[np.int32]]] = {}
        for kind in schema:
            if kind.nullable or kind.type == pa.string():
                column = table[kind.name].combine_chunks().dictionary_encode("encode")
                codes = column.indices.to_numpy(zero_copy_only=False)
                self._values[kind.name] = column.dictionary.to_pylist(), codes
            else:
                self._numbers[kind.name] = table[kind.name].to_numpy()

    def row(self, number: int) -> dict[str, Any]:
        return {
            name: self._numbers[name].item(number)
            if name in self._numbers
            else self._values[name][0][self._values[name][1][number]]
            for name in self._names
        }


def open(folder: str | Path, split: str | None = None) -> SampleSequence:  # noqa: A001
    """Open a folder of shards as a sequence of samples.

    The tensors of a sample are read when it is indexed, by byte offset; the metadata of all samples
    are read at the first index and kept in memory (about 100 bytes a sample).

    Example:
        >>> samples = minortom.shards.open("shards", split="train")
        >>> len(samples)
        12288
        >>> sample = samples[0]
        >>> sample["s2_10m"].shape, sample["stratum"]
        ((4, 120, 120), 'Cfb/tree_cover')

    Args:
        folder: Folder that `minortom.export` made. Shards may be plain or compressed (codec
            ``blosc2``); those that another tool rewrote as Parquet are read too, more slowly.
        split: ``train``, ``val`` or ``test``; samples of all splits when None.

    Returns:
        The samples, in stored order, which export has shuffled.

    Raises:
        ShardError: If the folder is missing or empty, the shards are tars or of another schema
            version, or one is missing or damaged.
        InputError: If the data set has no such split, or the package of its codec is missing.
    """
    shards = ShardSet.open(path_of("folder", folder))
    if split is None:
        return SampleSequence(shards, np.arange(len(shards), dtype=np.int64))
    splits = shards.metadata(["split"])["split"]
    known = sorted(splits.unique().to_pylist())
    numbers = np.flatnonzero(splits.to_numpy() == split) if isinstance(split, str) else ()
    if not len(numbers):
        found = ", ".join(known)
        raise InputError(
            f"split must be one of {found} (the splits of {folder}), found {shown(split)}; leave "
            "it out for all samples"
        )
    return SampleSequence(shards, numbers)
