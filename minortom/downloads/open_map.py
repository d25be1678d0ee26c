"""Descriptors of maps that a user names."""

import os
from dataclasses import dataclass
from pathlib import Path

from minortom.api.arguments import shown
from minortom.downloads.find_map import find_map
from minortom.errors import InputError
from minortom.maps.descriptor import Descriptor
from minortom.maps.manifests import LegendFile, find_legend, load_legend
from minortom.progress import OnProgress, ignore_progress


@dataclass(frozen=True, kw_only=True)
class MapChoice:
    """Map and the legend of its values.

    Raises:
        InputError: If ``legend`` is of another type.
    """

    map: str
    """Path of a raster, a folder of tiles or a manifest, or the name of a data set."""
    legend: str | Path | None = None
    """Name of a legend, or path of a file with one; the legend of the manifest when None."""
    manifest: Path | None = None
    """Manifest of the user's own, or a file with its legend alone, which takes precedence over
    ``legend``."""

    def __post_init__(self) -> None:
        if not (self.legend is None or isinstance(self.legend, str | Path)):
            raise InputError(
                "a legend must be the name of one, such as koppen, or the path of a file, found "
                f"{shown(self.legend)}"
            )

    def legend_files(self) -> list[Path]:
        """Return the paths that the legend and the manifest may name."""
        return [Path(name) for name in (self.legend, self.manifest) if name is not None]


def open_map(
    choice: MapChoice, *, default_legend: str, on_fetch: OnProgress = ignore_progress
) -> Descriptor:
    """Open a map with its legend as a descriptor.

    Args:
        choice: Map and legend.
        default_legend: Legend of a map that is given by a path without a legend.
        on_fetch: Called with (bytes downloaded, bytes in all) during a download.

    Raises:
        InputError: If the map or the legend does not exist, the manifest has no legend, or
            ``choice`` names another legend than the manifest.
    """
    found = find_map(choice.map, on_progress=on_fetch)
    if choice.manifest is not None:
        return Descriptor.of(found.source, load_legend(choice.manifest))
    if found.manifest is None or found.manifest_path is None:
        named = _as_text(choice.legend)
        return Descriptor.of(found.source, find_legend(named or default_legend))
    legend = found.manifest.legend
    if legend is None:
        raise InputError(
            f"{found.manifest_path} has no legend; add one that names the map's classes"
        )
    if choice.legend not in (None, legend.name):
        raise InputError(
            f"{choice.map} has the legend {legend.name}, found the legend {choice.legend}; leave "
            "the legend out"
        )
    return Descriptor.of(
        found.source,
        LegendFile(path=found.manifest_path, legend=legend, manifest=found.manifest),
    )


def _as_text(legend: str | Path | None) -> str | None:
    """Return a legend as text; a path without a folder gets one, so that it is not a name."""
    if isinstance(legend, Path) and legend.parent == Path():
        return f".{os.sep}{legend}"
    return None if legend is None else str(legend)
