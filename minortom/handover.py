"""Arrays from a worker process to this one through memory that both see, not through a pipe.

This process makes the memory, anonymous, so that it ends with this process however that ends; the
worker finds it by ``/proc``. Where it cannot, arrays come back as results do, by pickle. A mapping
holds its memory and one descriptor until the last array of it is gone.
"""

import math
import mmap
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

Item = TypeVar("Item")
Arrays = Mapping[str, NDArray[np.generic]]


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
    """Items, each with a slot that is made when the item is taken: few are open at once."""

    def __init__(self, items: Sequence[Item]) -> None:
        """Use as a context manager, which closes what is left open."""
        self._items = items
        self._open: set[int] = set()

    def __enter__(self) -> "WithSlots[Item]":
        return self

    def __exit__(self, *_: object) -> None:
        for number in self._open:
            os.close(number)

    def __len__(self) -> int:
        return len(self._items)

    def __getitem__(self, index: int) -> tuple[Item, Slot]:  # type: ignore[override]  # no slices
        item = self._items[index]
        number = os.memfd_create("minortom-handover")
        self._open.add(number)
        return item, Slot(process=os.getpid(), number=number)

    def take(self, slot: Slot, layout: Layout | None) -> dict[str, NDArray[np.generic]] | None:
        """Map what a worker wrote, and close the slot: the memory goes with the last array.

        Returns:
            The arrays, not to be written to; None where the worker wrote none.
        """
        try:
            return None if layout is None else _mapped(slot.number, layout)
        finally:
            self._open.discard(slot.number)
            os.close(slot.number)


def _mapped(handle: int, layout: Layout) -> dict[str, NDArray[np.generic]]:
    counts = [math.prod(shape) for _, _, shape in layout]
    sizes = [
        count * np.dtype(kind).itemsize for count, (_, kind, _) in zip(counts, layout, strict=True)
    ]
    memory = mmap.mmap(handle, sum(sizes), prot=mmap.PROT_READ) if sum(sizes) else b""
    found: dict[str, NDArray[np.generic]] = {}
    first = 0
    for (name, kind, shape), count, size in zip(layout, counts, sizes, strict=True):
        found[name] = np.frombuffer(memory, kind, count=count, offset=first).reshape(shape)
        first += size
    return found
