"""``csmoe train``, also ``csmoe-train``: pretrain a model on shards."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from csmoe_model.config import ModelConfig
from csmoe_model.training.config import TrainConfig
from minortom_cli.console import EXIT_USER_ERROR, Json, Overwrite, Version, emit
from minortom_cli.model.config_options import with_field_options
from minortom_cli.model.run_options import SaveEvery, Tensorboard, WandbProject
from minortom_cli.model.training_progress import step_progress


def _train(
    shards: Annotated[Path, typer.Argument(help="Folder of shards, from `minortom export`.")],
    *,
    out: Annotated[Path, typer.Option(help="Folder of the run.")],
    recipe: Annotated[
        str | None,
        typer.Option(
            help="Name of the model to train; `csmoe info` lists them.", show_default="csmoe-b16"
        ),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(
            help="YAML file with any of the fields below, such as the config.yaml of a run.",
            show_default="none",
        ),
    ] = None,
    weights: Annotated[
        str | None,
        typer.Option(
            help="Start from the weights of a run, a model folder or a repository user/name.",
            metavar="CHECKPOINT",
            show_default="random weights",
        ),
    ] = None,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume",
            help="Resume the run in --out from its last checkpoint. More --steps or --epochs "
            "lengthen a finished run.",
        ),
    ] = False,
    save_every: SaveEvery = 500,
    workers: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Threads that read shards, in each process.",
            show_default="all cores, at most 8",
        ),
    ] = None,
    join_timeout: Annotated[
        int,
        typer.Option(min=1, help="Seconds to wait for the other processes of torchrun or SLURM."),
    ] = 600,
    compile: Annotated[  # noqa: A002  # named as the option
        bool | None,
        typer.Option(
            "--compile/--no-compile", help="Use torch.compile.", show_default="on a GPU only"
        ),
    ] = None,
    tensorboard: Tensorboard = True,
    wandb_project: WandbProject = None,
    overwrite: Overwrite = False,
    as_json: Json = False,
    version: Version = False,
    fields: Mapping[str, object],
) -> None:
    """Pretrain CSMoE on shards; values that are not given come from the recipe or the run."""
    del version  # handled by its callback
    # Imported here so that `csmoe --help` does not load torch.
    from csmoe_model.distributed.collectives import OtherProcessError
    from csmoe_model.distributed.launch import find_launch
    from csmoe_model.training.train import train as pretrain

    is_first = find_launch().rank == 0
    try:
        with step_progress(is_first=is_first) as on_step:
            result = pretrain(
                shards, out=out, recipe=recipe, config=config, weights=weights,
                resume=resume, save_every=save_every, workers=workers,
                join_timeout=join_timeout, compile=compile, tensorboard=tensorboard,
                wandb_project=wandb_project, overwrite=overwrite, on_step=on_step, **fields,
            )  # fmt: skip
    except OtherProcessError:  # the process in which the error occurred prints it
        raise typer.Exit(EXIT_USER_ERROR) from None
    if is_first:
        emit(result, as_json=as_json)


train = with_field_options(
    _train,
    {
        "Model (defaults: those of csmoe-b16)": ModelConfig,
        "Training (defaults: those of csmoe-b16)": TrainConfig,
    },
)
