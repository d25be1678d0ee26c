"""Progress callbacks: the library reports progress and never prints."""

from collections.abc import Callable

OnProgress = Callable[[int, int], None]
"""Callback with (items done, items in all), called after each item."""


def ignore_progress(done: int, total: int) -> None:
    """Do nothing; the default callback."""


def part_of(on_progress: OnProgress, number: int, *, parts: int, size: int) -> OnProgress:
    """Return the callback of one of several parts, each of which counts as ``size`` items.

    Args:
        on_progress: Callback for all parts.
        number: Number of this part, from 0.
        parts: Number of parts.
        size: Items of a part; the counts of a part become such items in proportion.
    """

    def move(done: int, total: int) -> None:
        here = size * done // total if total else size
        on_progress(number * size + here, parts * size)

    return move
