"""Validation: means of the loss terms over a split that is not trained on."""

from collections.abc import Callable

import torch

from csmoe_model.data.loader import Loader
from csmoe_model.distributed.collectives import gather_objects, max_over_processes, single_process
from csmoe_model.training.module import Pretraining
from csmoe_model.training.step import numbers_of, pretrain_batch


def validation_numbers(
    run: Pretraining, loader: Loader, *, should_stop: Callable[[], bool]
) -> dict[str, float] | None:
    """Return the means of the logged numbers over a split, without flips.

    The masks are the same at each call. Every process takes whole batches, so that the means do
    not depend on the number of processes.

    Args:
        run: The model and its settings.
        loader: This process's batches.
        should_stop: Called before each batch, by all processes together.

    Returns:
        The means by name; None if `should_stop` returned true.
    """
    sums: dict[str, float] = {}
    count = 0
    loader.load_state_dict({"step": 0})
    batches = iter(loader)
    run.model.eval()
    try:
        for _ in range(max_over_processes(len(loader))):
            if should_stop():
                return None
            batch = next(batches, None)
            if batch is None:  # other processes have one more batch
                continue
            with torch.no_grad(), single_process():
                # Not compiled: each batch size that differs from training would compile again.
                output = pretrain_batch(run.objective, batch, seed=run.config.seed, flip=False)
            names, numbers = numbers_of(output)
            for name, value in zip(names, numbers.tolist(), strict=True):
                sums[name] = sums.get(name, 0.0) + value * len(batch.samples)
            count += len(batch.samples)
    finally:
        run.model.train()
    parts = gather_objects((sums, count))
    pairs = sum(count for _, count in parts)
    everywhere = next(sums for sums, _ in parts if sums)
    return {name: sum(sums.get(name, 0.0) for sums, _ in parts) / pairs for name in everywhere}
