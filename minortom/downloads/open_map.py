"""Descriptors of maps that a user names."""

from dataclasses import dataclass
from pathlib import Path

from minortom.api.arguments import shown
from minortom.downloads.find_map import find_map
from minortom.errors import InputError
from minortom.maps.descriptor import Descriptor
from minortom.maps.manifests import find_manifest, load_manifest
from minortom.progress import OnProgress, ignore_progress


@dataclass(frozen=True, kw_only=True)
class MapChoice:
    """Map and the legend of its values.

    Raises:
        InputError: If ``legend`` is of another type.
    """

    map: str
    """Path of a raster, a folder of tiles or a manifest, or the name of a data set."""
    legend: str | None = None
    """Name of a legend; the legend of the manifest when None."""
    manifest: Path | None = None
    """Manifest of the user's own, which takes precedence over ``legend``."""

    def __post_init__(self) -> None:
        if not (self.legend is None or isinstance(self.legend, str)):
            raise InputError(
                f"a legend must be the name of one, such as koppen, found {shown(self.legend)}"
            )


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
        manifest_path, manifest = choice.manifest, load_manifest(choice.manifest)
    elif found.manifest is not None and found.manifest_path is not None:
        manifest_path, manifest = found.manifest_path, found.manifest
        own = manifest.legend.name if manifest.legend else None
        if choice.legend not in (None, own):
            raise InputError(
                f"{choice.map} has the legend {own}, found the legend {choice.legend}; leave the "
                "legend out"
            )
    else:
        manifest_path, manifest = find_manifest(choice.legend or default_legend)
    if manifest.legend is None:
        raise InputError(f"{manifest_path} has no legend; add one that names the map's classes")
    return Descriptor.of(found.source, manifest=manifest, manifest_path=manifest_path)
