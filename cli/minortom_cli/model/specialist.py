"""The commands of `csmoe specialist`."""

from pathlib import Path
from typing import Annotated

import typer

from csmoe_model.choices import ArchName, ClassWeights
from minortom.sensors import SensorName
from minortom_cli.command import Group
from minortom_cli.console import Json, Overwrite, Seed, emit
from minortom_cli.model.labelled_data import (
    Data,
    Label,
    Root,
    S1Bands,
    S2Bands,
    S2OffsetOption,
    SplitByOption,
)
from minortom_cli.model.needs_torch import NeedsTorch
from minortom_cli.model.run_options import Resume, SaveEvery
from minortom_cli.model.training_progress import step_progress

specialist = typer.Typer(
    cls=Group,
    no_args_is_help=True,
    help="Train small networks for one sensor and task, for ensembles.",
)


@specialist.command(name="train", cls=NeedsTorch)
def train(
    *,
    data: Data,
    root: Root,
    out: Annotated[Path, typer.Option(help="Folder of the run.")],
    sensor: Annotated[SensorName, typer.Option(help="Sensor of the images.")],
    label: Label = None,
    split_by: SplitByOption = None,
    s2_bands: S2Bands = None,
    s1_bands: S1Bands = None,
    s2_offset: S2OffsetOption = "auto",
    arch: Annotated[
        ArchName,
        typer.Option(help="Architecture: 3.4 M parameters (atto), 4.8 M, 8.6 M or 15 M (nano)."),
    ] = "convnextv2-atto",
    image_size: Annotated[
        int | None,
        typer.Option(
            min=32,
            help="Side to resize images to, in pixels.",
            show_default="the multiple of 32 nearest to the images",
        ),
    ] = None,
    epochs: Annotated[
        int, typer.Option(min=1, help="Maximum number of passes over the training images.")
    ] = 30,
    batch_size: Annotated[int, typer.Option(min=1, help="Images per optimiser step.")] = 32,
    lr: Annotated[float, typer.Option(help="Maximum learning rate of AdamW.")] = 1e-3,
    patience: Annotated[
        int,
        typer.Option(
            min=0,
            help="Validations without a better score after which the training stops; 0 trains for "
            "all epochs.",
        ),
    ] = 8,
    class_weights: Annotated[
        ClassWeights,
        typer.Option(
            help="Weights of the classes in the loss: equal (`none`), or inverse to their "
            "frequency (`balanced`)."
        ),
    ] = "none",
    seed: Seed = 0,
    save_every: SaveEvery = 500,
    resume: Resume = False,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Train a ConvNeXt V2 on the labels of a set, for one sensor."""
    # Imported here so that `csmoe --help` does not load torch.
    from csmoe_model.specialists import train as run

    with step_progress(is_first=True) as on_step:
        result = run(
            data=data, root=root, out=out, sensor=sensor, label=label, split_by=split_by,
            s2_bands=s2_bands, s1_bands=s1_bands, s2_offset=s2_offset, arch=arch,
            image_size=image_size, epochs=epochs, batch_size=batch_size, lr=lr, patience=patience,
            class_weights=class_weights, seed=seed, save_every=save_every, resume=resume,
            overwrite=overwrite, on_step=on_step,
        )  # fmt: skip
    emit(result, as_json=as_json)
