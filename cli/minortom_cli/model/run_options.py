"""Options of the commands that train: checkpoints and trackers of a run."""

from typing import Annotated

import typer

Resume = Annotated[
    bool, typer.Option("--resume", help="Resume the run in --out from its last checkpoint.")
]
SaveEvery = Annotated[int, typer.Option(min=1, help="Steps between checkpoints.")]
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
