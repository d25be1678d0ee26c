"""How the library tells how far it is, without printing."""

from collections.abc import Callable

OnProgress = Callable[[int, int], None]
"""Called with (items done, items in all) as the work goes on."""


def ignore_progress(done: int, total: int) -> None:
    """Tell nobody."""
