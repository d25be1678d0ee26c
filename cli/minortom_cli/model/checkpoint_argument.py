"""The argument CHECKPOINT of `csmoe` commands: a model, or any feature extractor."""

from typing import Annotated

import typer

Checkpoint = Annotated[
    str,
    typer.Argument(
        help="Folder of a run of `csmoe train`, a model folder, or a repository of the Hugging "
        "Face hub as user/name."
    ),
]

ANY_EXTRACTOR = (
    "Folder of a run of `csmoe train`, a folder of a model or of another feature extractor, a "
    "repository of the Hugging Face hub as user/name, or the features band-statistics or "
    "random-convolutions."
)
Extractor = Annotated[str, typer.Argument(help=ANY_EXTRACTOR)]
