"""Log file of `--log-file`: lines with times, without secrets."""

import logging
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from minortom.api.terminal_text import terminal_text
from minortom.errors import InputError

_HEAD_BYTES = 4096
"""Bytes at the beginning of a file that show whether it is text."""

_log = logging.getLogger(__name__)


class LogFile(logging.FileHandler):
    """Appends messages to a file; where that fails, the command goes on without the file."""

    def __init__(self, path: Path) -> None:
        """Open a file, and create the folders above it.

        Raises:
            InputError: If the file cannot be opened, or has other data than text.
        """
        if path.is_dir():
            raise InputError(
                f"--log-file: expected a file, found the folder {path}; name a file in it"
            )
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.is_file() and not _is_text(path):
                raise InputError(
                    f"--log-file: expected a new file or a text file, found other data in {path}; "
                    "give another path"
                )
            super().__init__(path, encoding="utf-8")
        except OSError as error:
            raise InputError(
                f"--log-file: cannot write {path}: {error.strerror}; give another path"
            ) from None
        self.setFormatter(_LogLines())

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802  (overrides)
        """Write no more messages, and say so, where the file takes none, as on a full disk."""
        error = sys.exc_info()[1]
        if not isinstance(error, OSError):
            super().handleError(record)
            return
        self.setLevel(logging.CRITICAL + 1)
        _log.warning("%s has no further messages: %s", self.baseFilename, error.strerror)

    def close(self) -> None:
        """Close the file, whether or not it took the last messages."""
        with suppress(OSError):
            super().close()


def _is_text(path: Path) -> bool:
    with path.open("rb") as file:
        return b"\0" not in file.read(_HEAD_BYTES)


class _LogLines(logging.Formatter):
    """Lines with time (UTC), process, level and message, without the secrets of URLs."""

    def __init__(self) -> None:
        self.converter = time.gmtime
        super().__init__("%(asctime)sZ %(process)d %(levelname)s %(message)s", "%Y-%m-%dT%H:%M:%S")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  (overrides)
        record.message = " ".join(record.message.split())
        return terminal_text(super().formatMessage(record))

    def formatException(self, ei: Any) -> str:  # noqa: ANN401, N802  (overrides)
        return terminal_text(super().formatException(ei))
