"""``csmoe compare``: probes of several checkpoints as one."""

from pathlib import Path
from typing import Annotated

import typer

from minortom_cli.console import Json, Overwrite, Seed, emit


def compare(
    results: Annotated[
        list[Path], typer.Argument(help="Folders of `csmoe probe`, of one checkpoint each.")
    ],
    out: Annotated[Path, typer.Option(help="Folder for result.json and table.md.")],
    seed: Seed = 0,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Pool probes of checkpoints of several pretraining seeds; intervals of their differences."""
    # Imported here so that `csmoe --help` does not load torch.
    from csmoe_model.probing.compare import compare as run_compare
    from csmoe_model.probing.compare import shown_rows

    result = run_compare(results, out, seed=seed, overwrite=overwrite)
    emit(result if as_json else shown_rows(result), as_json=as_json)
