"""Descriptors: categorical maps with their legends, which give classes at points and in cells.

A map may have any size, resolution and coordinate system, and may consist of tiles. Points are
projected, never the map. Only blocks that contain points are read, each block once.
"""

import hashlib
import re
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from minortom.engine.executors import SerialExecutor
from minortom.errors import InputError
from minortom.grid.cells import Cells
from minortom.io.provenance import sha256_of
from minortom.maps.class_counts import ClassCounts, count_in_map, count_in_tiles
from minortom.maps.class_table import ClassTable
from minortom.maps.manifests import LegendFile, Manifest
from minortom.maps.point_lookup import codes_in_map, codes_in_tiles
from minortom.maps.rasters import opened_map
from minortom.maps.tiled_map import TileMap
from minortom.progress import OnProgress, ignore_progress

COPYRIGHT_TAG = "TIFFTAG_COPYRIGHT"
_MEANING = re.compile(rb"<(SRS|GeoTransform|GCPList|NoDataValue|ColorInterp)\b|NODATA_VALUES")
"""Entries of an .aux.xml that change the position or the mask of a raster."""
_NUMBERS = re.compile(rb"<(Scale|Offset|UnitType|Description)\b")
"""Entries of an .aux.xml that change the numbers of a band, their unit or their name."""


def hash_of_raster(path: Path, *, of_numbers: bool = False) -> str:
    """Return the SHA-256 (hexadecimal) of a raster file and of the files that it consists of.

    Args:
        path: Raster file.
        of_numbers: Whether the raster has numbers with a scale, an offset, a unit and a name. The
            pixels of classes are used as they are stored.

    Raises:
        InputError: If a file cannot be read.
    """
    with opened_map(path) as raster:
        # External overviews (.ovr) and masks (.msk) count.
        files = [Path(name) for name in raster.files if _changes_results(Path(name), of_numbers)]
    if len(files) == 1:
        return sha256_of(path)
    lines = "".join(f"{file.name} {sha256_of(file)}\n" for file in files if file.is_file())
    return hashlib.sha256(lines.encode()).hexdigest()


@dataclass(frozen=True, kw_only=True, eq=False)
class Descriptor:
    """Categorical map with its legend."""

    source: Path | TileMap
    """Raster file, or tiles."""
    classes: ClassTable
    legend_path: Path
    """File with the legend."""
    manifest: Manifest | None
    """Manifest of the data set of the legend; None if only the legend is known."""

    @classmethod
    def of(cls, source: Path | TileMap, legend: LegendFile) -> "Descriptor":
        """Combine a map with its legend; the map is opened at the first look-up.

        Raises:
            InputError: If the path is not a file, or the crosswalk of the legend has codes that
                the other legend does not have.
        """
        if isinstance(source, Path) and not source.is_file():
            what = "is a folder" if source.is_dir() else "does not exist"
            raise InputError(f"the map {source} {what}; expected a raster file such as a GeoTIFF")
        return cls(
            source=source, classes=ClassTable.of(legend.legend), legend_path=legend.path,
            manifest=legend.manifest,
        )  # fmt: skip

    @property
    def legend(self) -> str:
        """Name of the legend."""
        return self.classes.legend

    @property
    def names(self) -> dict[int, str]:
        """Name of each class, by its code in the result."""
        return dict(self.classes.names)

    @property
    def colours(self) -> dict[str, str]:
        """Colours of classes as ``#rrggbb``, by their names; empty if the legend has none."""
        return {self.classes.names[code]: colour for code, colour in self.classes.colours.items()}

    def credit(self) -> str:
        """Return the line about licence and attribution that a result inherits.

        The copyright TIFF tag of the map comes first. Without it, the line is that of the manifest,
        which describes the data set of the legend.
        """
        tiles = self.source.files.values() if isinstance(self.source, TileMap) else [self.source]
        for path in tiles:
            with opened_map(path) as raster:
                tag: str | None = raster.tags().get(COPYRIGHT_TAG)
                return tag or self._credit_of_manifest()
        return self._credit_of_manifest()

    def citation(self) -> str | None:
        """Return the citation of the data set; None if the map itself states another origin."""
        if self.manifest is None or self.credit() != self.manifest.credit():
            return None
        return self.manifest.citation

    def _credit_of_manifest(self) -> str:
        if self.manifest is not None:
            return self.manifest.credit()
        return f"{self.legend}: a map with a legend of the user's own, whose licence is not stated"

    def hash_for(
        self,
        cells: Cells,
        *,
        executor: Executor | None = None,
        on_progress: OnProgress = ignore_progress,
    ) -> str:
        """Return the SHA-256 (hexadecimal) of the data that a result about these cells depends on.

        For a raster in one file this is the hash of the file. For a raster in several files, such
        as a virtual raster or one with external overviews, it covers all files. For tiles it
        covers the tiles that the cells touch (see ``TileMap.hash``).

        Raises:
            InputError: If a file cannot be read, or no tile exists.
            RemoteError: If a server does not answer whether it has a tile.
        """
        if isinstance(self.source, TileMap):
            names = self.source.lattice.touched_by(cells)
            return self.source.hash(names, executor=executor, on_progress=on_progress)
        return hash_of_raster(self.source)

    def codes_at(
        self,
        lon_deg: NDArray[np.float64],
        lat_deg: NDArray[np.float64],
        *,
        executor: Executor | None = None,
        on_progress: OnProgress = ignore_progress,
    ) -> NDArray[np.int16]:
        """Return the class of the pixel at each of [n] points (WGS 84).

        Args:
            lon_deg: [n] longitudes.
            lat_deg: [n] latitudes.
            executor: Where tiles are read; this process when None. A single file is always read
                in this process.
            on_progress: Called with (points looked up, points in all).

        Returns:
            [n] codes as in ``names``, or OUTSIDE, or NO_CLASS. A tile that does not exist has
            no class.

        Raises:
            InputError: If the map cannot be read, has no coordinate system, more than one
                band or other values than whole numbers, or values that are not in the legend; if
                no tile exists, or a tile has other edges than its name says.
            RemoteError: If a tile behind a URL cannot be read.
        """
        if isinstance(self.source, TileMap):
            return codes_in_tiles(
                self.source, self.classes, lon_deg, lat_deg, executor=executor or SerialExecutor(),
                on_progress=on_progress,
            )  # fmt: skip
        return codes_in_map(self.source, self.classes, lon_deg, lat_deg, on_progress=on_progress)

    def counts_in(
        self,
        cells: Cells,
        *,
        resolution_m: float,
        executor: Executor | None = None,
        on_progress: OnProgress = ignore_progress,
    ) -> ClassCounts:
        """Count the pixels of each class in each of [n] cells.

        A pixel belongs only to the cell that contains its centre. The map is read once, at its
        coarsest overview whose pixels are at most ``resolution_m`` wide and high.

        Args:
            cells: Cells in any order.
            resolution_m: Largest pixel to count, on the ground, in metres. A coarser map is read
                at its full resolution.
            executor: Where the map is read; this process when None.
            on_progress: Called with (parts of the map read, parts in all).

        Raises:
            InputError: As ``codes_at`` does; also if the map is too coarse (see
                :mod:`minortom.maps.overviews`).
            RemoteError: If a tile behind a URL cannot be read.
        """
        where = executor or SerialExecutor()
        if isinstance(self.source, TileMap):
            return count_in_tiles(
                self.source, self.classes, cells, resolution_m=resolution_m, executor=where,
                on_progress=on_progress,
            )  # fmt: skip
        return count_in_map(
            self.source, self.classes, cells, resolution_m=resolution_m, executor=where,
            on_progress=on_progress,
        )  # fmt: skip


def _changes_results(file: Path, of_numbers: bool) -> bool:
    """Return whether a file of a raster matters; statistics beside it (.aux.xml) do not."""
    if not file.name.endswith(".aux.xml"):
        return True
    if not file.is_file():
        return False
    entries = file.read_bytes()
    return bool(_MEANING.search(entries) or (of_numbers and _NUMBERS.search(entries)))
