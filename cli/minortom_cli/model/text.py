"""The commands of `csmoe text`."""

from pathlib import Path
from typing import Annotated

import typer

from csmoe_model.choices import SensorChoice
from minortom_cli.command import Group
from minortom_cli.console import Json, Overwrite, Seed, emit
from minortom_cli.model.needs_torch import NeedsTorch
from minortom_cli.model.run_options import Resume, SaveEvery
from minortom_cli.model.training_progress import step_progress

text = typer.Typer(
    cls=Group,
    no_args_is_help=True,
    help="Search and classify patches by sentences of a closed vocabulary.",
)

Embeddings = Annotated[Path, typer.Argument(help="GeoParquet file from `csmoe embed`, of shards.")]
TextModel = Annotated[
    Path, typer.Argument(help="Folder of a run of `csmoe text train`, or its model folder.")
]


@text.command(name="train", cls=NeedsTorch)
def train(
    embeddings: Embeddings,
    *,
    out: Annotated[Path, typer.Option(help="Folder of the run.")],
    shards: Annotated[
        Path | None,
        typer.Option(
            help="Folder of the shards that the embeddings were made from: adds the season.",
            show_default="no season",
        ),
    ] = None,
    annotated: Annotated[
        Path | None,
        typer.Option(
            help="File from `minortom annotate` with all cells: adds its columns, such as "
            "fractions and further descriptors.",
            show_default="the columns of the embeddings",
        ),
    ] = None,
    sensor: Annotated[
        SensorChoice | None,
        typer.Option(
            help="Sensor of the vectors.", show_default="both, or the only one of the file"
        ),
    ] = None,
    templates: Annotated[
        Path | None,
        typer.Option(help="YAML file with further templates and phrases.", show_default="none"),
    ] = None,
    own_captions: Annotated[
        Path | None,
        typer.Option(
            help="CSV file with the columns cell, row, column and text: train on these captions "
            "instead of written ones.",
            show_default="none",
        ),
    ] = None,
    captions: Annotated[
        Path | None,
        typer.Option(help="CSV file to write the captions to.", show_default="not written"),
    ] = None,
    epochs: Annotated[int, typer.Option(min=1, help="Passes over the training patches.")] = 30,
    batch_size: Annotated[int, typer.Option(min=1, help="Patches per optimiser step.")] = 256,
    lr: Annotated[float, typer.Option(help="Maximum learning rate of AdamW.")] = 5e-3,
    seed: Seed = 0,
    save_every: SaveEvery = 500,
    resume: Resume = False,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Train a text model: patches and sentences get vectors in one space."""
    # Imported here, as below, so that `csmoe --help` does not load torch.
    from csmoe_model.text import train as run

    with step_progress(is_first=True) as on_step:
        result = run(
            embeddings, out=out, shards=shards, annotated=annotated, sensor=sensor,
            templates=templates, own_captions=own_captions, captions=captions, epochs=epochs,
            batch_size=batch_size, lr=lr, seed=seed, save_every=save_every, resume=resume,
            overwrite=overwrite, on_step=on_step,
        )  # fmt: skip
    emit(result, as_json=as_json)


@text.command(name="search", cls=NeedsTorch)
def search(
    text_model: TextModel,
    embeddings: Embeddings,
    sentence: Annotated[
        str, typer.Argument(help="Words that describe patches, such as 'cropland in winter'.")
    ],
    *,
    shards: Annotated[
        Path, typer.Option(help="Folder of the shards that the embeddings were made from.")
    ],
    html: Annotated[Path, typer.Option(help="Page to write.")],
    k: Annotated[int, typer.Option(min=1, help="Patches to find, at most 1,000.")] = 10,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Find the patches that fit a sentence best, and show them on a page."""
    from csmoe_model.text import search as run

    result = run(
        text_model, embeddings, sentence, shards=shards, html=html, k=k, overwrite=overwrite
    )
    emit(result, as_json=as_json)


@text.command(name="classify", cls=NeedsTorch)
def classify(
    text_model: TextModel,
    embeddings: Embeddings,
    *,
    classes: Annotated[
        str,
        typer.Option(
            metavar="NAME,NAME,…", help="Names or sentences of two or more classes, with commas."
        ),
    ],
    out: Annotated[Path, typer.Option(help="GeoParquet file for the classes and their scores.")],
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Write the most probable of some classes for each patch, and the score of each class."""
    from csmoe_model.text import classify as run

    result = run(text_model, embeddings, classes=classes, out=out, overwrite=overwrite)
    emit(result, as_json=as_json)
