"""``minortom verify``: whether shards are complete and undamaged."""

from pathlib import Path
from typing import Annotated

import typer

from minortom_cli.console import EXIT_USER_ERROR, Json, Workers, emit, progress, show_errors


def verify(
    shards: Annotated[Path, typer.Argument(help="Folder of shards, from `minortom export`.")],
    *,
    deep: Annotated[
        bool, typer.Option("--deep", help="Read every byte: hashes, checksums, statistics.")
    ] = False,
    workers: Workers = None,
    as_json: Json = False,
) -> None:
    """Check shards against dataset.json; print each problem and exit with 1 if there are any."""
    # Imported here so that `minortom --help` does not load pyarrow.
    from minortom.dataset.verify import verify as run

    with progress("shards") as advance:
        result = run(shards, deep=deep, workers=workers, on_progress=advance)
    emit(result, as_json=as_json)
    if not result.ok:
        show_errors(result.problems)
        raise typer.Exit(EXIT_USER_ERROR)
