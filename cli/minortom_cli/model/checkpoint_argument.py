"""What `csmoe` commands take weights from."""

from typing import Annotated

import typer

Checkpoint = Annotated[
    str,
    typer.Argument(
        help="Folder of a run of `csmoe train`, a model's folder, or a repository of the hub "
        "as user/name."
    ),
]
