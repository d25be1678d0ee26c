"""The command `csmoe embed`."""

from pathlib import Path
from typing import Annotated

import typer

from minortom_cli.console import Json, Overwrite, Workers, emit, progress
from minortom_cli.model.checkpoint_argument import Extractor
from minortom_cli.model.exclusion_options import ExcludeKm, IncludeOwnCell
from minortom_cli.model.labelled_data import S1Bands, S2Bands, S2OffsetOption
from minortom_cli.model.scene_options import Overlap, SceneS1, TilePx


def embed(
    checkpoint: Extractor,
    source: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="SHARDS|IMAGES|SCENE...",
            help="Folder of shards, from `minortom export`; a folder of images; or scenes of any "
            "size. A scene is a GeoTIFF, a Sentinel-2 product, a folder with a file for each "
            "band, or a STAC item.",
            show_default="none, with --scene",
        ),
    ] = None,
    *,
    out: Annotated[
        Path,
        typer.Option(
            help="GeoParquet file for vectors; GeoTIFF for the features of a scene; folder for "
            "those of several scenes."
        ),
    ],
    points: Annotated[
        Path | None,
        typer.Option(
            help="CSV or Parquet file with lat and lon, in degrees: write the vectors of the "
            "patches around these points of a scene.",
            show_default="none",
        ),
    ] = None,
    scene: Annotated[
        Path | None,
        typer.Option(help="Points only: scene in which the points lie.", show_default="none"),
    ] = None,
    neighbours: Annotated[
        Path | None,
        typer.Option(
            help="Shards only: PNG that shows some patches with their nearest neighbours in other "
            "cells.",
            show_default="none",
        ),
    ] = None,
    exclude_km: ExcludeKm = None,
    include_own_cell: IncludeOwnCell = False,
    s1: SceneS1 = None,
    s2_bands: S2Bands = None,
    s1_bands: S1Bands = None,
    s2_offset: S2OffsetOption = "auto",
    overlap: Overlap = None,
    tile_px: TilePx = None,
    workers: Workers = None,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Encode the patches of shards, images, scenes of any size, or patches around points.

    Shards: write a vector for Sentinel-2, one for Sentinel-1 and one for both, for each patch.
    Images: write the same for each image, with its outline.
    Scene: encode overlapping tiles, and write a map with one pixel for each patch token of
    the model and one band for each feature.
    """  # fmt: skip
    # Imported here so that `csmoe --help` does not load torch.
    from csmoe_model.inference.embed import embed as run

    with progress("encoded") as on_progress:
        result = run(
            checkpoint, source, out=out, points=points, scene=scene,
            neighbours=neighbours, exclude_km=exclude_km, include_own_cell=include_own_cell,
            s1=s1, s2_bands=s2_bands, s1_bands=s1_bands, s2_offset=s2_offset, overlap=overlap,
            tile_px=tile_px, workers=workers, overwrite=overwrite, on_progress=on_progress,
        )  # fmt: skip
    emit(result, as_json=as_json)
