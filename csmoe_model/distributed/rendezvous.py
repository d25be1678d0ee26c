"""The meeting of the processes of a run: a store in which each one signs in, and a limited wait."""

import logging
import os
import socket
import time
from dataclasses import dataclass
from itertools import count

from torch.distributed import TCPStore  # type: ignore[attr-defined]  # without stubs

from minortom.errors import InputError

_POLL_S = 0.1
_CONNECT_S = 5.0

_log = logging.getLogger(__name__)
_meetings = count()
"""Numbers of the meetings of this process: each signs in under keys of its own."""


@dataclass(frozen=True, kw_only=True)
class Meeting:
    """Processes that are expected, and where."""

    rank: int
    world_size: int
    host: str
    port: int
    source: str
    """Environment variable that sets the number of processes."""
    timeout_s: int

    def join(self) -> TCPStore:
        """Wait until every process has joined; return the store that they share.

        The wait is in Python, where a signal ends it at once, and not in C++ as that of torch.

        Raises:
            InputError: If a process is missing at the end of the wait.
        """
        key, deadline = f"minortom/joined/{next(_meetings)}", time.monotonic() + self.timeout_s
        if self.rank == 0:
            _log.warning(
                "waiting for %d processes, as %s says, for at most %d s",
                self.world_size, self.source, self.timeout_s,
            )  # fmt: skip
        store = self._store(deadline)
        joined = store.add(key, 1)
        while joined < self.world_size:
            if time.monotonic() > deadline:
                raise self._missing(f"{joined} on")
            time.sleep(_POLL_S)
            joined = store.add(key, 0)
        return store

    def _store(self, deadline: float) -> TCPStore:
        """Open the store of the first process, or of torchrun, once it answers."""
        of_torchrun = os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == str(True)
        is_master = self.rank == 0 and not of_torchrun
        while not (is_master or self._answers()):
            if time.monotonic() > deadline:
                raise self._missing("none on")
            time.sleep(_POLL_S)
        return TCPStore(
            self.host, self.port, self.world_size, is_master=is_master, wait_for_workers=False,
            multi_tenant=not of_torchrun,
        )  # fmt: skip

    def _answers(self) -> bool:
        try:
            socket.create_connection((self.host, self.port), timeout=_CONNECT_S).close()
        except OSError:
            return False
        return True

    def _missing(self, found: str) -> InputError:
        return InputError(
            f"expected {self.world_size} processes within {self.timeout_s} s (--join-timeout), as "
            f"{self.source} says, found {found} {self.host}:{self.port}; start all of them with "
            f"srun or torchrun, or unset {self.source} to train in one process"
        )
