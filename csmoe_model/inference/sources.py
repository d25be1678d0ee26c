"""Sources that are encoded: shards, images and scenes, and how they are read."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from csmoe_model.datasets.open_set import BandNames, parse_bands
from minortom.api.arguments import path_of, several
from minortom.errors import UsageError
from minortom.io.tables import is_parquet
from minortom.scenes.radiometry import GivenOffset, S2Offset, parse_offset
from minortom.shards.layout import DATASET_FILE

if TYPE_CHECKING:
    from minortom.scenes.image_reader import ImageReader
    from minortom.scenes.scene import OpenScene

_RASTERS = (".tif", ".tiff", ".vrt")
Kind = Literal["shards", "scene", "scenes", "images", "points"]
_OPTIONS_OF: dict[str, tuple[Kind, ...]] = {
    "--neighbours": ("shards",),
    "--exclude-km": ("shards",),
    "--include-own-cell": ("shards",),
    "--s1": ("scene", "points"),
    "--s2-bands": ("scene", "scenes", "images", "points"),
    "--s1-bands": ("scene", "scenes", "images", "points"),
    "--s2-offset": ("scene", "scenes", "images", "points"),
    "--overlap": ("scene", "scenes"),
    "--tile-px": ("scene", "scenes", "points"),
}
"""Sources that each option works with."""


@dataclass(frozen=True, kw_only=True)
class Reading:
    """Options for reading scenes and images; rasterio is imported when they are used."""

    s1: Path | None
    s2_bands: tuple[str, ...] | None
    s1_bands: tuple[str, ...] | None
    s2_offset: S2Offset
    workers: int | None

    @classmethod
    def of(
        cls,
        *,
        s1: str | Path | None,
        s2_bands: BandNames | None,
        s1_bands: BandNames | None,
        s2_offset: GivenOffset,
        workers: int | None,
    ) -> "Reading":
        """Return the options as a user gives them, checked."""
        return cls(
            s1=None if s1 is None else path_of("s1", s1), s2_bands=parse_bands(s2_bands),
            s1_bands=parse_bands(s1_bands), s2_offset=parse_offset(s2_offset), workers=workers,
        )  # fmt: skip

    def image_reader(self) -> "ImageReader":
        """Return a reader of images."""
        from minortom.scenes.image_reader import ImageReader

        return ImageReader(
            s2_bands=self.s2_bands, s1_bands=self.s1_bands, s2_offset=self.s2_offset,
            all_bands=True,
        )  # fmt: skip

    def open_scene(self, path: Path) -> AbstractContextManager["OpenScene"]:
        """Open a scene."""
        from minortom.scenes.scene import open_scene

        return open_scene(
            path, s1=self.s1, s2_bands=self.s2_bands, s1_bands=self.s1_bands,
            s2_offset=self.s2_offset, all_bands=True, workers=self.workers,
        )  # fmt: skip


def sources_of(
    source: str | Path | Sequence[str | Path] | None,
    points: str | Path | None = None,
    scene: str | Path | None = None,
) -> tuple[Path, ...]:
    """Return the sources as paths.

    Raises:
        UsageError: If there is none, or `scene` is given with another source or without points.
        InputError: If one is not a path.
    """
    given = several("source", source, expected="a path (str or Path)")
    if scene is not None:
        if points is None or given:
            found = f"the source {given[0]} too" if given else "no --points"
            raise UsageError(
                f"--scene works with --points and without another source, found {found}; give "
                "one of the two"
            )
        return (path_of("scene", scene),)
    if not given:
        raise UsageError(
            "expected a folder of shards, images or a scene to encode, found none; give one"
        )
    if points is not None and len(given) > 1:
        raise UsageError(f"--points works with one scene, found {len(given)}; give one")
    return tuple(path_of("source", path) for path in given)


def kind_of(sources: Sequence[Path], out: Path, points: str | Path | None = None) -> Kind:
    """Return the kind of some sources."""
    if points is not None:
        return "points"
    if len(sources) > 1:
        return "images" if is_parquet(out) else "scenes"
    (source,) = sources
    if (source / DATASET_FILE).exists() or not (source.is_dir() or _is_one_image(source)):
        return "shards"
    if not _is_one_image(source):
        return "images" if _has_images(source) else "shards"
    return "images" if source.is_dir() and is_parquet(out) else "scene"


def _is_one_image(source: Path) -> bool:
    if not source.is_dir():
        return source.is_file() or source.suffix.lower() in _RASTERS
    # Imported here so that embedding shards does not load rasterio.
    from minortom.scenes.find_bands import is_image_folder

    return is_image_folder(source)


def _has_images(source: Path) -> bool:
    from minortom.scenes.image_set import has_images

    return has_images(source)


def check_unused(given: Sequence[str], kind: Kind, source: Path) -> None:
    """Check that no option is given that does not apply to the source.

    Args:
        given: Names of the options.
        kind: Kind of the source.
        source: The source, for the error.

    Raises:
        UsageError: If one does not apply.
    """
    described = {
        "shards": "shards", "scene": "a scene", "scenes": "several scenes", "images": "images",
        "points": "points",
    }  # fmt: skip
    for name in given:
        allowed = _OPTIONS_OF[name]
        if kind in allowed:
            continue
        only = "a scene" if "scene" in allowed else described[allowed[0]]
        raise UsageError(
            f"{name} works with {only} only, found {described[kind]}, {source}; leave it out"
        )
