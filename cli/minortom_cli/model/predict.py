"""The command `csmoe predict`."""

from pathlib import Path
from typing import Annotated

import typer

from minortom_cli.console import Json, Overwrite, Workers, emit, progress
from minortom_cli.model.labelled_data import S1Bands, S2Bands, S2OffsetOption
from minortom_cli.model.scene_options import Overlap, SceneS1, TilePx


def predict(
    checkpoint: Annotated[
        str,
        typer.Argument(
            help="Folder of a run of `csmoe finetune`, its model folder, or a repository of the "
            "Hugging Face hub as user/name."
        ),
    ],
    source: Annotated[
        list[Path],
        typer.Argument(
            metavar="SHARDS|IMAGES|SCENE...",
            help="Folder of shards, a folder of images, or scenes of any size, as for "
            "`csmoe embed`.",
        ),
    ],
    *,
    out: Annotated[
        Path,
        typer.Option(
            help="GeoParquet file for shards and images; GeoTIFF for the classes of a scene; "
            "folder for those of several scenes."
        ),
    ],
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
    """Classify shards, images or scenes with a checkpoint that was fine-tuned.

    Shards and images: write the class of each, and the probability of each class. Scene: write a
    map of classes from overlapping tiles.
    """
    # Imported here so that `csmoe --help` does not load torch.
    from csmoe_model.finetuning.predict import predict as run

    with progress("classified") as on_progress:
        result = run(
            checkpoint, source, out=out, s1=s1, s2_bands=s2_bands, s1_bands=s1_bands,
            s2_offset=s2_offset, overlap=overlap, tile_px=tile_px, workers=workers,
            overwrite=overwrite, on_progress=on_progress,
        )  # fmt: skip
    emit(result, as_json=as_json)
