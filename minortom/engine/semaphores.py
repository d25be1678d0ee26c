"""Check of the semaphores that worker processes need."""

import multiprocessing

from minortom.errors import MinorTomError

SHARED_MEMORY = "/dev/shm"  # noqa: S108 - where the C library has its semaphores


def require_semaphores() -> None:
    """Check that this process may create a semaphore; it lies in shared memory.

    Raises:
        MinorTomError: If it may not, as in some containers.
    """
    try:
        multiprocessing.get_context("spawn").Lock()
    except OSError as error:
        raise MinorTomError(
            f"worker processes need semaphores in {SHARED_MEMORY}, which cannot be written "
            f"({error.strerror or error}); mount it with write permission and free space, or give "
            "--workers 1"
        ) from None
