"""The argument CHECKPOINT of `csmoe` commands."""

from typing import Annotated

import typer

Checkpoint = Annotated[
    str,
    typer.Argument(
        help="Folder of a run of `csmoe train`, a model folder, or a repository of the Hugging "
        "Face hub as user/name."
    ),
]
