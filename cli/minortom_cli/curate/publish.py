"""``minortom publish``: shards to the Hugging Face hub."""

from pathlib import Path
from typing import Annotated

import typer

from minortom_cli.console import Json, Overwrite, emit, progress


def publish(
    shards: Annotated[Path, typer.Argument(help="Folder of shards, from `minortom export`.")],
    *,
    repo: Annotated[
        str,
        typer.Option(
            metavar="USER/NAME", help="Data set of the hub; created if it does not exist."
        ),
    ],
    report: Annotated[
        Path | None,
        typer.Option(
            help="Folder of `minortom report`, whose table goes into the card.",
            show_default="no table",
        ),
    ] = None,
    private: Annotated[
        bool, typer.Option("--private", help="Make a new data set private.")
    ] = False,
    revision: Annotated[
        str | None,
        typer.Option(help="Existing branch to commit to.", show_default="the main branch"),
    ] = None,
    preview: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Write card, map and description into this folder and send nothing.",
            show_default="none",
        ),
    ] = None,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Check shards and publish them on the Hugging Face hub, with a card.

    Log in with `hf auth login` first.
    """
    # Imported here so that `minortom --help` does not load pyarrow.
    from minortom.dataset.publish import publish as run

    with progress("files") as advance:
        result = run(
            shards, repo=repo, report=report, private=private, revision=revision, preview=preview,
            overwrite=overwrite, on_progress=advance,
        )  # fmt: skip
    emit(result, as_json=as_json)
