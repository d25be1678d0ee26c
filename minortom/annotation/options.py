"""Options of ``annotate``: sources of tiles, maps, and how tiles are looked up."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from minortom.annotation.column_names import require_free_name
from minortom.annotation.modes import Modes
from minortom.archive.archive import Archive
from minortom.archive.pair_rules import PairRules
from minortom.archive.pairing import Place
from minortom.downloads.open_map import MapChoice, open_map
from minortom.errors import InputError
from minortom.grid.bbox import BBox
from minortom.grid.cell_lists import WHOLE_GRID, CellSource
from minortom.grid.regions import Region
from minortom.maps.descriptor import Descriptor
from minortom.progress import OnProgress
from minortom.remote.http import is_url


@dataclass(frozen=True, kw_only=True)
class AnnotateOptions:
    """Rules for the tiles to annotate, and the pixels that their classes come from."""

    bbox: BBox | None = None
    """Keep cells whose centre lies in this box."""
    region: Region | None = None
    """Keep cells that overlap this area."""
    rules: PairRules = field(default_factory=PairRules)
    """Which rows of the archives may be selected."""
    modes: Modes = field(default_factory=Modes)
    """Which pixels the classes come from."""
    keep_unmapped: bool = False
    """Keep tiles without a climate or land-cover class, as ``unmapped``."""

    def as_options(self, *, with_archives: bool) -> dict[str, object]:
        """Return the options that change the result, for the provenance."""
        return {
            "bbox": None if self.bbox is None else self.bbox.as_list(),
            **({} if self.region is None else self.region.as_options()),
            **self.modes.as_options(),
            "keep_unmapped": self.keep_unmapped,
            **(self.rules.as_options() if with_archives else {}),
        }

    def local_paths(self) -> list[Path]:
        """Return the files that are read."""
        return [] if self.region is None else [Path(self.region.name)]

    def places(self) -> list[Place]:
        """Return the rules about places, in the order in which they are counted."""
        rules: list[Place] = []
        if (box := self.bbox) is not None:
            rules.append(("bbox", lambda cells: box.contains(*cells.centres())))
        if self.region is not None:
            rules.append(("region", self.region.touches))
        return rules


@dataclass(frozen=True, kw_only=True)
class Sources:
    """Sources of tiles: lists of cells, two archives, or both.

    Raises:
        InputError: If neither is given, or one archive without the other.
    """

    cells: Sequence[CellSource] = ()
    """Lists as ``read_cells`` takes them."""
    s2: str | None = None
    """Archive of Sentinel-2: a folder, an HTTP address or ``hf://datasets/…``."""
    s1: str | None = None
    """Archive of Sentinel-1."""

    def __post_init__(self) -> None:
        if (self.s2 is None) != (self.s1 is None):
            missing = "--s1" if self.s1 is None else "--s2"
            raise InputError(
                f"expected the archives of both sensors, {missing} is missing; give --s2 and --s1"
            )
        if not self.cells and self.s2 is None:
            raise InputError(
                "expected tiles to annotate, found none; give a list of cells, the word grid, or "
                "the archives --s2 and --s1"
            )

    def local_paths(self) -> list[Path]:
        """Return the files and folders that are read."""
        files = [name for name in self.cells if isinstance(name, str) and name != WHOLE_GRID]
        named = [*files, self.s2, self.s1]
        return [Path(name) for name in named if name is not None and not is_url(name)]

    def open_archives(self, on_fetch: OnProgress) -> tuple[Archive, Archive] | None:
        """Open both archives, if they are given; see ``Archive.open``."""
        if self.s2 is None or self.s1 is None:
            return None
        return (
            Archive.open(self.s2, "s2", on_fetch=on_fetch),
            Archive.open(self.s1, "s1", on_fetch=on_fetch),
        )


@dataclass(frozen=True, kw_only=True)
class Maps:
    """Maps that give the classes, as the user names them.

    Raises:
        InputError: If the name of an additional map cannot be the name of a column.
    """

    climate: MapChoice
    landcover: MapChoice
    further: Mapping[str, MapChoice] = field(default_factory=dict)
    """Additional maps by the name of their column."""

    def __post_init__(self) -> None:
        for name in self.further:
            require_free_name(name, option="--descriptor")

    def local_paths(self) -> list[Path]:
        """Return the files and folders that the maps may name, and those of their legends."""
        choices = [self.climate, self.landcover, *self.further.values()]
        legends = [path for choice in choices for path in choice.legend_files()]
        return [*(Path(choice.map) for choice in choices), *legends]

    def open(self, on_fetch: OnProgress) -> dict[str, Descriptor]:
        """Open all maps, by the name of their column; see ``open_map``.

        Raises:
            InputError: If a map is unusable.
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
    """Parse ``--descriptor NAME=MAP`` and the manifests, which have the same order.

    Without manifests, NAME is also the name of the map's legend.

    Raises:
        InputError: If a text is not NAME=MAP, a name is repeated, or the number of manifests is
            neither zero nor the number of descriptors.
    """
    if manifests and len(manifests) != len(named):
        raise InputError(
            f"expected one --manifest for each --descriptor, in the same order, found "
            f"{len(manifests)} for {len(named)}"
        )
    maps: dict[str, MapChoice] = {}
    for number, text in enumerate(named):
        name, _, path = text.partition("=")
        if not (name and path) or name in maps:
            raise InputError(
                f"expected --descriptor NAME=MAP with each name once, such as "
                f"ecoregion=ecoregions.tif, found {text!r}"
            )
        maps[name] = MapChoice(map=path, manifest=manifests[number] if manifests else None)
    return maps
