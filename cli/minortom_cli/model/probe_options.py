"""Options of the commands that probe frozen features."""

from typing import Annotated

import typer

from csmoe_model.choices import Protocol, SensorChoice

ProtocolOption = Annotated[
    Protocol,
    typer.Option(
        help="Probes: tuned logistic regression and k nearest neighbours (`standard`), or the "
        "linear layer of the paper (`paper`)."
    ),
]
SensorOption = Annotated[
    SensorChoice | None,
    typer.Option(
        help="Sensor to encode.", show_default="all sensors of both the model and the set"
    ),
]
Seeds = Annotated[
    int,
    typer.Option(min=1, help="Number of untrained models, random filters and linear layers."),
]
Rate = Annotated[
    float | None,
    typer.Option(
        help="Learning rate of --protocol paper.",
        show_default="the paper's for its data sets, 0.01 for others",
    ),
]
Shots = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="Maximum number of training samples of each class, drawn five times.",
        show_default="all",
    ),
]
