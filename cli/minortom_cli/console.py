"""Shared by all commands: common options, progress bars, printing of results, exit codes."""

import errno
import io
import json
import logging
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, cast

import typer

from minortom.api import choices
from minortom.api.results import WIDTH, Result, Shown, as_table, plain
from minortom.errors import InputError, MinorTomError, UsageError
from minortom.grid.bbox import BBox
from minortom.public_urls import public_text
from minortom_cli.interrupts import unwinding

_STDERR = 2
_UNICODE = ("utf-8", "utf8")

EXIT_USER_ERROR = 1
EXIT_WRONG_USAGE = 2  # the same as Click's

_ClickError = cast("type[typer.BadParameter]", typer.BadParameter.__mro__[2])
"""Click's base class of errors, which typer has under no public name."""

_ADVICE = {
    errno.ENOSPC: "free disk space, then run the same command again",
    errno.EDQUOT: "free space in your quota, then run the same command again",
    errno.EACCES: "give a path that you may read and write",
    errno.EPERM: "give a path that you may read and write",
    errno.EROFS: "give a path on a file system that can be written",
    errno.EIO: "the disk reports a fault; check it, or give a path on another disk",
    errno.EFBIG: "the file is larger than the system allows here; give a path on another disk",
    errno.ENOTDIR: "one of the folders of this path is a file; give another path",
    errno.ENAMETOOLONG: "give a shorter path",
    errno.ELOOP: "give a path whose links do not lead in a circle",
}
"""Advice for errors of the operating system that the user can solve, by error number."""

Json = Annotated[bool, typer.Option("--json", help="Print only the result, as JSON, on stdout.")]
Overwrite = Annotated[
    bool,
    typer.Option(
        "--overwrite",
        help="Replace an existing output that was made with other inputs or options.",
    ),
]
Seed = Annotated[int, typer.Option(min=0, help="Random seed. The same seed gives the same result.")]
Workers = Annotated[
    int | None,
    typer.Option(min=1, help="Number of processes or threads.", show_default="all cores"),
]


def parse_bbox(text: str) -> BBox:
    """Parse ``--bbox``; text that is not a box is wrong usage."""
    try:
        return BBox.parse(text)
    except InputError as error:
        raise typer.BadParameter(str(error)) from None


Box = Annotated[
    BBox | None,
    typer.Option(
        "--bbox", parser=parse_bbox, metavar="W,S,E,N",
        help="Box in degrees: west, south, east, north. W > E crosses the antimeridian.",
        show_default="no box",
    ),
]  # fmt: skip
RegionFile = Annotated[
    Path | None,
    typer.Option(
        "--region",
        help="Vector file of polygons, such as GeoJSON, in any CRS.",
        show_default="no region",
    ),
]
RegionLayer = Annotated[
    str | None,
    typer.Option(
        "--region-layer",
        metavar="NAME",
        help="Layer of the region, for a file with several layers of polygons.",
        show_default="the only layer",
    ),
]
Engine = Annotated[
    choices.Engine,
    typer.Option(help="Run the work in processes on this machine, or on a Dask cluster."),
]
Scheduler = Annotated[
    str | None,
    typer.Option(
        metavar="ADDRESS",
        help="Address of a running Dask scheduler, such as tcp://10.0.0.1:8786.",
        show_default="a cluster on this machine",
    ),
]


def _show_version(context: typer.Context, wanted: bool) -> None:
    if wanted:
        from minortom import __version__

        typer.echo(f"{context.find_root().info_name} {__version__}")
        raise typer.Exit


Version = Annotated[
    bool,
    typer.Option("--version", is_eager=True, callback=_show_version, help="Print the version."),
]


def say(text: str) -> None:
    """Print a message on stderr; stdout is for the result."""
    typer.echo(public_text(text), err=True)


@contextmanager
def progress(label: str) -> Iterator[Callable[..., None]]:
    """Show a progress bar on stderr; yield the callback (done, total, note="") that moves it."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn(label), BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}"),
        TimeElapsedColumn(), TimeRemainingColumn(),
    )  # fmt: skip
    console = Console(stderr=True)
    # In a log file, a progress bar would leave an empty line before an error.
    disable = not console.is_terminal
    with Progress(*columns, console=console, transient=True, disable=disable) as bar:
        task = bar.add_task("", total=None)

        def move(done: int, total: int, note: str = "") -> None:
            bar.update(task, completed=done, total=total, description=public_text(note))

        yield move


def emit(result: Result | Shown, *, as_json: bool) -> None:
    """Print a result on stdout: as JSON, or for people.

    A mapping becomes one line a key, a sequence of mappings one row each, text stays as it is.
    """
    if as_json:
        value = result.as_dict() if isinstance(result, Result) else plain(result)
        as_it_is = (sys.stdout.encoding or "").lower() in _UNICODE
        typer.echo(json.dumps(value, indent=2, ensure_ascii=not as_it_is))
        return
    shown = result.shown() if isinstance(result, Result) else result
    if isinstance(shown, str):
        typer.echo(public_text(shown))
        return
    from rich.console import Console

    width = None if sys.stdout.isatty() else WIDTH
    Console(width=width, highlight=False, markup=False).print(as_table(shown))


def _open_standard_streams() -> None:
    """Make stdout and stderr accept every text, and drop what is printed to a closed one.

    A shell closes them by ``>&-``. A file that is opened later would then get their number, and
    what a library prints would go into it.
    """
    while (number := os.open(os.devnull, os.O_RDWR)) <= _STDERR:
        pass  # stays open in place of a closed stream
    os.close(number)
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            nowhere = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - until the end
            setattr(sys, name, nowhere)
        elif isinstance(stream, io.TextIOWrapper) and stream.encoding.lower() not in _UNICODE:
            stream.reconfigure(errors="backslashreplace")


@contextmanager
def _notes() -> Iterator[None]:
    """Print the warnings of the libraries on stderr, one line each after ``note: ``."""

    class Printer(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            say("note: " + " ".join(record.getMessage().split()))

    loggers = [logging.getLogger(name) for name in ("minortom", "csmoe_model")]
    printer = Printer(level=logging.WARNING)
    for logger in loggers:
        logger.addHandler(printer)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeHandler(printer)


def run(app: typer.Typer, arguments: Sequence[str] | None = None) -> int:
    """Run an app and return its exit code.

    An error of the user is one line on stderr and exit code 1. Wrong usage exits with 2 (as
    Click does), an interrupt with 130, SIGTERM with 143. A bug raises, with its traceback.
    """
    _open_standard_streams()
    try:
        with unwinding(), _notes():
            code = app(args=arguments, standalone_mode=False)
    except _ClickError as error:
        return _show_usage(error)
    except typer.Abort:
        typer.secho("aborted", fg="red", err=True)
        return EXIT_USER_ERROR
    except MinorTomError as error:
        typer.secho("error: " + " ".join(str(error).split()), fg="red", err=True)
        return EXIT_WRONG_USAGE if isinstance(error, UsageError) else EXIT_USER_ERROR
    except OSError as error:
        if error.errno not in _ADVICE:
            raise
        where = f" {public_text(str(error.filename))}:" if error.filename else ""
        advice = _ADVICE[error.errno]
        typer.secho(f"error:{where} {error.strerror or error}; {advice}", fg="red", err=True)
        return EXIT_USER_ERROR
    except UnicodeEncodeError as error:
        if error.reason != "surrogates not allowed":
            raise
        # Arrow needs paths in UTF-8. Python stores other bytes of a path as surrogates.
        name = ascii(error.object).strip("'\"")
        message = f"error: the path {name} is not UTF-8; rename the file or folder"
        typer.secho(message, fg="red", err=True)
        return EXIT_USER_ERROR
    except SystemExit as end:  # typer's end, also of wrong usage and of Ctrl-C
        return end.code if isinstance(end.code, int) else EXIT_USER_ERROR
    return code if isinstance(code, int) else 0  # a number after --help and after Ctrl-C


def _show_usage(error: typer.BadParameter) -> int:
    """Print wrong usage as typer does, without the secrets of URLs; return the exit code."""
    from typer.rich_utils import rich_format_error

    error.message = public_text(error.message)
    rich_format_error(error)
    return error.exit_code
