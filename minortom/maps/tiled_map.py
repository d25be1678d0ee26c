"""Categorical maps in tiles of whole degrees, where a tile that does not exist has no class.

ESA WorldCover is such a map: a tile that does not exist is sea.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from minortom.engine.daemon_threads import DaemonThreads
from minortom.engine.executors import SerialExecutor, map_items
from minortom.errors import InputError
from minortom.io.provenance import sha256_of
from minortom.maps.manifests import TILE, Manifest
from minortom.maps.rasters import Raster, opened_map
from minortom.maps.tile_lattice import Lattice, TileName
from minortom.progress import OnProgress, ignore_progress
from minortom.public_urls import public_url
from minortom.remote.http import mirrored, open_session, send_request

_PARALLEL_REQUESTS = 10  # as many connections as requests keeps open
_TOLERANCE_PX = 0.01
"""Maximum distance of a tile's edges from those of its name, in pixels."""


@dataclass(frozen=True, kw_only=True)
class Tile:
    """Tile that exists."""

    name: TileName
    side_deg: int
    place: str = field(repr=False)
    """Path, or URL to read from."""
    version: str | None = None
    """Version of the file at a URL; None for a local file."""

    @property
    def edges_deg(self) -> tuple[int, int, int, int]:
        """West, south, east and north, from the name."""
        west, south = self.name.lon_deg, self.name.lat_deg
        return west, south, west + self.side_deg, south + self.side_deg

    def check(self, source: Raster) -> None:
        """Check that an open raster has the edges of this tile.

        Raises:
            InputError: If it has other edges.
        """
        expected, found = self.edges_deg, tuple(source.bounds)
        near = _TOLERANCE_PX * max(abs(source.transform.a), abs(source.transform.e))
        if not source.crs.is_geographic or any(
            abs(a - b) > near for a, b in zip(found, expected, strict=True)
        ):
            edges = ", ".join(f"{edge:g}" for edge in found)
            raise InputError(
                f"expected the edges {', '.join(map(str, expected))} degrees of the tile "
                f"{self.name} in {public_url(self.place)}, found {edges} in {source.crs}; correct "
                "the name of the file"
            )


@dataclass(frozen=True, kw_only=True, eq=False)
class TileMap:
    """Categorical map in tiles, which are opened only when needed."""

    title: str
    """Name in messages: the folder, or the URL with ``{TILE}``."""
    lattice: Lattice
    files: Mapping[TileName, Path]
    """Local tiles."""
    url: str | None = field(default=None, repr=False)
    """URL of the other tiles, with ``{TILE}``; None if all tiles are local."""
    _answers: dict[TileName, Tile | None] = field(default_factory=dict, init=False, repr=False)
    """Answers of the server, which is asked for each tile once; None if a tile does not exist."""

    @classmethod
    def of_folder(cls, folder: Path) -> "TileMap":
        """Return the map of all ``*.tif`` in a folder with the name of a tile, as in N39W075.

        Raises:
            InputError: If there are no tiles, if their names differ in more than the tile (two
                years, two versions), or if one is not on the lattice of the others.
        """
        found: dict[TileName, Path] = {}
        pattern, first = "", None
        for path in sorted(folder.glob("*.tif")):
            named = TileName.in_text(path.name)
            if named is None:
                continue
            name, (start, stop) = named
            here = path.name[:start] + TILE + path.name[stop:]
            if first is not None and here != pattern:
                raise InputError(
                    f"expected tiles of one map in {folder}, found {first.name} and {path.name}; "
                    "keep each version and year of a map in a separate folder"
                )
            pattern, first = here, first or path
            found[name] = path
        if first is None:
            raise InputError(
                "expected tiles such as ESA_WorldCover_10m_2021_v200_N39W075_Map.tif, or a single "
                f"raster file, found no tile in {folder}"
            )
        with opened_map(first) as source:
            side_deg = _whole_degrees(source, first)
        for name, path in found.items():
            if name.lat_deg % side_deg or name.lon_deg % side_deg:
                raise InputError(
                    f"expected tiles on a lattice of {side_deg} degrees such as {first.name}, "
                    f"found {path}; keep each map in a separate folder"
                )
        return cls(title=str(folder), lattice=Lattice(side_deg), files=found)

    @classmethod
    def of_manifest(
        cls, manifest: Manifest, *, folder: Path | None, absent: Iterable[TileName] = ()
    ) -> "TileMap":
        """Return the map of a manifest, with local tiles and with the other tiles over HTTP.

        Args:
            manifest: Manifest of a tiled map.
            folder: Folder that may have local tiles.
            absent: Tiles that are known not to exist, which are not requested.

        Raises:
            InputError: If the manifest is not of a tiled map.
        """
        if manifest.lattice_deg is None:
            raise InputError(
                f"expected a manifest of tiles, found {manifest.name}, which is one file"
            )
        before, _, after = manifest.file_name().partition(TILE)
        files = {}
        for path in sorted(folder.glob(f"{before}*{after}")) if folder else ():
            named = TileName.in_text(path.name[len(before) :])
            if named and path.name == f"{before}{named[0]}{after}":
                files[named[0]] = path
        lattice = Lattice(manifest.lattice_deg)
        tiles = cls(title=public_url(manifest.url), lattice=lattice, files=files, url=manifest.url)
        tiles._answers.update(dict.fromkeys(absent))
        return tiles

    def existing(
        self, names: Sequence[TileName], *, on_progress: OnProgress = ignore_progress
    ) -> list[Tile]:
        """Return the existing tiles among these; the server is asked for each tile once.

        Raises:
            RemoteError: If the server does not answer whether a tile exists.
            InputError: If none of the tiles exists.
        """
        self._ask([n for n in names if n not in self.files and n not in self._answers], on_progress)
        side_deg = self.lattice.side_deg
        tiles = [
            Tile(name=name, side_deg=side_deg, place=str(self.files[name]))
            if name in self.files
            else self._answers.get(name)
            for name in names
        ]
        present = [tile for tile in tiles if tile is not None]
        if names and not present:
            more = f" and {len(names) - 1:,} more" if len(names) > 1 else ""
            raise InputError(
                f"expected tiles of the area such as {names[0]}{more}, found none in {self.title}; "
                "check the address and the area"
            )
        return present

    def _ask(self, names: Sequence[TileName], on_progress: OnProgress) -> None:
        if self.url is None or not names:
            return
        with open_session() as session, DaemonThreads(_PARALLEL_REQUESTS) as threads:
            # The first tile alone: a server that refuses or does not respond gets no more requests.
            for some in (names[:1], names[1:]):
                for name, tile in zip(some, threads.map(self._asker(session), some), strict=True):
                    self._answers[name] = tile
                    on_progress(len(self._answers), len(names))

    def _asker(self, session: Any) -> Callable[[TileName], Tile | None]:  # noqa: ANN401  (of requests)
        assert self.url is not None
        pattern, side_deg = self.url, self.lattice.side_deg

        def ask(name: TileName) -> Tile | None:
            url = pattern.replace(TILE, str(name))
            with send_request(
                session, url, headers={"Range": "bytes=0-0"}, accepted=(200, 206, 404)
            ) as response:
                if response.status_code == 404:
                    return None
                version = _version(response.headers)
            return Tile(name=name, side_deg=side_deg, place=mirrored(url), version=version)

        return ask

    def hash(
        self,
        names: Sequence[TileName],
        *,
        executor: Executor | None = None,
        on_progress: OnProgress = ignore_progress,
    ) -> str:
        """Return the SHA-256 of lines with the name and the SHA-256 or version of each tile.

        A remote tile has a version (ETag and size from the server), since only parts of it are
        read.
        """
        tiles = self.existing(names)
        found = map_items(executor or SerialExecutor(), _hash, tiles, on_progress=on_progress)
        lines = "".join(f"{tile.name} {value}\n" for tile, value in zip(tiles, found, strict=True))
        return hashlib.sha256(lines.encode()).hexdigest()


def _hash(tile: Tile) -> str:
    return tile.version or sha256_of(Path(tile.place))


def _version(headers: Mapping[str, str]) -> str:
    whole = headers.get("Content-Range", "").rpartition("/")[2] or headers.get("Content-Length", "")
    return f"{headers.get('ETag') or headers.get('Last-Modified', '')} {whole}".strip()


def _whole_degrees(source: Raster, path: Path) -> int:
    width_deg = source.bounds.right - source.bounds.left
    side_deg: int = round(width_deg)
    if (
        not source.crs.is_geographic
        or side_deg < 1
        or 180 % side_deg
        or abs(width_deg - side_deg) > 1e-6
    ):
        raise InputError(
            "expected tiles of whole degrees that divide 180, named by their south-west corners, "
            f"found {path}, which is {width_deg:g} units of {source.crs} wide"
        )
    return side_deg
