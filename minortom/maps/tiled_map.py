"""A categorical map in many rasters: tiles of whole degrees, where a missing one has no class.

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
from minortom.remote.http import mirrored, open_session, public_url, send_request

_ASKED_AT_ONCE = 10  # as many connections as requests keeps open
_WITHIN_PX = 0.01
"""How far a tile may lie from where its name says, in pixels."""


@dataclass(frozen=True, kw_only=True)
class Tile:
    """A tile that exists."""

    name: TileName
    side_deg: int
    place: str
    """A file, or the URL to ask."""
    version: str | None = None
    """What tells this file from another at the same URL; None of a local file."""

    @property
    def edges_deg(self) -> tuple[int, int, int, int]:
        """West, south, east and north, as the name says."""
        west, south = self.name.lon_deg, self.name.lat_deg
        return west, south, west + self.side_deg, south + self.side_deg

    def check(self, source: Raster) -> None:
        """Hold an open raster to the name of the tile.

        Raises:
            InputError: If it lies elsewhere than its name says.
        """
        wanted, found = self.edges_deg, tuple(source.bounds)
        near = _WITHIN_PX * max(abs(source.transform.a), abs(source.transform.e))
        if not source.crs.is_geographic or any(
            abs(a - b) > near for a, b in zip(found, wanted, strict=True)
        ):
            edges = ", ".join(f"{edge:g}" for edge in found)
            raise InputError(
                f"{public_url(self.place)} is called {self.name}, but its edges are {edges} in "
                f"{source.crs}; wanted {', '.join(map(str, wanted))} degrees: give it its own name"
            )


@dataclass(frozen=True, kw_only=True, eq=False)
class TileMap:
    """A categorical map whose tiles are opened only where they are needed."""

    title: str
    """What messages call it: the folder, or the URL with ``{TILE}`` for a tile's name."""
    lattice: Lattice
    files: Mapping[TileName, Path]
    """Tiles on this machine."""
    url: str | None = None
    """Where the other tiles are, with ``{TILE}``; None where there are no others."""
    _asked: dict[TileName, Tile | None] = field(default_factory=dict, init=False, repr=False)
    """What the server said: a tile is asked for once."""

    @classmethod
    def of_folder(cls, folder: Path) -> "TileMap":
        """Take all ``*.tif`` of a folder whose names hold a tile's, as in N39W075.

        Raises:
            InputError: If there are none; if their names differ in more than the tile's (two
                years, two versions); or if one has no place on the lattice of the others.
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
                    f"{folder} holds tiles of two maps, {first.name} and {path.name}; keep the "
                    "versions and years of a map in folders of their own"
                )
            pattern, first = here, first or path
            found[name] = path
        if first is None:
            raise InputError(
                f"{folder} holds no tile of a map; wanted files such as "
                "ESA_WorldCover_10m_2021_v200_N39W075_Map.tif, or a single raster file"
            )
        with opened_map(first) as source:
            side_deg = _whole_degrees(source, first)
        for name, path in found.items():
            if name.lat_deg % side_deg or name.lon_deg % side_deg:
                raise InputError(
                    f"{path} has no place among tiles of {side_deg} degrees such as {first.name}; "
                    "keep maps in folders of their own"
                )
        return cls(title=str(folder), lattice=Lattice(side_deg), files=found)

    @classmethod
    def of_manifest(
        cls, manifest: Manifest, *, folder: Path | None, absent: Iterable[TileName] = ()
    ) -> "TileMap":
        """Take the tiles of a manifest: from ``folder`` those that are there, else over HTTP.

        Args:
            manifest: Of a tiled map.
            folder: Where tiles may lie already.
            absent: Tiles that are known not to exist: they are not asked for.

        Raises:
            InputError: If the manifest is not of a tiled map.
        """
        if manifest.lattice_deg is None:
            raise InputError(f"the manifest {manifest.name} is of one file, not of tiles")
        before, _, after = manifest.file_name().partition(TILE)
        files = {}
        for path in sorted(folder.glob(f"{before}*{after}")) if folder else ():
            named = TileName.in_text(path.name[len(before) :])
            if named and path.name == f"{before}{named[0]}{after}":
                files[named[0]] = path
        lattice = Lattice(manifest.lattice_deg)
        tiles = cls(title=public_url(manifest.url), lattice=lattice, files=files, url=manifest.url)
        tiles._asked.update(dict.fromkeys(absent))
        return tiles

    def existing(
        self, names: Sequence[TileName], *, on_progress: OnProgress = ignore_progress
    ) -> list[Tile]:
        """Find out which of these tiles there are; the server is asked for each once.

        Raises:
            RemoteError: If a tile can neither be had nor is surely missing.
            InputError: If there is none of them, which hardly is what was meant.
        """
        self._ask([n for n in names if n not in self.files and n not in self._asked], on_progress)
        side_deg = self.lattice.side_deg
        tiles = [
            Tile(name=name, side_deg=side_deg, place=str(self.files[name]))
            if name in self.files
            else self._asked.get(name)
            for name in names
        ]
        present = [tile for tile in tiles if tile is not None]
        if names and not present:
            more = f" and {len(names) - 1:,} more" if len(names) > 1 else ""
            raise InputError(
                f"{self.title} has no tile of the area: none is called {names[0]}{more}; "
                "check the address and the area"
            )
        return present

    def _ask(self, names: Sequence[TileName], on_progress: OnProgress) -> None:
        if self.url is None or not names:
            return
        with open_session() as session, DaemonThreads(_ASKED_AT_ONCE) as threads:
            # The first alone: a server that refuses or is not there is asked no further.
            for some in (names[:1], names[1:]):
                for name, tile in zip(some, threads.map(self._asker(session), some), strict=True):
                    self._asked[name] = tile
                    on_progress(len(self._asked), len(names))

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
        """Hash these tiles: the SHA-256 of lines with a tile and its SHA-256, or its version.

        A tile on a server has the version that the server tells of (ETag and size), since
        nothing but what is needed of it is read.
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
            f"{path} is {width_deg:g} units of {source.crs} wide; wanted tiles of whole degrees "
            "that divide 180, named by their south-west corners"
        )
    return side_deg
