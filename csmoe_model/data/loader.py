"""Shards to batches on the device: threads read single samples by offset into reused buffers."""

import os
import time
from collections import deque
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from csmoe_model.data.device_copy import Send, Upload, sender
from csmoe_model.data.sampler import Batches, Samples, rank_share
from minortom.errors import InputError
from minortom.shards.layout import ALL_BANDS
from minortom.shards.shard_set import ShardSet

_CPU = torch.device("cpu")
_BATCHES_AHEAD = 3
"""Batches being read while one is used: hides a slow read, costs 55 MB each at 256 pairs."""


@dataclass(frozen=True, kw_only=True)
class Batch:
    """One process's part of a global batch.

    On the CPU the tensors are views of buffers that the loader fills again: they hold until the
    next batch is asked for.
    """

    epoch: int
    samples: Samples
    """Numbers of the samples in the shards."""
    tensors: Mapping[str, Tensor]
    """Stored values [sample, band, row, column], by tensor column."""


def reader_threads(wanted: int | None) -> int:
    """Give the number of threads that read: as wanted, or all cores but no more than 8."""
    return wanted or min(8, os.cpu_count() or 1)


class Loader:
    """Reads batches ahead of their use; a `Stateful` iterable, as Lightning understands it.

    Its state is the number of batches given out, so that going on is arithmetic.
    """

    def __init__(
        self,
        shards: ShardSet,
        batches: Batches,
        *,
        workers: int = 2,
        rank: int = 0,
        world_size: int = 1,
        device: torch.device = _CPU,
    ) -> None:
        """Prepare to read.

        Args:
            shards: Where the samples lie.
            batches: Which samples come when, over all processes.
            workers: Threads that read.
            rank: Number of this process.
            world_size: Number of processes.
            device: Where batches are wanted. To a GPU they are copied from page-locked memory,
                beside its steps.

        Raises:
            InputError: If the shards lack bands that the model sees.
        """
        check_bands(shards)
        self.step = 0
        self.waited_s = 0.0
        """Time that was spent on waiting for batches, in all."""
        self._shards = shards
        self._batches = batches
        self._workers = workers
        self._rank, self._world_size = rank, world_size
        self._device = device

    def __len__(self) -> int:
        return len(self._batches)

    def state_dict(self) -> dict[str, int]:
        """Say how many batches were given out."""
        return {"step": self.step}

    def load_state_dict(self, state: Mapping[str, int]) -> None:
        """Let the next iteration begin where a former one stopped."""
        self.step = state["step"]

    def __iter__(self) -> Iterator[Batch]:
        """Give the batches from the current step on; the first buffer goes with the second."""
        send = sender(self._device)
        free: list[_Buffers] = []
        pending: deque[_Reading] = deque()
        upcoming = iter(range(self.step, len(self._batches)))
        pool = ThreadPoolExecutor(self._workers, thread_name_prefix="csmoe-loader")
        try:
            while True:
                while len(pending) <= _BATCHES_AHEAD:
                    step = next(upcoming, None)
                    if step is None:
                        break
                    pending.append(self._start(step, free, pool))
                if not pending:
                    return
                reading = pending.popleft()
                asked = time.monotonic()
                batch = reading.batch(send)
                self.waited_s += time.monotonic() - asked
                self.step += 1
                if pending and pending[0].is_read():
                    pending[0].set_off(send)
                yield batch
                reading.finish()
                free.append(reading.buffers)
        finally:
            pool.shutdown(wait=True, cancel_futures=True)

    def _start(self, step: int, free: "list[_Buffers]", pool: ThreadPoolExecutor) -> "_Reading":
        """Hand the reads of one batch to the threads."""
        epoch, whole_batch = self._batches.at(step)
        samples = rank_share(whole_batch, rank=self._rank, world_size=self._world_size)
        buffers = free.pop() if free else None
        if buffers is None or buffers.num_rows < len(samples):
            buffers = _Buffers(self._shards, len(samples), pin=self._device.type == "cuda")
        cuts = np.linspace(0, len(samples), self._workers + 1).astype(int).tolist()
        parts = [
            pool.submit(self._read, samples, first, last, buffers.arrays)
            for first, last in pairwise(cuts)
        ]
        return _Reading(epoch=epoch, samples=samples, buffers=buffers, parts=parts)

    def _read(
        self, samples: Samples, first: int, last: int, arrays: Mapping[str, NDArray[np.generic]]
    ) -> None:
        self._shards.read_rows(samples[first:last].tolist(), arrays, first)


class _Buffers:
    """Memory for one batch: the same bytes as tensors and as arrays."""

    def __init__(self, shards: ShardSet, num_rows: int, *, pin: bool) -> None:
        self.num_rows = num_rows
        self.tensors = {
            column: torch.from_numpy(array) for column, array in shards.buffers(num_rows).items()
        }
        if pin:
            self.tensors = {column: t.pin_memory() for column, t in self.tensors.items()}
        self.arrays = {column: tensor.numpy() for column, tensor in self.tensors.items()}


def check_bands(shards: ShardSet) -> None:
    """Check that shards have all bands that the model sees.

    Raises:
        InputError: If a band is missing.
    """
    missing = [band for band in ALL_BANDS if band not in shards.spec.bands]
    if missing:
        raise InputError(
            f"the model needs all bands of both sensors, and {shards.folder} does not have "
            f"{', '.join(missing)}; export the shards again without --bands"
        )


@dataclass(kw_only=True)
class _Reading:
    """A batch that threads are filling, and that sets off to the device when they have."""

    epoch: int
    samples: Samples
    buffers: _Buffers
    parts: list[Future[None]]
    upload: Upload | None = None

    def is_read(self) -> bool:
        return all(part.done() for part in self.parts)

    def set_off(self, send: Send) -> Upload:
        """Wait for the threads, and let the batch set off; once."""
        if self.upload is None:
            for part in self.parts:
                part.result()
            count = len(self.samples)
            self.upload = send({c: tensor[:count] for c, tensor in self.buffers.tensors.items()})
        return self.upload

    def batch(self, send: Send) -> Batch:
        tensors = self.set_off(send).tensors()
        return Batch(epoch=self.epoch, samples=self.samples, tensors=tensors)

    def finish(self) -> None:
        """Wait until the buffers may be filled anew."""
        assert self.upload is not None
        self.upload.finish()
