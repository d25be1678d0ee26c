"""Descriptors: a categorical map and its manifest; gives the class at a point.

A map may have any size, resolution and coordinate system. The points are projected, never
the map; only the blocks that hold points are read, and each of them once.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from minortom.errors import InputError
from minortom.manifests import MAX_CODE, Legend, Manifest, find_manifest
from minortom.progress import OnProgress, ignore_progress
from minortom.rasters import opened_map, pixels_at, windows_with

COPYRIGHT_TAG = "TIFFTAG_COPYRIGHT"
OUTSIDE = -1
"""Stands for a code where a point lies outside the map."""
NO_CLASS = -2
"""Stands for a code where the map has nodata."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Descriptor:
    """A categorical map with its meaning."""

    path: Path
    legend: str
    """Name of the legend."""
    manifest: Manifest
    manifest_path: Path
    names: Mapping[int, str]
    """Code in the result -> name of the class."""
    table: NDArray[np.int16]
    """[256] value of a pixel -> code in the result, NO_CLASS where it has none."""
    known: frozenset[int]
    """Values of pixels that the legend speaks of."""

    @classmethod
    def of(cls, path: Path, *, legend: str) -> "Descriptor":
        """Join a map to the legend of this name; the map is opened when it is looked up.

        Raises:
            InputError: If the path is no file, or no legend has this name.
        """
        if not path.is_file():
            what = "is a folder" if path.is_dir() else "does not exist"
            raise InputError(f"the map {path} {what}; wanted a raster file such as a GeoTIFF")
        manifest_path, manifest = find_manifest(legend)
        assert manifest.legend is not None  # it was found by its legend
        codes, names = _final_classes(manifest.legend)
        table = np.full(MAX_CODE + 1, NO_CLASS, dtype=np.int16)
        table[list(codes)] = list(codes.values())
        return cls(
            path=path, legend=legend, manifest=manifest, manifest_path=manifest_path, names=names,
            table=table, known=frozenset((*codes, *manifest.legend.nodata)),
        )  # fmt: skip

    def credit(self) -> str:
        """Give the line about licence and attribution that a result inherits.

        A map that names its own copyright in the TIFF tag of that name is taken at its word;
        the manifest speaks for the data set that its legend comes from.
        """
        with opened_map(self.path) as source:
            own = source.tags().get(COPYRIGHT_TAG)
        return own or self.manifest.credit()

    def codes_at(
        self,
        lon_deg: NDArray[np.float64],
        lat_deg: NDArray[np.float64],
        *,
        on_progress: OnProgress = ignore_progress,
    ) -> NDArray[np.int16]:
        """Look up the pixel that holds each of [n] points (WGS 84).

        Returns:
            [n] codes as in ``names``, or OUTSIDE, or NO_CLASS.

        Raises:
            InputError: If the map cannot be read, has no coordinate system, more than one
                band or other than whole numbers, or holds values that the legend lacks.
        """
        codes = np.full(len(lon_deg), OUTSIDE, dtype=np.int16)
        unknown: set[int] = set()
        with opened_map(self.path) as source:
            points, row, col = pixels_at(source, lon_deg, lat_deg)
            done = len(codes) - len(points)
            for window, here in windows_with(source, row, col):
                block = source.read(1, window=window)
                unknown |= self._unknown(block, source.nodata)
                values = block[row[here] - window.row_off, col[here] - window.col_off]
                codes[points[here]] = self._codes(values, source.nodata)
                done += len(here)
                on_progress(done, len(codes))
        if unknown:
            raise InputError(self._about_unknown(sorted(unknown)))
        return codes

    def _codes(self, values: NDArray[Any], nodata: float | None) -> NDArray[np.int16]:
        codable = (values >= 0) & (values <= MAX_CODE)
        codes = self.table[np.where(codable, values, 0).astype(np.intp)]
        return np.where(codable & (values != nodata), codes, np.int16(NO_CLASS))

    def _unknown(self, block: NDArray[Any], nodata: float | None) -> set[int]:
        if block.dtype == np.uint8:
            values = np.flatnonzero(np.bincount(block.ravel(), minlength=1))
        else:
            values = np.unique(block)
        return {int(v) for v in values if int(v) not in self.known and v != nodata}

    def _about_unknown(self, values: list[int]) -> str:
        shown = ", ".join(map(str, values[:10])) + (", …" if len(values) > 10 else "")
        return (
            f"{self.path} holds values that the legend {self.legend} does not know: "
            f"{shown}; it knows {', '.join(map(str, sorted(self.known)))}; choose another legend "
            "or correct the map"
        )


def _final_classes(legend: Legend) -> tuple[dict[int, int], dict[int, str]]:
    """Give value -> code and code -> name, after the crosswalk where the legend has one."""
    if legend.crosswalk is None:
        return {code: code for code in legend.classes}, dict(legend.classes)
    target = find_manifest(legend.crosswalk.to)[1].legend
    assert target is not None
    codes = dict(legend.crosswalk.codes)
    strange = [code for code in codes.values() if code not in target.classes]
    if strange or target.crosswalk is not None:
        raise InputError(
            f"legend {legend.name}: its crosswalk leads to {strange or 'a further crosswalk'} in "
            f"{target.name}; wanted codes of that legend"
        )
    return codes, {code: target.classes[code] for code in sorted(set(codes.values()))}
