"""What ``annotate`` is asked to do: which tiles, which maps, how they are looked up."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from minortom.annotation.columns import LandcoverOptions
from minortom.archive.archive import Archive
from minortom.archive.pair_rules import PairRules
from minortom.archive.pairing import Place
from minortom.downloads.open_map import MapChoice, open_map
from minortom.errors import InputError
from minortom.grid.bbox import BBox
from minortom.grid.cell_lists import WHOLE_GRID
from minortom.grid.regions import Region
from minortom.maps.descriptor import Descriptor
from minortom.progress import OnProgress
from minortom.remote.http import is_url

_TAKEN = re.compile(
    r"grid_cell|lat|lon|climate|landcover|stratum|geometry|role|kept|reserve_rank|split|dt_days"
    r"|.*_code|fraction_.*|s[12]_.*"
)
"""Columns that a further descriptor cannot be called, since another has that name or may."""


@dataclass(frozen=True, kw_only=True)
class AnnotateOptions:
    """Which tiles are wanted, and what a tile's classes are taken from."""

    bbox: BBox | None = None
    """Keep cells whose centre lies inside."""
    region: Region | None = None
    """Keep cells whose area overlaps."""
    rules: PairRules = field(default_factory=PairRules)
    """Which rows of the archives are good enough."""
    landcover: LandcoverOptions = field(default_factory=LandcoverOptions)
    keep_unmapped: bool = False
    """Keep tiles without a climate or land-cover class, as ``unmapped``."""

    def that_matter(self, of_archives: bool) -> dict[str, object]:
        """Give the options that change the result, for the provenance."""
        return {
            "bbox": None if self.bbox is None else self.bbox.as_list(),
            **self.landcover.that_matter(),
            "keep_unmapped": self.keep_unmapped,
            **(self.rules.as_options() if of_archives else {}),
        }

    def local_paths(self) -> list[Path]:
        """Give the files that are read."""
        return [] if self.region is None else [Path(self.region.name)]

    def places(self) -> list[Place]:
        """Give the rules of place, in the order in which they are counted."""
        rules: list[Place] = []
        if (box := self.bbox) is not None:
            rules.append(("bbox", lambda cells: box.contains(*cells.centres())))
        if self.region is not None:
            rules.append(("region", self.region.touches))
        return rules


@dataclass(frozen=True, kw_only=True)
class Sources:
    """What tiles are looked for in: lists of cells, two archives, or both.

    Raises:
        InputError: If there is neither, or one archive without the other.
    """

    cells: Sequence[str] = ()
    """Lists as ``cells.read_cells`` takes them."""
    s2: str | None = None
    """Archive of Sentinel-2: a folder, an HTTP address or ``hf://datasets/…``."""
    s1: str | None = None
    """Archive of Sentinel-1."""

    def __post_init__(self) -> None:
        if (self.s2 is None) != (self.s1 is None):
            lacking = "--s1" if self.s1 is None else "--s2"
            raise InputError(f"{lacking} is missing: a tile is of both sensors; give both archives")
        if not self.cells and self.s2 is None:
            raise InputError(
                "nothing says which tiles to annotate; give a list of cells, the word grid, or "
                "the archives --s2 and --s1"
            )

    def local_paths(self) -> list[Path]:
        """Give the files and folders that are read."""
        named = [*(name for name in self.cells if name != WHOLE_GRID), self.s2, self.s1]
        return [Path(name) for name in named if name is not None and not is_url(name)]

    def open_archives(self, on_fetch: OnProgress) -> tuple[Archive, Archive] | None:
        """Open both archives, where there are any; see ``Archive.open``."""
        if self.s2 is None or self.s1 is None:
            return None
        return (
            Archive.open(self.s2, "s2", on_fetch=on_fetch),
            Archive.open(self.s1, "s1", on_fetch=on_fetch),
        )


@dataclass(frozen=True, kw_only=True)
class Maps:
    """The maps that tiles are looked up in, as a user names them.

    Raises:
        InputError: If the name of a further one cannot be that of its column.
    """

    climate: MapChoice
    landcover: MapChoice
    further: Mapping[str, MapChoice] = field(default_factory=dict)
    """By the name of the column."""

    def __post_init__(self) -> None:
        for name in self.further:
            if not name.isidentifier() or _TAKEN.fullmatch(name):
                raise InputError(
                    f"a descriptor cannot be called {name!r}; wanted letters, digits and "
                    "underscores, and not the name of another column"
                )

    def local_paths(self) -> list[Path]:
        """Give the files and folders that may be meant, with the manifests."""
        choices = [self.climate, self.landcover, *self.further.values()]
        manifests = [choice.manifest for choice in choices if choice.manifest is not None]
        return [*(Path(choice.map) for choice in choices), *manifests]

    def open(self, on_fetch: OnProgress) -> dict[str, Descriptor]:
        """Open all of them, by name; see ``map_sources.find_map``.

        Raises:
            InputError: If one is not usable.
        """
        return {
            "climate": open_map(self.climate, default_legend="koppen", on_fetch=on_fetch),
            "landcover": open_map(self.landcover, default_legend="worldcover", on_fetch=on_fetch),
            **{
                name: open_map(map_, default_legend=name, on_fetch=on_fetch)
                for name, map_ in self.further.items()
            },
        }


def further_maps(named: Sequence[str], manifests: Sequence[Path]) -> dict[str, MapChoice]:
    """Read ``--descriptor NAME=MAP`` and the manifests, which come in the same order.

    Without manifests a NAME is also the name of the map's legend.

    Raises:
        InputError: If one is not NAME=MAP, a name comes twice, or there are more manifests than
            descriptors, or fewer.
    """
    if manifests and len(manifests) != len(named):
        raise InputError(
            f"{len(manifests)} --manifest for {len(named)} --descriptor; wanted one each, in the "
            "same order"
        )
    maps: dict[str, MapChoice] = {}
    for number, text in enumerate(named):
        name, _, path = text.partition("=")
        if not (name and path) or name in maps:
            raise InputError(
                f"--descriptor {text}: wanted NAME=MAP, each name once, such as "
                "ecoregion=ecoregions.tif"
            )
        maps[name] = MapChoice(map=path, manifest=manifests[number] if manifests else None)
    return maps
