"""``csmoe train``, also ``csmoe-train``: pretrain a model on shards."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from csmoe_model.config import ModelConfig
from csmoe_model.training.config import TrainConfig
from minortom_cli.console import EXIT_USER_ERROR, Json, Overwrite, Version, emit
from minortom_cli.model.config_options import with_fields
from minortom_cli.model.training_progress import telling


def _train(
    shards: Annotated[Path, typer.Argument(help="Folder of shards, from `minortom export`.")],
    out: Annotated[Path, typer.Option(help="Folder of the run.")],
    fields: Mapping[str, object],
    recipe: Annotated[
        str | None, typer.Option(help="Model to train; csmoe-b16 by default. See `csmoe info`.")
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(help="YAML file with any of the options below, as a run's own config.yaml."),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the run's last checkpoint.")
    ] = False,
    save_every: Annotated[int, typer.Option(min=1, help="Steps between checkpoints.")] = 500,
    workers: Annotated[int | None, typer.Option(min=1, help="Threads that read shards.")] = None,
    compiled: Annotated[
        bool | None,
        typer.Option(
            "--compile/--no-compile", help="Use torch.compile; by default on a GPU alone."
        ),
    ] = None,
    tensorboard: Annotated[
        bool, typer.Option(help="Write curves and pictures for TensorBoard into the run, too.")
    ] = True,
    wandb_project: Annotated[
        str | None,
        typer.Option(help="Send them to this project on Weights & Biases, too.", metavar="NAME"),
    ] = None,
    overwrite: Overwrite = False,
    as_json: Json = False,
    version: Version = False,
) -> None:
    """Pretrain CSMoE on shards; what is not given comes from the recipe, or the run resumed."""
    del version  # its own callback has acted
    # Imported here so that `csmoe --help` does not load torch.
    from csmoe_model.distributed.collectives import OtherProcessError, on_all_processes
    from csmoe_model.distributed.launch import process_group
    from csmoe_model.runs.trackers import Tracking
    from csmoe_model.training import train as training
    from csmoe_model.training.configuration import configure

    settings = training.Settings(
        workers=workers, save_every=save_every, compile=compiled,
        tracking=Tracking(tensorboard=tensorboard, wandb_project=wandb_project),
    )  # fmt: skip
    try:
        with process_group() as launch, telling(first=launch.rank == 0) as on_step:
            configuration = on_all_processes(
                lambda: configure(recipe, fields, file=config, resume=out if resume else None)
            )
            summary = training.train(
                shards, out, configuration, resume=resume, overwrite=overwrite,
                settings=settings, on_step=on_step,
            )  # fmt: skip
    except OtherProcessError:  # told by the process that it happened in
        raise typer.Exit(EXIT_USER_ERROR) from None
    if launch.rank == 0:
        emit(summary, as_json=as_json)


train = with_fields(
    _train,
    {
        "Model (shown: what csmoe-b16 has)": ModelConfig,
        "Training (shown: what csmoe-b16 has)": TrainConfig,
    },
)
