"""The command `csmoe finetune`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from csmoe_model.finetuning.config import FinetuneConfig
from csmoe_model.training.supervised_config import SupervisedConfig
from minortom_cli.console import Json, Overwrite, emit
from minortom_cli.model.checkpoint_argument import Checkpoint
from minortom_cli.model.config_options import with_field_options
from minortom_cli.model.labelled_data import (
    Data,
    Label,
    Labels,
    Root,
    S1Bands,
    S2Bands,
    S2OffsetOption,
    SplitByOption,
)
from minortom_cli.model.probe_options import SensorOption
from minortom_cli.model.run_options import Resume, SaveEvery, Tensorboard, WandbProject
from minortom_cli.model.training_progress import step_progress


def _finetune(
    checkpoint: Checkpoint,
    *,
    data: Data,
    root: Root,
    out: Annotated[Path, typer.Option(help="Folder of the run.")],
    label: Label = None,
    labels: Labels = None,
    split_by: SplitByOption = None,
    s2_bands: S2Bands = None,
    s1_bands: S1Bands = None,
    s2_offset: S2OffsetOption = "auto",
    sensor: SensorOption = None,
    compare: Annotated[
        bool,
        typer.Option(
            help="Test the linear probe of the checkpoint, and train the same network from random "
            "weights, for comparison.",
        ),
    ] = True,
    resume: Resume = False,
    save_every: SaveEvery = 100,
    tensorboard: Tensorboard = True,
    wandb_project: WandbProject = None,
    overwrite: Overwrite = False,
    as_json: Json = False,
    fields: Mapping[str, object],
) -> None:
    """Train encoder and head end to end on labels, and test them beside their alternatives.

    The weights with the best validation score are kept, with their head for `csmoe predict`.
    """
    # Imported here so that `csmoe --help` does not load torch.
    from csmoe_model.finetuning.finetune import finetune as run

    with step_progress(is_first=True) as on_step:
        result = run(
            checkpoint, data=data, root=root, out=out, label=label, labels=labels,
            split_by=split_by, s2_bands=s2_bands, s1_bands=s1_bands, s2_offset=s2_offset,
            sensor=sensor, compare=compare, resume=resume, save_every=save_every,
            tensorboard=tensorboard, wandb_project=wandb_project, overwrite=overwrite,
            on_step=on_step, **fields,
        )  # fmt: skip
    emit(result, as_json=as_json)


finetune = with_field_options(
    _finetune, {"Training": SupervisedConfig, "Fine-tuning": FinetuneConfig}
)
