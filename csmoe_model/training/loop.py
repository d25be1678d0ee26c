"""The steps of a run, taken by Lightning: on this process alone, or on several by DDP."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import lightning
import torch
from lightning.pytorch.strategies import DDPStrategy

from csmoe_model.data.loader import Batch, Loader
from csmoe_model.data.sampler import EveryNth, OrderedBatches, Samples, permutation, steps_per_epoch
from csmoe_model.distributed.collectives import together
from csmoe_model.distributed.launch import Launch
from csmoe_model.nn.cost import pretraining_cost
from csmoe_model.runs.folder import RunFolder
from csmoe_model.runs.run_logger import RunLogger
from csmoe_model.runs.trackers import Tracking
from csmoe_model.training.callback import Keeper, OnStep
from csmoe_model.training.checkpoint_io import DirectCheckpointIO
from csmoe_model.training.module import Pretraining
from csmoe_model.training.out_of_memory import too_large
from csmoe_model.training.save_weights import RunWeights
from csmoe_model.training.signals import StopRequest
from csmoe_model.training.throughput import Meter

_SHOWN_PAIRS = 4
"""Validation pairs whose reconstructions are drawn."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class TrainingLoop:
    """Takes the steps of a run, and keeps it between them."""

    run: Pretraining
    folder: RunFolder
    launch: Launch
    stop: StopRequest
    workers: int
    save_every: int
    weights: RunWeights

    def take_steps(self, *, after: int, tracking: Tracking, on_step: OnStep) -> None:
        """Take all steps after the given one, unless a signal comes.

        Raises:
            DivergedError: If a term of the loss is not finite.
            FullMemoryError: If a batch does not fit into the memory of the GPU.
        """
        first = self.launch.rank == 0
        run_logger = together(
            lambda: RunLogger(self.folder, tracking, step=after) if first else None
        )
        try:
            keeper = self._keeper(run_logger, on_step)
            full = self._fit(keeper, after=after)
        finally:
            if run_logger is not None:
                run_logger.close()
        if full:  # said here, where nothing holds the failed step's tensors any more
            launch = self.launch
            raise too_large(self.run, world_size=launch.world_size, device=launch.device)

    def _fit(self, keeper: Keeper, *, after: int) -> bool:
        """Let Lightning take the steps; tell whether the memory of the GPU was too small."""
        try:
            with _quiet_lightning():
                trainer = self._trainer(keeper)
                checkpoint = self.folder.checkpoint if after else None
                trainer.fit(self.run, ckpt_path=checkpoint, weights_only=True)
                # A run whose last step was its last before a signal lacks the validation after.
                keeper.make_up(self.run.to(self.launch.device), trainer.global_step)
        except torch.OutOfMemoryError:
            return True
        return False

    def _trainer(self, keeper: Keeper) -> lightning.Trainer:
        launch, several = self.launch, self.launch.environment is not None
        plugins = [DirectCheckpointIO(), launch.environment] if several else [DirectCheckpointIO()]
        return lightning.Trainer(
            accelerator="gpu" if launch.device.type == "cuda" else "cpu",
            devices=launch.local_size,
            num_nodes=launch.num_nodes,
            # No buffer ever changes; gradients are summed where they lie.
            strategy=DDPStrategy(broadcast_buffers=False, gradient_as_bucket_view=True)
            if several
            else "auto",
            max_epochs=1,  # the loader gives all epochs as one, so that any step is alike
            max_steps=self.run.num_steps,
            accumulate_grad_batches=self.run.config.accumulate,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            use_distributed_sampler=False,
            callbacks=[keeper],
            plugins=plugins,  # type: ignore[arg-type]  # a list of several kinds
        )

    def _keeper(self, run_logger: RunLogger | None, on_step: OnStep) -> Keeper:
        """Set up what happens between steps; say so where there is nothing to validate on."""
        run = self.run
        samples = run.shards.indices("val")
        # Mixed once for all: pairs of one tile, which lie together, would all be in one batch
        # and make the contrastive term another one than in training.
        mixed = samples[permutation(len(samples), run.config.seed, 0)]
        if not len(samples) and run_logger is not None:
            _log.warning("the shards have no split `val`: training without validation")
        macs, loader = pretraining_cost(run.model.config).macs_full, run.loader
        an_epoch = steps_per_epoch(len(run.shards.indices("train")), run.config.batch_size)
        return Keeper(
            run_logger=run_logger,
            checkpoint=self.folder.checkpoint,
            stop=self.stop,
            new_meter=lambda: Meter(
                macs_per_pair=macs, device=self.launch.device,
                num_processes=self.launch.world_size, waited_s=lambda: loader.waited_s,
            ),
            val_every=run.config.val_every or an_epoch,
            val_loader=self._val_loader(mixed) if len(samples) else None,
            shown=self._shown(mixed) if len(samples) and run_logger is not None else None,
            save_every=self.save_every,
            keep_every=run.config.keep_every * an_epoch,
            keep=lambda step: self.weights.keep(
                self.folder, epochs=step // an_epoch, steps=step
            ),
            on_step=on_step,
        )  # fmt: skip

    def _val_loader(self, samples: Samples) -> Loader:
        """Read this process's batches of the split: as many pairs at once as in training."""
        config, launch = self.run.config, self.launch
        size = config.batch_size // config.accumulate
        batches = EveryNth(
            batches=OrderedBatches(samples=samples, batch_size=size),
            first=launch.rank, stride=launch.world_size,
        )  # fmt: skip
        return Loader(self.run.shards, batches, workers=self.workers, device=launch.device)

    def _shown(self, samples: Samples) -> Batch:
        """Read a few pairs of the split, no more than training takes at once."""
        config = self.run.config
        count = min(_SHOWN_PAIRS, config.batch_size // config.accumulate)
        batches = OrderedBatches(samples=samples[:count], batch_size=count)
        return next(iter(Loader(self.run.shards, batches, workers=self.workers)))


@contextmanager
def _quiet_lightning() -> Iterator[None]:
    """Keep Lightning from advertising, and from warning of its own code."""
    loggers = [logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            # torch 2.13 deprecates what Lightning 2.6 calls, and what older ones need.
            for what in ("LeafSpec", "broadcast_buffers"):
                warnings.filterwarnings("ignore", message=f".*{what}", category=FutureWarning)
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
