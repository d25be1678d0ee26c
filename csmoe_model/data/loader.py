"""Loader of batches: threads read samples by byte offset into reused buffers."""

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

from csmoe_model.data.device_copy import StartTransfer, Transfer, transfer_to
from csmoe_model.data.sampler import Batches, Samples, rank_share
from minortom.api.cores import available_cores
from minortom.errors import InputError
from minortom.shards.layout import ALL_BANDS
from minortom.shards.shard_set import ShardSet

_CPU = torch.device("cpu")
_BATCHES_AHEAD = 3
"""Number of batches read ahead: covers slow reads; each takes 55 MB at 256 pairs."""


@dataclass(frozen=True, kw_only=True)
class Batch:
    """The part of a global batch that belongs to one process.

    On the CPU the tensors are views of buffers that the loader reuses: they are valid until the
    next batch is requested.
    """

    epoch: int
    samples: Samples
    """Numbers of the samples in the data set."""
    tensors: Mapping[str, Tensor]
    """Stored values [sample, band, row, column], by tensor column."""


_MAX_THREADS = 1024


def reader_threads(wanted: int | None) -> int:
    """Return the number of reading threads: `wanted`, or one per core and at most 8 when None.

    Raises:
        InputError: If more threads are wanted than help anywhere.
    """
    if wanted is not None and wanted > _MAX_THREADS:
        raise InputError(f"workers must be at most {_MAX_THREADS} threads, found {wanted}")
    return wanted or min(8, available_cores())


class Loader:
    """Iterable over batches, read ahead of their use; `Stateful` in the sense of Lightning.

    Its state is the number of batches returned so far, so that resuming reads no earlier batch.
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
        """Prepare a loader; reading starts with the iteration.

        Args:
            shards: Data set to read.
            batches: Samples of each global batch.
            workers: Number of reading threads.
            rank: Rank of this process.
            world_size: Number of processes.
            device: Device of the batches. Copies to a GPU start from page-locked memory and run
                beside its steps.

        Raises:
            InputError: If the shards do not have all bands of the model.
        """
        check_bands(shards)
        self.step = 0
        self.waited_s = 0.0
        """Total time spent waiting for batches, in seconds."""
        self._shards = shards
        self._batches = batches
        self._workers = workers
        self._rank, self._world_size = rank, world_size
        self._device = device

    def __len__(self) -> int:
        return len(self._batches)

    def state_dict(self) -> dict[str, int]:
        """Return the number of batches returned so far."""
        return {"step": self.step}

    def load_state_dict(self, state: Mapping[str, int]) -> None:
        """Start the next iteration at the batch of a saved state."""
        self.step = state["step"]

    def __iter__(self) -> Iterator[Batch]:
        """Iterate over the batches from the current step on."""
        start_transfer = transfer_to(self._device)
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
                batch = reading.batch(start_transfer)
                self.waited_s += time.monotonic() - asked
                self.step += 1
                if pending and pending[0].is_read():
                    pending[0].transfer_once(start_transfer)
                yield batch
                reading.finish()
                free.append(reading.buffers)
        finally:
            pool.shutdown(wait=True, cancel_futures=True)

    def _start(self, step: int, free: "list[_Buffers]", pool: ThreadPoolExecutor) -> "_Reading":
        """Start to read one batch in the threads."""
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
    """Memory of one batch: the same bytes as tensors and as arrays."""

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
    """A batch that threads are reading, and its transfer to the device."""

    epoch: int
    samples: Samples
    buffers: _Buffers
    parts: list[Future[None]]
    transfer: Transfer | None = None

    def is_read(self) -> bool:
        return all(part.done() for part in self.parts)

    def transfer_once(self, start_transfer: StartTransfer) -> Transfer:
        """Wait for the threads and start the transfer, unless it was started before."""
        if self.transfer is None:
            for part in self.parts:
                part.result()
            count = len(self.samples)
            self.transfer = start_transfer(
                {c: tensor[:count] for c, tensor in self.buffers.tensors.items()}
            )
        return self.transfer

    def batch(self, start_transfer: StartTransfer) -> Batch:
        tensors = self.transfer_once(start_transfer).tensors()
        return Batch(epoch=self.epoch, samples=self.samples, tensors=tensors)

    def finish(self) -> None:
        """Wait until the buffers may be overwritten."""
        assert self.transfer is not None
        self.transfer.finish()
