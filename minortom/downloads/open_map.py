"""A map as a user names it -> a descriptor."""

from dataclasses import dataclass
from pathlib import Path

from minortom.downloads.find_map import find_map
from minortom.errors import InputError
from minortom.maps.descriptor import Descriptor
from minortom.maps.manifests import find_manifest, load_manifest
from minortom.progress import OnProgress, ignore_progress


@dataclass(frozen=True, kw_only=True)
class MapChoice:
    """A map, and what says what its values mean."""

    map: str
    """A path (a raster, or a folder of tiles), or the name of a manifest."""
    legend: str | None = None
    """Name of a legend; None for that of the manifest."""
    manifest: Path | None = None
    """A manifest of the user's own, which goes before ``legend``."""


def open_map(
    choice: MapChoice, *, default_legend: str, on_fetch: OnProgress = ignore_progress
) -> Descriptor:
    """Find a map and its legend.

    Args:
        choice: What the user said.
        default_legend: The legend of a path for which the user said none.
        on_fetch: Called with (bytes had, bytes in all) while a map is fetched.

    Raises:
        InputError: If there is no such map or legend, the manifest has no legend, or two
            legends are asked for at once.
    """
    found = find_map(choice.map, on_progress=on_fetch)
    if choice.manifest is not None:
        manifest_path, manifest = choice.manifest, load_manifest(choice.manifest)
    elif found.manifest is not None and found.manifest_path is not None:
        manifest_path, manifest = found.manifest_path, found.manifest
        own = manifest.legend.name if manifest.legend else None
        if choice.legend not in (None, own):
            raise InputError(
                f"{choice.map} comes with the legend {own}, not {choice.legend}; "
                "leave the legend out"
            )
    else:
        manifest_path, manifest = find_manifest(choice.legend or default_legend)
    if manifest.legend is None:
        raise InputError(f"{manifest_path} has no legend; wanted one that names the map's classes")
    return Descriptor.of(found.source, manifest=manifest, manifest_path=manifest_path)
