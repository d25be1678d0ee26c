"""``python -m minortom_cli.torchrun …``: torchrun with the exit code of its processes.

torchrun itself exits with 1 and a traceback for every failure. The script of a job then cannot
distinguish a run that was stopped from one that failed.
"""

import signal
import sys
from collections.abc import Sequence

import csmoe_model  # noqa: F401  # sets how OpenMP threads wait, before torch is imported
from minortom_cli.console import say


def main(arguments: Sequence[str] | None = None) -> int:
    """Run torchrun with the same arguments.

    Returns:
        0, or the exit code of the first process that failed; 128 plus the number of a signal.
    """
    from torch.distributed.elastic.multiprocessing import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.run import main as torchrun

    try:
        torchrun(arguments)
    except SignalException as stopped:
        return 128 + int(stopped.sigval)
    except ChildFailedError as failed:
        number, failure = failed.get_first_failure()
        code: int = failure.exitcode
        code = 128 - code if code < 0 else code  # ended by a signal
        if code not in (128 + signal.SIGINT, 128 + signal.SIGTERM):
            say(f"process {number} ended with exit code {code}")
        return code
    return 0


if __name__ == "__main__":
    sys.exit(main())
