"""Options of the commands that probe frozen features."""

from typing import Annotated, Literal

import typer

ProtocolOption = Annotated[
    Literal["standard", "paper"],
    typer.Option(help="Tuned logistic regression and k-NN, or the paper's linear layer."),
]
SensorOption = Annotated[
    Literal["s2", "s1", "both"] | None,
    typer.Option(help="Whose images; what the model and the set have by default."),
]
Seeds = Annotated[
    int, typer.Option(min=1, help="Of untrained models, random filters and linear layers.")
]
Rate = Annotated[
    float | None, typer.Option(help="Rate of the paper's protocol; the paper's by default.")
]
Shots = Annotated[
    int | None,
    typer.Option(min=1, help="Training samples of each class, drawn five times; all by default."),
]
