"""The command `csmoe compare`."""

from pathlib import Path
from typing import Annotated

import typer

from minortom_cli.console import Json, Overwrite, Seed, emit


def compare(
    results: Annotated[
        list[Path],
        typer.Argument(help="Folders of results of `csmoe probe`, one for each checkpoint."),
    ],
    *,
    out: Annotated[Path, typer.Option(help="Folder for result.json and table.md.")],
    seed: Seed = 0,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Pool the probes of checkpoints that differ in their pretraining seed.

    The table has 95 % intervals over groups of test samples, and over groups and checkpoints.
    """
    # Imported here so that `csmoe --help` does not load torch.
    from csmoe_model.probing.compare import compare as run

    result = run(results, out=out, seed=seed, overwrite=overwrite)
    emit(result, as_json=as_json)
