"""`csmoe_model.train`: pretrain a model on shards, as `csmoe train` does."""

from collections.abc import Mapping
from pathlib import Path

from csmoe_model.config import ModelConfig
from csmoe_model.distributed.collectives import on_all_processes
from csmoe_model.distributed.launch import JOIN_TIMEOUT_S, process_group
from csmoe_model.runs.folder import RunFolder
from csmoe_model.runs.trackers import Tracking
from csmoe_model.training.config import TrainConfig
from csmoe_model.training.configuration import Configuration, configure
from csmoe_model.training.field_arguments import plain_values, with_fields
from csmoe_model.training.result import TrainResult
from csmoe_model.training.run import Settings, run_training
from csmoe_model.training.step_log import OnStep, ignore_steps
from minortom.api.arguments import flag, path_of, whole_number


@with_fields(ModelConfig, TrainConfig)
def train(
    shards: str | Path,
    *,
    out: str | Path,
    recipe: str | None = None,
    config: str | Path | None = None,
    weights: str | Path | None = None,
    resume: bool = False,
    save_every: int = 500,
    workers: int | None = None,
    join_timeout: int = JOIN_TIMEOUT_S,
    compile: bool | None = None,  # noqa: A002  # named as the option
    tensorboard: bool = True,
    wandb_project: str | None = None,
    overwrite: bool = False,
    fields: Mapping[str, object],
    on_step: OnStep = ignore_steps,
) -> TrainResult:
    """Pretrain a model on the split `train` of some shards; validate it on `val`.

    Values that are not given come from the configuration file, else from the recipe (when
    resuming: from the run; with `weights`: the model from the checkpoint). Defaults in brackets
    are those of the recipe `csmoe-b16`.

    In processes that torchrun or SLURM started, call the function in every process with the
    same arguments.

    Example:
        >>> result = csmoe_model.train("shards/", out="runs/first", recipe="tiny", steps=20)
        >>> result.status
        'trained'

    Args:
        shards: Folder of shards.
        out: Folder of the run.
        recipe: Name of the model to train, see `csmoe_model.info()`; `csmoe-b16` when None.
        config: YAML file with any of the fields below, such as the `config.yaml` of a run.
        weights: Checkpoint to start from: a run, a folder of a model, or a repository of the hub
            (`user/name`). The model and the normalisation are those of the checkpoint. None for
            random weights.
        resume: Whether to resume the run in `out` from its last checkpoint. With more `steps` or
            `epochs` than a finished run has, it becomes longer.
        save_every: Steps between checkpoints.
        workers: Threads that read shards, in each process; all cores, at most 8, when None.
        join_timeout: Seconds to wait for the other processes that torchrun or SLURM started.
        compile: Whether to use `torch.compile`; on a GPU only when None.
        tensorboard: Whether to write curves and pictures for TensorBoard into the run.
        wandb_project: Project on Weights & Biases that gets them too; None for no project.
        overwrite: Whether to replace a run in `out` that was made with other inputs or options.
        fields: Fields of the model and of the training, by name.
        on_step: Called after each step, in every process, with (steps done, total steps, loss,
            speed of the step).

    Returns:
        The status, the folders and the last losses of the run.

    Raises:
        ShardError: If the shards are missing, damaged or of another version.
        OutputExistsError: If `out` holds something else, or an unfinished run.
        InputError: If a name or a value is not allowed, a batch is larger than the split or
            cannot be divided evenly, or there is no run to resume or it is configured otherwise.
        DivergedError: If a loss term or the gradient is not finite.
        FullMemoryError: If a batch does not fit into the memory of the GPU.
        OtherProcessError: If another process failed first; that process raises the error itself.
        KeyboardInterrupt: After SIGINT, once the checkpoint is saved; SystemExit after SIGTERM.
    """

    def checked() -> tuple[Path, Path, Configuration, Settings, list[Path]]:
        folder, is_resumed = path_of("out", out), flag("resume", resume)
        file = None if config is None else path_of("config", config)
        configuration = configure(
            recipe,
            plain_values(fields),
            file=file,
            weights=weights,
            resume=folder if is_resumed else None,
        )
        settings = Settings(
            workers=workers, save_every=save_every, compile=compile,
            tracking=Tracking(tensorboard=tensorboard, wandb_project=wandb_project),
        )  # fmt: skip
        # A run may be replaced by one with its own configuration, which is written again.
        is_own = file is not None and file.resolve() == RunFolder(folder).config.resolve()
        files = [] if file is None or is_own else [file]
        return path_of("shards", shards), folder, configuration, settings, files

    with process_group(join_timeout=whole_number("join_timeout", join_timeout, minimum=1)):
        data, folder, configuration, settings, files = on_all_processes(checked)
        return run_training(
            data, folder, configuration, resume=resume, overwrite=overwrite, inputs=files,
            settings=settings, on_step=on_step,
        )  # fmt: skip
