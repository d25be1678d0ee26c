"""Progress callbacks: the library reports progress and never prints."""

from collections.abc import Callable

OnProgress = Callable[[int, int], None]
"""Callback with (items done, items in all), called after each item."""


def ignore_progress(done: int, total: int) -> None:
    """Do nothing; the default callback."""
