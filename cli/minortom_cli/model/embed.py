"""``csmoe embed``: the vectors of patches, and a map of features of a scene."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from minortom_cli.console import Json, Overwrite, Workers, emit, progress
from minortom_cli.model.checkpoint_argument import Checkpoint
from minortom_cli.model.labelled_data import S1Bands, S2Bands

_RASTERS = (".tif", ".tiff", ".vrt")


def embed(
    checkpoint: Checkpoint,
    source: Annotated[
        Path,
        typer.Argument(
            metavar="SHARDS|SCENE",
            help="Folder of shards, from `minortom export`; or a GeoTIFF of any size.",
        ),
    ],
    out: Annotated[
        Path, typer.Option(help="GeoParquet file for the vectors; of a scene, a GeoTIFF.")
    ],
    neighbours: Annotated[
        Path | None, typer.Option(help="PNG of some patches with their nearest neighbours.")
    ] = None,
    s1: Annotated[
        Path | None,
        typer.Option(help="Of a scene: GeoTIFF of Sentinel-1 on the same pixels as SCENE."),
    ] = None,
    s2_bands: S2Bands = None,
    s1_bands: S1Bands = None,
    overlap: Annotated[
        float | None,
        typer.Option(help="Of a scene: part of a tile that the next covers again; 0.5 by default."),
    ] = None,
    tile_px: Annotated[
        int | None,
        typer.Option(min=1, help="Of a scene: pixels a side of a tile; 120 of 10 m by default."),
    ] = None,
    workers: Workers = None,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Encode every patch: a vector for Sentinel-2, for Sentinel-1, and for both.

    Of a scene: encode overlapping tiles, and write a map with one pixel for each patch of the
    model and one band for each feature.
    """
    of_scenes = {
        "--s1": s1, "--s2-bands": s2_bands, "--s1-bands": s1_bands, "--overlap": overlap,
        "--tile-px": tile_px,
    }  # fmt: skip
    if source.is_file() or (source.suffix.lower() in _RASTERS and not source.is_dir()):
        _refuse("shards", {"--neighbours": neighbours})
        summary = _embed_scene(
            checkpoint, source, out, s1=s1, s2_bands=s2_bands, s1_bands=s1_bands,
            overlap=overlap, tile_px=tile_px, workers=workers, overwrite=overwrite,
        )  # fmt: skip
    else:
        _refuse("a scene", of_scenes)
        # Imported here so that `csmoe --help` does not load torch.
        from csmoe_model.inference import embed_patches as embedding

        with progress("patches") as on_progress:
            summary = embedding.embed(
                checkpoint, source, out, neighbours=neighbours, overwrite=overwrite,
                workers=workers, on_progress=on_progress,
            )  # fmt: skip
    emit(summary, as_json=as_json)


def _refuse(wanted: str, options: Mapping[str, object]) -> None:
    given = [name for name, value in options.items() if value is not None]
    if given:
        raise typer.BadParameter(f"{given[0]} goes with {wanted}")


def _embed_scene(
    checkpoint: str,
    source: Path,
    out: Path,
    *,
    s1: Path | None,
    s2_bands: str | None,
    s1_bands: str | None,
    overlap: float | None,
    tile_px: int | None,
    workers: int | None,
    overwrite: bool,
) -> dict[str, object]:
    # Imported here so that `csmoe --help` loads neither torch nor rasterio.
    from csmoe_model.datasets.open_set import parse_bands
    from csmoe_model.inference.embed_scene import SceneOptions, embed_scene
    from minortom.scenes.feature_raster import FeatureFile
    from minortom.scenes.scene import open_scene

    options = SceneOptions(tile_px=tile_px)
    with (
        open_scene(
            source, s1=s1, s2_bands=parse_bands(s2_bands), s1_bands=parse_bands(s1_bands),
            workers=workers,
        ) as scene,
        progress("tiles") as on_progress,
    ):  # fmt: skip
        return embed_scene(
            checkpoint, scene, out, write=FeatureFile(scene=scene),
            options=options if overlap is None else replace(options, overlap=overlap),
            overwrite=overwrite, on_progress=on_progress,
        )  # fmt: skip
