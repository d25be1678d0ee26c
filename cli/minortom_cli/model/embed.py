"""The command `csmoe embed`."""

from pathlib import Path
from typing import Annotated

import typer

from minortom_cli.console import Json, Overwrite, Workers, emit, progress
from minortom_cli.model.checkpoint_argument import Checkpoint
from minortom_cli.model.labelled_data import S1Bands, S2Bands, S2OffsetOption


def embed(
    checkpoint: Checkpoint,
    source: Annotated[
        Path,
        typer.Argument(
            metavar="SHARDS|SCENE",
            help="Folder of shards, from `minortom export`; or a GeoTIFF of any size.",
        ),
    ],
    *,
    out: Annotated[
        Path,
        typer.Option(help="GeoParquet file for the vectors; GeoTIFF for the features of a scene."),
    ],
    neighbours: Annotated[
        Path | None,
        typer.Option(
            help="Shards only: PNG that shows some patches with their nearest neighbours.",
            show_default="none",
        ),
    ] = None,
    s1: Annotated[
        Path | None,
        typer.Option(
            help="Scene only: GeoTIFF with Sentinel-1 on the same pixels as SCENE.",
            show_default="none",
        ),
    ] = None,
    s2_bands: S2Bands = None,
    s1_bands: S1Bands = None,
    s2_offset: S2OffsetOption = "auto",
    overlap: Annotated[
        float | None,
        typer.Option(
            help="Scene only: part of a tile's side that the next tile covers again, from 0 to "
            "below 1.",
            show_default="0.5",
        ),
    ] = None,
    tile_px: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Scene only: side of a tile, in pixels of the scene.",
            show_default="120, for pixels of 10 m",
        ),
    ] = None,
    workers: Workers = None,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Encode the patches of shards, or a scene of any size.

    Shards: write a vector for Sentinel-2, one for Sentinel-1 and one for both, for each patch.
    Scene: encode overlapping tiles, and write a map with one pixel for each patch token of
    the model and one band for each feature.
    """  # fmt: skip
    # Imported here so that `csmoe --help` does not load torch.
    from csmoe_model.inference.embed import embed as run

    with progress("encoded") as on_progress:
        result = run(
            checkpoint, source, out=out, neighbours=neighbours, s1=s1, s2_bands=s2_bands,
            s1_bands=s1_bands,
            s2_offset=s2_offset, overlap=overlap, tile_px=tile_px, workers=workers,
            overwrite=overwrite, on_progress=on_progress,
        )  # fmt: skip
    emit(result, as_json=as_json)
