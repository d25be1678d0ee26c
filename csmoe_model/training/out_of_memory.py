"""What to do when a batch does not fit into the GPU's memory: find the size that does."""

import gc

import torch

from csmoe_model.distributed.collectives import single_process
from csmoe_model.distributed.device import autocast
from csmoe_model.nn.masking import draw_masks
from csmoe_model.training.module import Pretraining
from minortom.errors import MinorTomError
from minortom.sensors import MODEL_BANDS


class FullMemoryError(MinorTomError):
    """A batch that does not fit into the memory of the GPU."""


def too_large(run: Pretraining, *, world_size: int, device: torch.device) -> FullMemoryError:
    """Say how many pairs fit, found by trying half as many until they do.

    Args:
        run: What ran out of memory; nothing else may hold its tensors any more.
        world_size: Processes that train together.
        device: Whose memory it was; Lightning has taken the model off it since.
    """
    config = run.config
    tried = config.batch_size // (world_size * config.accumulate)
    gc.collect()
    fits = tried // 2
    while fits and not _fits(run, fits, device):
        fits //= 2
    if not fits:
        return FullMemoryError(
            "CUDA is out of memory even with one pair a process; choose a smaller --recipe or "
            "--image-size"
        )
    shares = config.batch_size // world_size
    parts = next(n for n in range(1, shares + 1) if shares % n == 0 and shares // n <= fits)
    return FullMemoryError(
        f"CUDA is out of memory with {tried} pairs at once in a process; {fits} fit: give "
        f"--batch-size {fits * world_size * config.accumulate}, or keep the batch of "
        f"{config.batch_size} and give --accumulate {parts}"
    )


def _fits(run: Pretraining, num_pairs: int, device: torch.device) -> bool:
    """Train on so many blank pairs, with room for what the optimiser will remember."""
    model, config, side = run.model, run.model.config, run.model.config.image_size
    masks = draw_masks(
        range(num_pairs), num_patches=config.num_patches, mask_ratio=config.mask_ratio,
        mode=config.mask_mode, seed=0, epoch=0,
    )  # fmt: skip
    try:
        model.to(device)
        images = [
            torch.zeros(num_pairs, len(bands), side, side, device=device)
            for bands in MODEL_BANDS.values()
        ]
        with single_process(), autocast(device):
            model(*images, masks.to(device)).loss.backward()
        memories = [torch.empty_like(weight) for weight in model.parameters() for _ in range(2)]
        del memories
    except torch.OutOfMemoryError:
        return False
    finally:
        model.zero_grad(set_to_none=True)
        if device.type == "cuda":
            torch.cuda.empty_cache()
    return True
