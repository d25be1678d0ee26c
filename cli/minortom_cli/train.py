"""``csmoe train``, also ``csmoe-train``: pretrain a model on shards."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from minortom_cli.console import Json, Overwrite, Version, emit, progress


def train(
    shards: Annotated[Path, typer.Argument(help="Folder of shards, from `minortom export`.")],
    out: Annotated[Path, typer.Option(help="Folder of the run.")],
    recipe: Annotated[
        str | None, typer.Option(help="Model to train; csmoe-b16 by default. See `csmoe info`.")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the run's last checkpoint.")
    ] = False,
    seed: Annotated[
        int | None, typer.Option(min=0, help="Same seed, same run; 0 by default.")
    ] = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="Passes over the data.")] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Steps, instead of --epochs.")] = None,
    batch_size: Annotated[int | None, typer.Option(min=1, help="Pairs a step.")] = None,
    lr: Annotated[float | None, typer.Option(help="Highest learning rate.")] = None,
    warmup: Annotated[
        float | None, typer.Option(help="Part of the run in which the learning rate rises.")
    ] = None,
    weight_decay: Annotated[float | None, typer.Option(help="Of AdamW.")] = None,
    grad_clip: Annotated[
        float | None, typer.Option(help="Largest norm of the gradient; 0 for no limit.")
    ] = None,
    flips: Annotated[
        bool | None, typer.Option("--flips/--no-flips", help="Mirror pairs at random.")
    ] = None,
    mask_ratio: Annotated[float | None, typer.Option(help="Part of an image to hide.")] = None,
    image_size: Annotated[
        int | None, typer.Option(min=1, help="Pixels to which patches are resized.")
    ] = None,
    logit_scale: Annotated[
        float | None, typer.Option(help="Factor on the experts' routing logits.")
    ] = None,
    rep_weight: Annotated[float | None, typer.Option(help="Weight of slot repulsion.")] = None,
    bal_weight: Annotated[float | None, typer.Option(help="Weight of balanced usage.")] = None,
    log_every: Annotated[int | None, typer.Option(min=1, help="Steps a row of log.csv.")] = None,
    val_every: Annotated[
        int | None, typer.Option(min=0, help="Steps between validations; 0: after each epoch.")
    ] = None,
    save_every: Annotated[int, typer.Option(min=1, help="Steps between checkpoints.")] = 500,
    workers: Annotated[int | None, typer.Option(min=1, help="Threads that read shards.")] = None,
    overwrite: Overwrite = False,
    as_json: Json = False,
    version: Version = False,
) -> None:
    """Pretrain CSMoE on shards; what is not given comes from the recipe, or the run resumed."""
    del version  # its own callback has acted
    # Imported here so that `csmoe --help` does not load torch.
    from csmoe_model import train as training
    from csmoe_model.options import configure

    options = {
        "seed": seed, "epochs": epochs, "steps": steps, "batch_size": batch_size, "lr": lr,
        "warmup": warmup, "weight_decay": weight_decay, "grad_clip": grad_clip, "flips": flips,
        "mask_ratio": mask_ratio, "image_size": image_size, "logit_scale": logit_scale,
        "rep_weight": rep_weight, "bal_weight": bal_weight, "log_every": log_every,
        "val_every": val_every,
    }  # fmt: skip
    configuration = configure(recipe, options, resume=out if resume else None)
    with progress("steps") as move:

        def on_step(done: int, total: int, terms: Mapping[str, float]) -> None:
            move(done, total, f"loss {terms['loss']:.3f}, {terms['pairs_per_s']:,.0f} pairs/s")

        summary = training.train(
            shards, out, configuration, resume=resume, overwrite=overwrite, workers=workers,
            save_every=save_every, on_step=on_step,
        )  # fmt: skip
    emit(summary, as_json=as_json)
