"""`csmoe_model.predict`: classes of shards, images and scenes, as `csmoe predict` does."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from csmoe_model.datasets.open_set import BandNames
from csmoe_model.finetuning.classifier import load_classifier
from csmoe_model.finetuning.predict_scenes import (
    PredictSceneResult,
    PredictScenesResult,
    predict_scene,
)
from csmoe_model.finetuning.predict_tables import (
    PredictTableResult,
    predict_images,
    predict_shards,
)
from csmoe_model.inference.embed_scene import SceneOptions
from csmoe_model.inference.embed_scenes import map_scenes
from csmoe_model.inference.sources import Reading, check_unused, kind_of, sources_of
from minortom.api.arguments import path_of, whole_number
from minortom.progress import OnProgress, ignore_progress
from minortom.scenes.radiometry import GivenOffset

if TYPE_CHECKING:
    from minortom.scenes.scene import OpenScene


def predict(
    checkpoint: str | Path,
    source: str | Path | Sequence[str | Path],
    *,
    out: str | Path,
    s1: str | Path | None = None,
    s2_bands: BandNames | None = None,
    s1_bands: BandNames | None = None,
    s2_offset: GivenOffset = "auto",
    overlap: float | None = None,
    tile_px: int | None = None,
    workers: int | None = None,
    overwrite: bool = False,
    on_progress: OnProgress = ignore_progress,
) -> PredictTableResult | PredictSceneResult | PredictScenesResult:
    """Classify shards, images or scenes with a checkpoint that was fine-tuned.

    Shards and images: write the class of each patch or image, and the probability of each class
    (GeoParquet). Scene: write a map of classes (GeoTIFF); a scene with several labels has a band
    with the probability of each.

    Args:
        checkpoint: Folder of a run of `finetune`, its `model` folder, or a repository of the hub
            (`user/name`).
        source: Folder of shards; a folder of images; or one scene or several, as for `embed`.
        out: GeoParquet file for shards and images; GeoTIFF for a scene; folder for several.
        s1: Scene only: GeoTIFF with Sentinel-1 on the same pixels as `source`.
        s2_bands: Not for shards: names of the Sentinel-2 bands, such as `B02,B03`, in the order of
            the file, `-` for a band to skip; the names in the file when None.
        s1_bands: Not for shards: names of the Sentinel-1 bands, as for `s2_bands`.
        s2_offset: Not for shards: offset to subtract from Sentinel-2 values without offset tags,
            in reflectance × 10,000; `auto` takes it from the name of the product.
        overlap: Scene only: part of a tile's side that the next tile covers again, from 0 to
            below 1; 0.5 when None.
        tile_px: Scene only: side of a tile in pixels of the scene; 120 (at 10 m) when None.
        workers: Threads that read; for shards at most 8, else all cores, when None.
        overwrite: Whether to replace an output that was made otherwise.
        on_progress: Called with (items done, items in all): patches, images or tiles.

    Returns:
        The status, the output, and its classes.

    Raises:
        UsageError: If an option does not apply to the source.
        InputError: If the checkpoint does not exist, has no head or does not fit the source, or
            the source cannot be read.
        ShardError: If the shards are missing, damaged or of another version.
        OutputExistsError: If `out` was made from something else.
    """
    out = path_of("out", out)
    sources = sources_of(source)
    kind = kind_of(sources, out)
    given = {
        "--s1": s1, "--s2-bands": s2_bands, "--s1-bands": s1_bands,
        "--s2-offset": None if s2_offset == "auto" else s2_offset, "--overlap": overlap,
        "--tile-px": tile_px,
    }  # fmt: skip
    check_unused([name for name, value in given.items() if value is not None], kind, sources[0])
    if workers is not None:
        workers = whole_number("workers", workers, minimum=1)
    reading = Reading.of(
        s1=s1, s2_bands=s2_bands, s1_bands=s1_bands, s2_offset=s2_offset, workers=workers
    )
    options = SceneOptions(overlap=overlap, tile_px=tile_px)
    classifier = load_classifier(checkpoint)
    if kind == "shards":
        return predict_shards(
            classifier, sources[0], out, overwrite=overwrite, workers=workers,
            on_progress=on_progress,
        )  # fmt: skip
    if kind == "images":
        return predict_images(
            classifier, sources, out, reader=reading.image_reader(), overwrite=overwrite,
            on_progress=on_progress,
        )  # fmt: skip

    def predict_one(scene: "OpenScene", path: Path) -> PredictSceneResult:
        return predict_scene(
            classifier, scene, path, options=options, overwrite=overwrite, on_progress=on_progress
        )

    if kind == "scenes":
        found = map_scenes(sources, out, reading.open_scene, predict_one)
        return PredictScenesResult(out=out, scenes=found)
    with reading.open_scene(sources[0]) as opened:
        return predict_one(opened, out)
