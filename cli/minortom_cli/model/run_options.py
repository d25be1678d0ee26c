"""Options of the commands that train: trackers of a run."""

from typing import Annotated

import typer

Tensorboard = Annotated[
    bool, typer.Option(help="Write curves and pictures for TensorBoard into the run.")
]
WandbProject = Annotated[
    str | None,
    typer.Option(
        help="Send curves and pictures to this project on Weights & Biases.",
        metavar="NAME",
        show_default="none",
    ),
]
