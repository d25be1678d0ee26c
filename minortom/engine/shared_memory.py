"""Arrays from a worker process to this one through memory that both see, not through a pipe.

This process makes the memory, anonymous, so that it ends with this process however that ends; the
worker finds it by ``/proc``. Where it cannot, arrays come back as results do, by pickle. Memory is
used again once the last array in it is gone: fresh pages cost more than what is written to them.
Beyond as many slots as a process may have descriptors for, arrays come by pickle, too.
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
"""In place of a descriptor: no memory."""

Layout = tuple[tuple[str, str, tuple[int, ...]], ...]
"""Name, dtype and shape of each array, one after the other."""


@dataclass(frozen=True, kw_only=True)
class Slot:
    """Memory for the arrays of one result: as a worker finds it."""

    process: int
    number: int
    """File descriptor in that process."""

    def fill(self, arrays: Arrays) -> Layout | None:
        """Write arrays, in a worker; None where it cannot: no such memory, or too little."""
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
    """Items, each with a slot, given when the item is taken: as many as are in use at once."""

    def __init__(self, items: Sequence[Item]) -> None:
        """Use as a context manager, which closes the slots; arrays that were taken stay."""
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
        if not self._free and len(self._made) < _most_slots():
            self._made.append(os.memfd_create("minortom-handover"))
            self._free.append(self._made[-1])
        number = self._free.pop() if self._free else _NOWHERE
        return item, Slot(process=os.getpid(), number=number)

    def take(self, slot: Slot, layout: Layout | None) -> dict[str, NDArray[np.generic]] | None:
        """Map what a worker wrote; the slot is for another item when the last array is gone.

        Returns:
            The arrays, not to be written to; None where the worker wrote none.
        """
        sizes = [math.prod(shape) * np.dtype(kind).itemsize for _, kind, shape in layout or ()]
        memory: mmap.mmap | bytes = b""
        if any(sizes):
            memory = mmap.mmap(slot.number, sum(sizes), prot=mmap.PROT_READ)
            weakref.finalize(memory, self._free.append, slot.number).atexit = False
        elif slot.number != _NOWHERE:
            self._free.append(slot.number)
        return None if layout is None else _arrays_in(memory, layout, sizes)


def _most_slots() -> int:
    """Give how many may be open: each has two descriptors, its own and that of its mapping."""
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
