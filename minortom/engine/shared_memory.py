"""Transfer of arrays from a worker process to this one through shared memory.

This process creates anonymous memory, which the system frees when the process ends. The worker
opens it through ``/proc``. If the worker cannot, or if the process has too few file descriptors
for another slot, arrays return by pickle, as other results do. Memory is reused when the last
array in it is deleted, because fresh pages cost more time than the copy into them.
"""

import itertools
import math
import mmap
import os
import resource
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

Item = TypeVar("Item")
Arrays = Mapping[str, NDArray[np.generic]]

_NOWHERE = -1
"""File descriptor of a slot without memory."""

Layout = tuple[tuple[str, str, tuple[int, ...]], ...]
"""Name, dtype and shape of each array, in the order of their bytes."""


@dataclass(frozen=True, kw_only=True)
class Slot:
    """Shared memory for the arrays of one result, as a worker opens it."""

    process: int
    """Number of the process that created the memory."""
    number: int
    """File descriptor in that process."""

    def fill(self, arrays: Arrays) -> Layout | None:
        """Write arrays in a worker and return their layout; None if the memory is not writable."""
        try:
            handle = os.open(f"/proc/{self.process}/fd/{self.number}", os.O_WRONLY)
        except OSError:
            return None
        try:
            for array in (array for array in arrays.values() if array.size):
                data = np.ascontiguousarray(array).data.cast("B")
                while data:
                    data = data[os.write(handle, data) :]
        except OSError:
            return None
        finally:
            os.close(handle)
        return tuple((name, array.dtype.str, array.shape) for name, array in arrays.items())


class WithSlots(Sequence[tuple[Item, Slot]], Generic[Item]):
    """Sequence of items, each with a slot, created or reused when the item is read."""

    def __init__(self, items: Sequence[Item]) -> None:
        """Wrap items; the context manager closes the slots, but their arrays stay valid."""
        self._items = items
        self._made: list[int] = []
        self._free: list[int] = []

    def __enter__(self) -> "WithSlots[Item]":
        return self

    def __exit__(self, *_: object) -> None:
        for number in self._made:
            os.close(number)

    def __len__(self) -> int:
        return len(self._items)

    def __getitem__(self, index: int) -> tuple[Item, Slot]:  # type: ignore[override]  # no slices
        item = self._items[index]
        if not self._free and len(self._made) < _max_slots():
            self._made.append(os.memfd_create("minortom-handover"))
            self._free.append(self._made[-1])
        number = self._free.pop() if self._free else _NOWHERE
        return item, Slot(process=os.getpid(), number=number)

    def take(self, slot: Slot, layout: Layout | None) -> dict[str, NDArray[np.generic]] | None:
        """Return the arrays that a worker wrote; the slot is reused when the last is deleted.

        Returns:
            Read-only arrays by name; None if the worker has not written to the slot.
        """
        sizes = [math.prod(shape) * np.dtype(kind).itemsize for _, kind, shape in layout or ()]
        memory: mmap.mmap | bytes = b""
        if any(sizes):
            memory = mmap.mmap(slot.number, sum(sizes), prot=mmap.PROT_READ)
            weakref.finalize(memory, self._free.append, slot.number).atexit = False
        elif slot.number != _NOWHERE:
            self._free.append(slot.number)
        return None if layout is None else _arrays_in(memory, layout, sizes)


def _max_slots() -> int:
    """Return the maximum number of slots: each needs two descriptors, one for its mapping."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return 2**14 if soft == resource.RLIM_INFINITY else soft // 4


def _arrays_in(
    memory: mmap.mmap | bytes, layout: Layout, sizes: Sequence[int]
) -> dict[str, NDArray[np.generic]]:
    firsts = itertools.accumulate(sizes, initial=0)
    return {
        name: np.ndarray(shape, kind, memory, first)
        for (name, kind, shape), first in zip(layout, firsts, strict=False)
    }
