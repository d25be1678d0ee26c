"""Training loop: Lightning takes the steps, in one process or in several with DDP."""

import logging
from dataclasses import dataclass

import lightning
import torch
from lightning.pytorch.strategies import DDPStrategy

from csmoe_model.data.loader import Batch, Loader
from csmoe_model.data.sampler import EveryNth, OrderedBatches, Samples, permutation, steps_per_epoch
from csmoe_model.distributed.collectives import on_all_processes
from csmoe_model.distributed.launch import Launch
from csmoe_model.nn.cost import pretraining_cost
from csmoe_model.runs.folder import RunFolder
from csmoe_model.runs.run_logger import RunLogger
from csmoe_model.runs.trackers import Tracking
from csmoe_model.training.callback import TrainingCallback
from csmoe_model.training.checkpoint_io import DirectCheckpointIO
from csmoe_model.training.lightning_setup import quiet_lightning
from csmoe_model.training.module import Pretraining
from csmoe_model.training.out_of_memory import full_memory_error
from csmoe_model.training.save_weights import RunWeights
from csmoe_model.training.signals import StopRequest
from csmoe_model.training.step_log import OnStep, StepLog
from csmoe_model.training.throughput import Meter

_SHOWN_PAIRS = 4
"""Number of validation pairs whose reconstructions are drawn."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class TrainingLoop:
    """Takes the steps of a run; validates and saves checkpoints between them."""

    run: Pretraining
    folder: RunFolder
    launch: Launch
    stop: StopRequest
    workers: int
    save_every: int
    weights: RunWeights

    def take_steps(self, *, after: int, tracking: Tracking, on_step: OnStep) -> None:
        """Take all steps after the given one; return earlier if a signal comes.

        Args:
            after: Number of steps already taken; the checkpoint is that of this step.
            tracking: Trackers to start, such as TensorBoard.
            on_step: Callback, called after each step in every process.

        Raises:
            DivergedError: If a loss term or the gradient is not finite.
            FullMemoryError: If a batch does not fit into the memory of the GPU.
        """
        first = self.launch.rank == 0
        run_logger = on_all_processes(
            lambda: RunLogger(self.folder, tracking, step=after) if first else None
        )
        try:
            callback = self._callback(run_logger, on_step)
            is_full = self._fit(callback, after=after)
        finally:
            if run_logger is not None:
                run_logger.close()
        if is_full:  # raised here, where nothing holds the tensors of the failed step any more
            launch = self.launch
            raise full_memory_error(self.run, world_size=launch.world_size, device=launch.device)

    def _fit(self, callback: TrainingCallback, *, after: int) -> bool:
        """Take the steps with Lightning; return whether the memory of the GPU was too small."""
        try:
            with quiet_lightning():
                trainer = self._trainer(callback)
                checkpoint = self.folder.checkpoint if after else None
                trainer.fit(self.run, ckpt_path=checkpoint, weights_only=True)
                # If a signal came at the very last step, its validation is still missing.
                callback.catch_up(self.run.to(self.launch.device), trainer.global_step)
        except torch.OutOfMemoryError:
            return True
        return False

    def _trainer(self, callback: TrainingCallback) -> lightning.Trainer:
        launch, several = self.launch, self.launch.environment is not None
        plugins = [DirectCheckpointIO(), launch.environment] if several else [DirectCheckpointIO()]
        return lightning.Trainer(
            accelerator="gpu" if launch.device.type == "cuda" else "cpu",
            devices=launch.local_size,
            num_nodes=launch.num_nodes,
            # No buffer ever changes; gradients are summed in place.
            strategy=DDPStrategy(broadcast_buffers=False, gradient_as_bucket_view=True)
            if several
            else "auto",
            max_epochs=1,  # the loader returns all epochs as one, so that all steps are alike
            max_steps=self.run.num_steps,
            accumulate_grad_batches=self.run.config.accumulate,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            use_distributed_sampler=False,
            callbacks=[callback],
            plugins=plugins,  # type: ignore[arg-type]  # a list of several kinds
        )

    def _callback(self, run_logger: RunLogger | None, on_step: OnStep) -> TrainingCallback:
        """Make the callback; warn if the shards have no validation split."""
        run = self.run
        samples = run.shards.indices("val")
        # Shuffled once for all validations. In stored order, a batch would hold pairs of one tile
        # only, and the contrastive term would differ from that of training.
        mixed = samples[permutation(len(samples), run.config.seed, 0)]
        if not len(samples) and run_logger is not None:
            _log.warning("the shards have no split `val`: training without validation")
        an_epoch = steps_per_epoch(len(run.shards.indices("train")), run.config.batch_size)
        return TrainingCallback(
            run_logger=run_logger,
            step_log=StepLog(run_logger=run_logger, new_meter=self._new_meter, on_step=on_step),
            checkpoint=self.folder.checkpoint,
            stop=self.stop,
            val_every=run.config.val_every or an_epoch,
            val_loader=self._val_loader(mixed) if len(samples) else None,
            shown=self._shown(mixed) if len(samples) and run_logger is not None else None,
            save_every=self.save_every,
            keep_every=run.config.keep_every * an_epoch,
            keep=lambda step: self.weights.keep(
                self.folder, epochs=step // an_epoch, steps=step
            ),
        )  # fmt: skip

    def _new_meter(self) -> Meter:
        loader = self.run.loader
        return Meter(
            macs_per_pair=pretraining_cost(self.run.model.config).macs_full,
            device=self.launch.device, num_processes=self.launch.world_size,
            waited_s=lambda: loader.waited_s,
        )  # fmt: skip

    def _val_loader(self, samples: Samples) -> Loader:
        """Return this process's batches of the split, with as many pairs as in training."""
        config, launch = self.run.config, self.launch
        size = config.batch_size // config.accumulate
        batches = EveryNth(
            batches=OrderedBatches(samples=samples, batch_size=size),
            first=launch.rank, stride=launch.world_size,
        )  # fmt: skip
        return Loader(self.run.shards, batches, workers=self.workers, device=launch.device)

    def _shown(self, samples: Samples) -> Batch:
        """Read a few pairs of the split, at most as many as training takes at once."""
        config = self.run.config
        count = min(_SHOWN_PAIRS, config.batch_size // config.accumulate)
        batches = OrderedBatches(samples=samples[:count], batch_size=count)
        return next(iter(Loader(self.run.shards, batches, workers=self.workers)))
