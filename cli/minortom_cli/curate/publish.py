"""`minortom publish`: shards to the Hugging Face hub."""

from pathlib import Path
from typing import Annotated

import typer

from minortom_cli.console import Json, Overwrite, emit, progress


def publish(
    shards: Annotated[Path, typer.Argument(help="Folder of shards, from `minortom export`.")],
    repo: Annotated[str, typer.Option(metavar="USER/NAME", help="Data set of the hub to make.")],
    report: Annotated[
        Path | None,
        typer.Option(help="Folder of `minortom report`; its table goes into the card."),
    ] = None,
    private: Annotated[
        bool, typer.Option("--private", help="Make a new data set private.")
    ] = False,
    revision: Annotated[
        str | None,
        typer.Option(help="Branch to commit to, which is there; the main one by default."),
    ] = None,
    preview: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Only write card, map and description into a folder."),
    ] = None,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Check shards and put them on the Hugging Face hub, with a card; needs `hf auth login`."""
    # Imported here so that `minortom --help` does not load pyarrow.
    from minortom.dataset.publish import preview_card, publish_shards

    if preview is not None:
        emit(preview_card(shards, repo, preview, report=report), as_json=as_json)
        return
    with progress("files") as advance:
        published = publish_shards(
            shards, repo, report=report, private=private or None, revision=revision,
            overwrite=overwrite, on_progress=advance,
        )  # fmt: skip
    emit(published.as_dict(), as_json=as_json)
