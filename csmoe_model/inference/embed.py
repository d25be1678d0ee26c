"""`csmoe embed`: one vector for each patch of shards, or a feature map of a scene."""

from collections.abc import Mapping
from pathlib import Path

from csmoe_model.datasets.open_set import BandNames, parse_bands
from csmoe_model.inference.embed_scene import EmbedSceneResult, SceneOptions, embed_scene
from csmoe_model.inference.embed_shards import EmbedShardsResult, embed_shards
from minortom.api.arguments import path_of, whole_number
from minortom.errors import UsageError
from minortom.progress import OnProgress, ignore_progress
from minortom.scenes.radiometry import GivenOffset, parse_offset
from minortom.shards.layout import DATASET_FILE

_RASTERS = (".tif", ".tiff", ".vrt")


def embed(
    checkpoint: str | Path,
    source: str | Path,
    *,
    out: str | Path,
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
) -> EmbedShardsResult | EmbedSceneResult:
    """Encode the patches of shards, or a scene of any size.

    Shards: write one vector for each sensor of each patch, and one for both sensors
    (GeoParquet). Scene: encode overlapping tiles and write one pixel for each token and one
    band for each feature (GeoTIFF).

    Args:
        checkpoint: Folder of a run, folder of a model, or a repository of the hub (`user/name`).
        source: Folder of shards; or a GeoTIFF, with bands of either sensor or both.
        out: GeoParquet file for the vectors; GeoTIFF for the features of a scene.
        neighbours: Shards only: PNG that shows some patches with their nearest neighbours.
        s1: Scene only: GeoTIFF with Sentinel-1 on the same pixels as `source`.
        s2_bands: Scene only: names of the Sentinel-2 bands, such as `B02,B03`, in the order of
            the file; the names in the file when None.
        s1_bands: Scene only: names of the Sentinel-1 bands, as for `s2_bands`.
        s2_offset: Scene only: offset to subtract from Sentinel-2 values without offset tags, in
            reflectance × 10,000; `auto` takes it from the name of the product.
        overlap: Scene only: part of a tile's side that the next tile covers again, from 0 to
            below 1; 0.5 when None.
        tile_px: Scene only: side of a tile in pixels of the scene; 120 (at 10 m) when None.
        workers: Threads that read; for shards at most 8, for a scene all cores, when None.
        overwrite: Whether to replace an output that was made otherwise.
        on_progress: Called with (patches or tiles done, patches or tiles in all).

    Returns:
        The status, the output, and how many vectors or features it has.

    Raises:
        UsageError: If an option does not apply to `source`.
        InputError: If the checkpoint does not exist or does not fit the source, or the scene
            cannot be read.
        ShardError: If the shards are missing, damaged or of another version.
        OutputExistsError: If `out` was made from something else.
    """
    source, out = path_of("source", source), path_of("out", out)
    if workers is not None:
        workers = whole_number("workers", workers, minimum=1)
    if not _is_scene(source):
        of_scenes = {
            "--s1": s1, "--s2-bands": s2_bands, "--s1-bands": s1_bands, "--overlap": overlap,
            "--s2-offset": None if s2_offset == "auto" else s2_offset,
            "--tile-px": tile_px,
        }  # fmt: skip
        _check_unused(of_scenes, "a scene", source)
        return embed_shards(
            checkpoint, source, out,
            neighbours=None if neighbours is None else path_of("neighbours", neighbours),
            overwrite=overwrite, workers=workers, on_progress=on_progress,
        )  # fmt: skip
    _check_unused({"--neighbours": neighbours}, "shards", source)
    # Imported here so that embedding shards does not load rasterio.
    from minortom.scenes.scene import open_scene

    with open_scene(
        source, s1=None if s1 is None else path_of("s1", s1), s2_bands=parse_bands(s2_bands),
        s1_bands=parse_bands(s1_bands), s2_offset=parse_offset(s2_offset), workers=workers,
    ) as scene:  # fmt: skip
        return embed_scene(
            checkpoint, scene, out, options=SceneOptions.of(overlap=overlap, tile_px=tile_px),
            overwrite=overwrite, on_progress=on_progress,
        )  # fmt: skip


def _is_scene(source: Path) -> bool:
    return (
        source.is_file()
        or _is_image_folder(source)
        or (source.suffix.lower() in _RASTERS and not source.is_dir())
    )


def _is_image_folder(source: Path) -> bool:
    """Return whether a folder is one image, with its bands in separate files."""
    if not source.is_dir() or (source / DATASET_FILE).exists():
        return False
    # Imported here so that embedding shards does not load rasterio.
    from minortom.scenes.find_bands import is_image_folder

    return is_image_folder(source)


def _check_unused(options: Mapping[str, object], applies_to: str, source: Path) -> None:
    """Check that no option is given that does not apply to the source."""
    given = [name for name, value in options.items() if value is not None]
    if given:
        found = "a folder" if applies_to == "a scene" else "a file"
        raise UsageError(
            f"{given[0]} works with {applies_to} only, found {found}, {source}; leave it out"
        )
