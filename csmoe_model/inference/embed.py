"""`csmoe embed`: vectors of shards, images and points, and feature maps of scenes."""

from collections.abc import Sequence
from pathlib import Path

from csmoe_model.datasets.open_set import BandNames
from csmoe_model.inference.embed_images import EmbedImagesResult, embed_images
from csmoe_model.inference.embed_points import EmbedPointsResult, embed_points
from csmoe_model.inference.embed_scene import EmbedSceneResult, SceneOptions, embed_scene
from csmoe_model.inference.embed_scenes import EmbedScenesResult, embed_scenes
from csmoe_model.inference.embed_shards import EmbedShardsResult, embed_shards
from csmoe_model.inference.neighbour_sheet import NeighbourPicture
from csmoe_model.inference.sources import Reading, check_unused, kind_of, sources_of
from minortom.api.arguments import path_of, whole_number
from minortom.progress import OnProgress, ignore_progress
from minortom.scenes.radiometry import GivenOffset


def embed(
    checkpoint: str | Path,
    source: str | Path | Sequence[str | Path] | None = None,
    *,
    out: str | Path,
    points: str | Path | None = None,
    scene: str | Path | None = None,
    neighbours: str | Path | None = None,
    exclude_km: float | None = None,
    include_own_cell: bool = False,
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
        neighbours: Shards only: PNG that shows some patches with their nearest neighbours in other
            cells.
        exclude_km: Neighbours only: leave out all patches within this distance of a patch too, in
            km.
        include_own_cell: Neighbours only: show patches of the same cell too.
        s1: Scene only: GeoTIFF with Sentinel-1 on the same pixels as `source`.
        s2_bands: Not for shards: names of the Sentinel-2 bands, such as `B02,B03`, in the order of
            the file, `-` for a band to skip; the names in the file when None.
        s1_bands: Not for shards: names of the Sentinel-1 bands, as for `s2_bands`.
        s2_offset: Not for shards: offset to subtract from Sentinel-2 values without offset tags,
            in reflectance × 10,000; `auto` takes it from the name of the product.
        overlap: Scene only: part of a tile's side that the next tile covers again, from 0 to
            below 1; 0.5 when None, and 0 for tiles of one vector.
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
    sources = sources_of(source, points, scene)
    kind = kind_of(sources, out, points)
    given = {
        "--neighbours": neighbours, "--exclude-km": exclude_km,
        "--include-own-cell": include_own_cell or None, "--s1": s1, "--s2-bands": s2_bands,
        "--s1-bands": s1_bands, "--s2-offset": None if s2_offset == "auto" else s2_offset,
        "--overlap": overlap, "--tile-px": tile_px,
    }  # fmt: skip
    check_unused([name for name, value in given.items() if value is not None], kind, sources[0])
    if workers is not None:
        workers = whole_number("workers", workers, minimum=1)
    if kind == "shards":
        return embed_shards(
            checkpoint, sources[0], out,
            neighbours=NeighbourPicture.of(
                neighbours, exclude_km=exclude_km, include_own_cell=include_own_cell
            ),
            overwrite=overwrite, workers=workers, on_progress=on_progress,
        )  # fmt: skip
    reading = Reading.of(
        s1=s1, s2_bands=s2_bands, s1_bands=s1_bands, s2_offset=s2_offset, workers=workers
    )
    if kind == "images":
        return embed_images(
            checkpoint, sources, out, reader=reading.image_reader(), overwrite=overwrite,
            on_progress=on_progress,
        )  # fmt: skip
    options = SceneOptions(overlap=overlap, tile_px=tile_px)
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
