"""`csmoe embed`: vectors of shards, images and points, and feature maps of scenes."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from csmoe_model.datasets.open_set import BandNames, parse_bands
from csmoe_model.inference.embed_images import EmbedImagesResult, embed_images
from csmoe_model.inference.embed_points import EmbedPointsResult, embed_points
from csmoe_model.inference.embed_scene import EmbedSceneResult, SceneOptions, embed_scene
from csmoe_model.inference.embed_scenes import EmbedScenesResult, embed_scenes
from csmoe_model.inference.embed_shards import EmbedShardsResult, embed_shards
from minortom.api.arguments import path_of, whole_number
from minortom.errors import UsageError
from minortom.io.tables import is_parquet
from minortom.progress import OnProgress, ignore_progress
from minortom.scenes.radiometry import GivenOffset, S2Offset, parse_offset
from minortom.shards.layout import DATASET_FILE

if TYPE_CHECKING:
    from minortom.scenes.image_reader import ImageReader
    from minortom.scenes.scene import OpenScene

_RASTERS = (".tif", ".tiff", ".vrt")
_Kind = Literal["shards", "scene", "scenes", "images", "points"]
_OPTIONS_OF: dict[str, tuple[_Kind, ...]] = {
    "--neighbours": ("shards",),
    "--s1": ("scene", "points"),
    "--s2-bands": ("scene", "scenes", "images", "points"),
    "--s1-bands": ("scene", "scenes", "images", "points"),
    "--s2-offset": ("scene", "scenes", "images", "points"),
    "--overlap": ("scene", "scenes"),
    "--tile-px": ("scene", "scenes", "points"),
}
"""Sources that each option works with."""


def embed(
    checkpoint: str | Path,
    source: str | Path | Sequence[str | Path] | None = None,
    *,
    out: str | Path,
    points: str | Path | None = None,
    scene: str | Path | None = None,
    neighbours: str | Path | None = None,
    s1: str | Path | None = None,
    s2_bands: BandNames | None = None,
    s1_bands: BandNames | None = None,
    s2_offset: GivenOffset = "auto",
    overlap: float | None = None,
    tile_px: int | None = None,
    workers: int | None = None,
    overwrite: bool = False,
    on_progress: OnProgress = ignore_progress,
) -> (
    EmbedShardsResult | EmbedSceneResult | EmbedScenesResult | EmbedImagesResult | EmbedPointsResult
):
    """Encode the patches of shards, images, scenes of any size, or patches around points.

    Shards: write one vector for each sensor of each patch, and one for both sensors
    (GeoParquet). Images: write the same for each image, with its outline (GeoParquet). Scene:
    encode overlapping tiles and write one pixel for each token and one band for each feature
    (GeoTIFF). Points: write the vectors of the patch of a scene around each point (GeoParquet).

    Args:
        checkpoint: Folder of a run, folder of a model, or a repository of the hub (`user/name`).
        source: Folder of shards; a folder of images; or one scene or several. An image or a scene
            is a GeoTIFF with bands of either sensor or both, a folder with a file for each band, a
            Sentinel-2 product (SAFE folder or zip), or a STAC item. None with `scene`.
        out: GeoParquet file for vectors; GeoTIFF for the features of a scene; folder for those of
            several scenes. With a GeoParquet file, several scenes and folders are encoded as
            images: one vector each.
        points: CSV or Parquet file with the columns `lat` and `lon` (degrees): write the vectors
            of the patches around these points instead.
        scene: Points only: scene in which the points lie.
        neighbours: Shards only: PNG that shows some patches with their nearest neighbours.
        s1: Scene only: GeoTIFF with Sentinel-1 on the same pixels as `source`.
        s2_bands: Not for shards: names of the Sentinel-2 bands, such as `B02,B03`, in the order of
            the file, `-` for a band to skip; the names in the file when None.
        s1_bands: Not for shards: names of the Sentinel-1 bands, as for `s2_bands`.
        s2_offset: Not for shards: offset to subtract from Sentinel-2 values without offset tags,
            in reflectance × 10,000; `auto` takes it from the name of the product.
        overlap: Scene only: part of a tile's side that the next tile covers again, from 0 to
            below 1; 0.5 when None.
        tile_px: Scene and points: side of a tile in pixels of the scene; 120 (at 10 m) when None.
        workers: Threads that read; for shards at most 8, else all cores, when None.
        overwrite: Whether to replace an output that was made otherwise.
        on_progress: Called with (items done, items in all): patches, images, tiles or points.

    Returns:
        The status, the output, and how many vectors or features it has.

    Raises:
        UsageError: If there is no source, or an option does not apply to it.
        InputError: If the checkpoint does not exist or does not fit the source, or the source
            cannot be read.
        ShardError: If the shards are missing, damaged or of another version.
        OutputExistsError: If `out` was made from something else.
    """
    out = path_of("out", out)
    sources = _sources(source, points, scene)
    kind = _kind(sources, out, points)
    given = {
        "--neighbours": neighbours, "--s1": s1, "--s2-bands": s2_bands, "--s1-bands": s1_bands,
        "--s2-offset": None if s2_offset == "auto" else s2_offset, "--overlap": overlap,
        "--tile-px": tile_px,
    }  # fmt: skip
    _check_unused([name for name, value in given.items() if value is not None], kind, sources[0])
    if workers is not None:
        workers = whole_number("workers", workers, minimum=1)
    if kind == "shards":
        return embed_shards(
            checkpoint, sources[0], out,
            neighbours=None if neighbours is None else path_of("neighbours", neighbours),
            overwrite=overwrite, workers=workers, on_progress=on_progress,
        )  # fmt: skip
    reading = _Reading(
        s1=None if s1 is None else path_of("s1", s1), s2_bands=parse_bands(s2_bands),
        s1_bands=parse_bands(s1_bands), s2_offset=parse_offset(s2_offset), workers=workers,
    )  # fmt: skip
    if kind == "images":
        return embed_images(
            checkpoint, sources, out, reader=reading.image_reader(), overwrite=overwrite,
            on_progress=on_progress,
        )  # fmt: skip
    options = SceneOptions.of(overlap=overlap, tile_px=tile_px)
    if kind == "scenes":
        return embed_scenes(
            checkpoint, sources, out, open_one=reading.open_scene, options=options,
            overwrite=overwrite, on_progress=on_progress,
        )  # fmt: skip
    with reading.open_scene(sources[0]) as opened:
        if points is not None:
            return embed_points(
                checkpoint, opened, path_of("points", points), out, tile_px=options.tile_px,
                overwrite=overwrite, on_progress=on_progress,
            )  # fmt: skip
        return embed_scene(
            checkpoint, opened, out, options=options, overwrite=overwrite, on_progress=on_progress
        )


@dataclass(frozen=True, kw_only=True)
class _Reading:
    """Options for reading scenes and images; rasterio is imported when they are used."""

    s1: Path | None
    s2_bands: tuple[str, ...] | None
    s1_bands: tuple[str, ...] | None
    s2_offset: S2Offset
    workers: int | None

    def image_reader(self) -> "ImageReader":
        from minortom.scenes.image_reader import ImageReader

        return ImageReader(
            s2_bands=self.s2_bands, s1_bands=self.s1_bands, s2_offset=self.s2_offset,
            all_bands=True,
        )  # fmt: skip

    def open_scene(self, path: Path) -> AbstractContextManager["OpenScene"]:
        from minortom.scenes.scene import open_scene

        return open_scene(
            path, s1=self.s1, s2_bands=self.s2_bands, s1_bands=self.s1_bands,
            s2_offset=self.s2_offset, all_bands=True, workers=self.workers,
        )  # fmt: skip


def _sources(
    source: str | Path | Sequence[str | Path] | None,
    points: str | Path | None,
    scene: str | Path | None,
) -> tuple[Path, ...]:
    """Return the sources as paths.

    Raises:
        UsageError: If there is none, or `scene` is given with another source or without points.
    """
    given = [source] if isinstance(source, str | Path) else list(source or ())
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


def _kind(sources: Sequence[Path], out: Path, points: str | Path | None) -> _Kind:
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


def _check_unused(given: Sequence[str], kind: _Kind, source: Path) -> None:
    """Check that no option is given that does not apply to the source."""
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
