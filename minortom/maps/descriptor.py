"""Descriptors: a categorical map and its manifest; gives the classes at points and in cells.

A map may have any size, resolution and coordinate system, and may lie in tiles. The points are
projected, never the map; only the blocks that hold points are read, and each of them once.
"""

import hashlib
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
from minortom.maps.manifests import Manifest
from minortom.maps.point_lookup import codes_in_map, codes_in_tiles
from minortom.maps.rasters import opened_map
from minortom.maps.tiled_map import TileMap
from minortom.progress import OnProgress, ignore_progress

COPYRIGHT_TAG = "TIFFTAG_COPYRIGHT"


@dataclass(frozen=True, kw_only=True, eq=False)
class Descriptor:
    """A categorical map with its meaning."""

    source: Path | TileMap
    """A raster file, or tiles."""
    manifest: Manifest
    manifest_path: Path
    classes: ClassTable

    @classmethod
    def of(cls, source: Path | TileMap, *, manifest: Manifest, manifest_path: Path) -> "Descriptor":
        """Join a map to what is known about it; the map is opened when it is looked up.

        Raises:
            InputError: If the path is no file, or the manifest has no legend.
        """
        if isinstance(source, Path) and not source.is_file():
            what = "is a folder" if source.is_dir() else "does not exist"
            raise InputError(f"the map {source} {what}; wanted a raster file such as a GeoTIFF")
        if manifest.legend is None:
            raise InputError(f"{manifest_path} has no legend; a map of classes needs one")
        classes = ClassTable.of(manifest.legend)
        return cls(source=source, manifest=manifest, manifest_path=manifest_path, classes=classes)

    @property
    def legend(self) -> str:
        """Name of the legend."""
        return self.classes.legend

    @property
    def names(self) -> dict[int, str]:
        """Code in a result -> name of the class."""
        return dict(self.classes.names)

    def credit(self) -> str:
        """Give the line about licence and attribution that a result inherits.

        A map that names its own copyright in the TIFF tag of that name is taken at its word;
        the manifest speaks for the data set that its legend comes from.
        """
        tiles = self.source.files.values() if isinstance(self.source, TileMap) else [self.source]
        for path in tiles:
            with opened_map(path) as raster:
                return raster.tags().get(COPYRIGHT_TAG) or self.manifest.credit()
        return self.manifest.credit()

    def hash_for(
        self,
        cells: Cells,
        *,
        executor: Executor | None = None,
        on_progress: OnProgress = ignore_progress,
    ) -> str:
        """Hash what a result about these cells depends on: SHA-256 in hexadecimal digits.

        Of a raster file its own hash; of one in several files (a virtual raster, overviews
        beside it) that of all of them; of tiles that of the tiles which the cells touch (see
        ``TileMap.hash``).

        Raises:
            InputError: If a file cannot be read, or there is no tile.
            RemoteError: If a server does not say whether it has a tile.
        """
        if isinstance(self.source, TileMap):
            names = self.source.lattice.touched_by(cells)
            return self.source.hash(names, executor=executor, on_progress=on_progress)
        with opened_map(self.source) as raster:
            # Beside it lie overviews (.ovr), and statistics (.aux.xml), which change nothing.
            files = [Path(name) for name in raster.files if not name.endswith(".aux.xml")]
        if len(files) == 1:
            return sha256_of(self.source)
        lines = "".join(f"{file.name} {sha256_of(file)}\n" for file in files if file.is_file())
        return hashlib.sha256(lines.encode()).hexdigest()

    def codes_at(
        self,
        lon_deg: NDArray[np.float64],
        lat_deg: NDArray[np.float64],
        *,
        executor: Executor | None = None,
        on_progress: OnProgress = ignore_progress,
    ) -> NDArray[np.int16]:
        """Look up the pixel that holds each of [n] points (WGS 84).

        Args:
            lon_deg: [n] longitudes.
            lat_deg: [n] latitudes.
            executor: Where tiles are read; here when None. A single file is read here.
            on_progress: Called with (points looked up, points in all).

        Returns:
            [n] codes as in ``names``, or OUTSIDE, or NO_CLASS. A tile that does not exist has
            no class.

        Raises:
            InputError: If the map cannot be read, has no coordinate system, more than one
                band or other than whole numbers, or holds values that the legend lacks; if no
                tile exists, or one lies elsewhere than its name says.
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

        A pixel belongs to the cell that holds its centre, and to no other; the map is read
        once, at its coarsest overview whose pixels are not larger than ``resolution_m``.

        Args:
            cells: The cells, in any order.
            resolution_m: Size of a pixel that is fine enough, on the ground. A map that is
                coarser is read as it is.
            executor: Where the map is read; here when None.
            on_progress: Called with (parts of the map read, parts in all).

        Raises:
            InputError: As ``codes_at``; and if the map is not in degrees of WGS 84, or too
                coarse (see :mod:`minortom.maps.overviews`).
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
