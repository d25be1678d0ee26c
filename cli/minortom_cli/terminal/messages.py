"""Messages of one call of a program on stderr: results alone, notes, debug messages, a log file."""

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from pathlib import Path

import typer

from minortom.api.terminal_text import terminal_text
from minortom.errors import UsageError
from minortom_cli.terminal.encoding import json_text
from minortom_cli.terminal.log_file import LogFile

_LOGGERS = ("minortom", "csmoe_model", "minortom_cli")
_SHOWN = "minortom_cli.shown"
"""Logger of the messages that stand on stderr already."""
_current: ContextVar["Messages | None"] = ContextVar("messages", default=None)


class Messages:
    """Messages of a call, as its options ask for them: `--quiet`, `--verbose`, `--log-file`."""

    def __init__(self, *, as_json: bool) -> None:
        """Print notes; `as_json` prints an error as a JSON object."""
        self.as_json = as_json
        self.quiet = self.verbose = self.logs = False
        self.command: str | None = None
        """The command that was typed; another one may run inside it."""
        self._until_the_end = ExitStack()

    def configure(self, *, quiet: bool, verbose: bool, log_file: Path | None) -> None:
        """Apply the options of a command, in addition to those of its group.

        Raises:
            UsageError: If both `quiet` and `verbose` are set.
            InputError: If the log file cannot be one.
        """
        self.quiet, self.verbose = self.quiet or quiet, self.verbose or verbose
        if self.quiet and self.verbose:
            raise UsageError("--quiet and --verbose contradict each other; give one of them")
        if log_file is not None:
            self._add_handler(LogFile(log_file))
            self.logs = True
        if self.verbose or self.logs:
            self._enable_debug()

    def info(self, text: str) -> None:
        """Print a message unless the call is quiet."""
        if not self.quiet:
            typer.echo(terminal_text(text), err=True)
        self.log(text)

    def error(self, text: str, *, exit_code: int) -> None:
        """Print an error in one line, or as a JSON object in one line."""
        line = " ".join(text.split())
        logging.getLogger(_SHOWN).error("error: %s", line)
        if self.as_json:
            _echo_json(line, exit_code=exit_code)
        else:
            typer.secho(terminal_text(f"error: {line}"), fg="red", err=True, color=colour())

    def stopped(self, what: str, again: str, *, exit_code: int) -> None:
        """Print what an interrupt left, and the command that resumes the work."""
        logging.getLogger(_SHOWN).error("%s; %s", what, again)
        if self.as_json:
            _echo_json(f"{what}; {again}", exit_code=exit_code)
        else:
            typer.secho(terminal_text(what), fg="red", err=True, color=colour())
            typer.echo(terminal_text(again), err=True)

    def log(self, text: str) -> None:
        """Write a message into the log file alone."""
        logging.getLogger(_SHOWN).info("%s", text)

    @contextmanager
    def printing(self) -> Iterator[None]:
        """Print what the libraries log; at the end close the log file."""
        with self._until_the_end:
            self._add_handler(_Printer(self))
            try:
                yield
            except Exception:  # a bug of any kind, which goes on to its traceback
                logging.getLogger(_SHOWN).exception("ended by a bug")
                raise

    def _add_handler(self, handler: logging.Handler) -> None:
        self._until_the_end.callback(handler.close)
        for logger in map(logging.getLogger, _LOGGERS):
            logger.addHandler(handler)
            self._until_the_end.callback(logger.removeHandler, handler)

    def _enable_debug(self) -> None:
        for logger in map(logging.getLogger, _LOGGERS):
            self._until_the_end.callback(logger.setLevel, logger.level)
            logger.setLevel(logging.DEBUG)


@contextmanager
def messages(*, as_json: bool = False) -> Iterator[Messages]:
    """Yield the messages of this call; a command that another one runs shares those of the other.

    Args:
        as_json: Whether an error is printed as JSON.
    """
    outer = _current.get()
    if outer is not None:
        yield outer
        return
    made = Messages(as_json=as_json)
    token = _current.set(made)
    try:
        with made.printing():
            yield made
    finally:
        _current.reset(token)


def current_messages() -> Messages:
    """Return the messages of this call; outside a call, messages without options."""
    return _current.get() or Messages(as_json=False)


def colour() -> bool | None:
    """Return False where NO_COLOR forbids colours, or None: colours on a terminal."""
    return False if os.environ.get("NO_COLOR") else None


class _Printer(logging.Handler):
    """Prints what the libraries log, one line each: warnings as notes, the rest as debug."""

    def __init__(self, options: Messages) -> None:
        super().__init__()
        self._options = options

    def emit(self, record: logging.LogRecord) -> None:
        is_note = record.levelno >= logging.WARNING
        shown = not self._options.quiet if is_note else self._options.verbose
        if shown and record.name != _SHOWN:
            line = " ".join(record.getMessage().split())
            typer.echo(terminal_text(f"{'note' if is_note else 'debug'}: {line}"), err=True)


def _echo_json(error: str, *, exit_code: int) -> None:
    typer.echo(json_text({"error": error, "exit_code": exit_code}, sys.stderr), err=True)
