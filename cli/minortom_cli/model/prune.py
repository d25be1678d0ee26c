"""The command `csmoe prune`."""

from pathlib import Path
from typing import Annotated

import typer

from csmoe_model.choices import Criterion, SensorChoice
from minortom_cli.console import Json, Overwrite, Seed, Workers, emit, progress
from minortom_cli.model.checkpoint_argument import Checkpoint
from minortom_cli.model.training_progress import step_callback


def prune(
    checkpoint: Checkpoint,
    *,
    shards: Annotated[
        Path,
        typer.Option(help="Folder of shards with patches to score the experts on; no labels."),
    ],
    sensor: Annotated[
        SensorChoice,
        typer.Option(help="Sensor to keep; `both` keeps both encoders and the decoders."),
    ],
    out: Annotated[Path, typer.Option(help="Folder for the smaller model and pruning.json.")],
    keep: Annotated[
        int | None,
        typer.Option(
            min=1, help="Experts to keep in each layer.", show_default="half, or by --budget"
        ),
    ] = None,
    budget: Annotated[
        float | None,
        typer.Option(
            metavar="GMACS",
            help="Most multiply-adds of an image (of a pair, for both sensors), in billions: the "
            "full count of `csmoe info`.",
            show_default="none",
        ),
    ] = None,
    by: Annotated[
        Criterion,
        typer.Option(
            help="Score of an expert: `reap` combine weight × norm of its output, `usage` combine "
            "weight, `norm` of its output, `ablation` drift of [CLS] without it, `greedy` the same "
            "while experts are removed one by one."
        ),
    ] = "reap",
    calibrate: Annotated[
        int, typer.Option(min=2, help="Patches to score the experts on; all where fewer.")
    ] = 256,
    recover: Annotated[
        int,
        typer.Option(
            min=0,
            metavar="STEPS",
            help="Steps in which the smaller model learns the tokens of the unpruned one, without "
            "labels.",
        ),
    ] = 0,
    batch_size: Annotated[
        int, typer.Option(min=2, help="With --recover: images (pairs, for both sensors) in a step.")
    ] = 64,
    lr: Annotated[
        float | None,
        typer.Option(
            help="With --recover: maximum learning rate.", show_default="that of the model's recipe"
        ),
    ] = None,
    save_every: Annotated[
        int, typer.Option(min=1, help="With --recover: steps between checkpoints.")
    ] = 100,
    seed: Seed = 0,
    html: Annotated[
        Path | None,
        typer.Option(help="Page to write about the experts.", show_default="none"),
    ] = None,
    workers: Workers = None,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Keep the experts that a sensor needs, and write the smaller model as a checkpoint."""
    # Imported here so that `csmoe --help` does not load torch.
    from csmoe_model.pruning.prune import prune as run

    with progress("pruning") as on_progress:
        result = run(
            checkpoint, shards=shards, sensor=sensor, out=out, keep=keep, budget=budget, by=by,
            calibrate=calibrate, recover=recover, batch_size=batch_size, lr=lr,
            save_every=save_every, seed=seed, html=html, workers=workers, overwrite=overwrite,
            on_progress=on_progress, on_step=step_callback(on_progress),
        )  # fmt: skip
    emit(result, as_json=as_json)
