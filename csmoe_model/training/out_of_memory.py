"""Error for a batch that does not fit into GPU memory; it names a size that fits."""

import gc

import torch

from csmoe_model.distributed.collectives import single_process
from csmoe_model.distributed.device import autocast
from csmoe_model.nn.masking import masks_of
from csmoe_model.training.module import Pretraining
from minortom.errors import MinorTomError
from minortom.sensors import MODEL_BANDS


class FullMemoryError(MinorTomError):
    """A batch does not fit into the memory of the GPU."""


def full_memory_error(
    run: Pretraining, *, world_size: int, device: torch.device
) -> FullMemoryError:
    """Return an error that names a batch size that fits, found by halving the batch.

    Args:
        run: Run that ran out of memory. Nothing else may hold its tensors any more.
        world_size: Number of processes that train together.
        device: The GPU. Lightning has already moved the model off it.
    """
    config = run.config
    tried = config.batch_size // (world_size * config.accumulate)
    gc.collect()
    fits = tried // 2
    while fits and not _fits(run, fits, device):
        fits //= 2
    if not fits:
        return FullMemoryError(
            "CUDA is out of memory even with one pair per process; choose a smaller --recipe or "
            "--image-size"
        )
    shares = config.batch_size // world_size
    parts = next(n for n in range(1, shares + 1) if shares % n == 0 and shares // n <= fits)
    return FullMemoryError(
        f"CUDA is out of memory with {tried} pairs per process and micro-batch; {fits} fit: use "
        f"--batch-size {fits * world_size * config.accumulate}, or keep the batch of "
        f"{config.batch_size} and use --accumulate {parts}"
    )


def _fits(run: Pretraining, num_pairs: int, device: torch.device) -> bool:
    """Return whether a step on blank pairs fits, with memory for the optimiser's state."""
    model, config, side = run.model, run.model.config, run.model.config.image_size
    masks = masks_of(config, range(num_pairs), seed=0, epoch=0)
    try:
        model.to(device)
        images = [
            torch.zeros(num_pairs, len(bands), side, side, device=device)
            for bands in MODEL_BANDS.values()
        ]
        with single_process(), autocast(device):
            model(*images, masks.to(device)).loss.backward()
        state = [torch.empty_like(weight) for weight in model.parameters() for _ in range(2)]
        del state
    except torch.OutOfMemoryError:
        return False
    finally:
        model.zero_grad(set_to_none=True)
        if device.type == "cuda":
            torch.cuda.empty_cache()
    return True
