"""`minortom verify`: whether shards are whole."""

from pathlib import Path
from typing import Annotated

import typer

from minortom_cli.console import EXIT_USER_ERROR, Json, Workers, emit, progress


def verify(
    shards: Annotated[Path, typer.Argument(help="Folder of shards, from `minortom export`.")],
    deep: Annotated[
        bool, typer.Option("--deep", help="Read every byte: hashes, checksums, statistics.")
    ] = False,
    workers: Workers = None,
    as_json: Json = False,
) -> None:
    """Check shards against their record; ends with 1 where something is wrong, a line for each."""
    # Imported here so that `minortom --help` does not load pyarrow.
    from minortom.dataset.verify import verify_shards

    with progress("shards") as advance:
        found = verify_shards(shards, deep=deep, workers=workers, on_progress=advance)
    shown = found.as_dict()
    emit(shown if as_json else shown | {"problems": len(found.problems)}, as_json=as_json)
    for problem in found.problems:
        typer.secho(f"error: {problem}", fg="red", err=True)
    if found.problems:
        raise typer.Exit(EXIT_USER_ERROR)
