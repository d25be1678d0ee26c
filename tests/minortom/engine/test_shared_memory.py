"""Transfer of arrays from another process through shared memory."""

import contextlib
from functools import partial
from pathlib import Path

import numpy as np
from worker_calls import fill, made

from minortom.engine.executors import as_done, local_executor
from minortom.engine.shared_memory import Slot, WithSlots


def open_slots():
    names = []
    for path in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # the folder's own
            names.append(str(path.readlink()))
    return sum("minortom-handover" in name for name in names)


def test_arrays_of_another_process_are_read_and_their_memory_is_closed():
    with local_executor(2) as executor, WithSlots([3, 1, 7, 2]) as slots:
        found = {}
        for position, (slot, layout) in as_done(executor, fill, slots):
            found[position] = slots.take(slot, layout)
    for position, number in enumerate((3, 1, 7, 2)):
        for name, wanted in made(number).items():
            np.testing.assert_array_equal(found[position][name], wanted)
            assert found[position][name].dtype == wanted.dtype
    del found  # a mapping keeps its memory's descriptor as long as it lives
    assert open_slots() == 0


def test_slots_without_a_result_are_closed():
    with WithSlots(["x"] * 5) as slots:
        assert len(list(slots)) == 5
        assert open_slots() == 5
    assert open_slots() == 0


def test_with_few_file_descriptors_arrays_return_by_pickle(monkeypatch):
    monkeypatch.setattr("resource.getrlimit", lambda _: (8, 8))
    with WithSlots([5, 4, 3]) as slots:
        (_, first), (_, second), (_, third) = slots
        assert third.fill(made(3)) is None
        assert slots.take(third, None) is None
        taken = slots.take(first, first.fill(made(5)))
        assert slots.take(second, None) is None
        assert slots[0][1] == second  # there is room again
        np.testing.assert_array_equal(taken["a"], made(5)["a"])


def test_a_process_without_access_to_the_memory_writes_nothing():
    assert Slot(process=2**22 - 1, number=3).fill({"a": np.zeros(3)}) is None
    with WithSlots([1]) as slots:
        _, slot = slots[0]
        assert slots.take(slot, None) is None


def test_arrays_stay_valid_after_the_slot_is_closed():
    with WithSlots([4]) as slots:
        number, slot = slots[0]
        taken = slots.take(slot, partial(slot.fill, made(number))())
    np.testing.assert_array_equal(taken["a"], made(4)["a"])


def test_memory_is_reused_once_all_arrays_in_it_are_deleted():
    with WithSlots([4, 2, 3, 0]) as slots:
        items = iter(range(4))

        def taken():
            number, slot = slots[next(items)]
            return slots.take(slot, slot.fill(made(number)))

        first, second = taken(), taken()
        assert len(slots._made) == 2  # both are in use
        kept = first["b"]
        del first
        third = taken()
        assert len(slots._made) == 3  # of the first an array is left
        np.testing.assert_array_equal(kept, made(4)["b"])
        del kept, second
        last = taken()
        assert len(slots._made) == 3
        for name, wanted in made(0).items():
            np.testing.assert_array_equal(last[name], wanted)
        np.testing.assert_array_equal(third["a"], made(3)["a"])
