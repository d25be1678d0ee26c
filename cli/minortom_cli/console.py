"""Shared by all commands: common options, progress bars, printing of results, exit codes."""

import errno
import io
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Annotated, cast

import typer

from minortom.api import choices
from minortom.api.results import Result, Shown, plain, shown_width
from minortom.api.table_layout import layout
from minortom.api.terminal_text import terminal_text, with_escapes
from minortom.errors import InputError, MinorTomError, UsageError
from minortom.grid.bbox import BBox
from minortom.public_urls import public_text
from minortom_cli.interrupts import unwinding
from minortom_cli.terminal.encoding import is_unicode, json_text
from minortom_cli.terminal.heartbeat import heartbeat
from minortom_cli.terminal.messages import Messages, colour, current_messages, messages
from minortom_cli.terminal.progress_bar import is_terminal, progress_bar

_STDERR = 2

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
    """Print a message on stderr unless `--quiet` is given; stdout is for the result."""
    current_messages().info(text)


@contextmanager
def progress(label: str) -> Iterator[Callable[..., None]]:
    """Show progress on stderr; yield the callback (done, total, note="") that moves it.

    A terminal shows a progress bar. Elsewhere, and in a log file, lines at growing intervals show
    that the command is alive.
    """
    options = current_messages()
    if is_terminal():
        with (
            progress_bar(label, hidden=options.quiet) as move_bar,
            _heartbeat(label, options.log if options.logs else None) as beat,
        ):

            def move(done: int, total: int, note: str = "") -> None:
                move_bar(done, total, note)
                beat(done, total, note)

            yield move
    else:
        shown = not options.quiet or options.logs
        with _heartbeat(label, say if shown else None) as move:
            yield move


def _heartbeat(
    label: str, write: Callable[[str], None] | None
) -> AbstractContextManager[Callable[..., None]]:
    return nullcontext(lambda *_: None) if write is None else heartbeat(label, write)


def show_errors(errors: Sequence[str]) -> None:
    """Print errors of the user on stderr, one line each; with `--json` they are one object."""
    shown = current_messages()
    for error in ["; ".join(errors)] if shown.as_json else errors:
        shown.error(error, exit_code=EXIT_USER_ERROR)


def emit(result: Result | Shown, *, as_json: bool) -> None:
    """Print a result on stdout: as JSON, or for people.

    A mapping becomes one line a key, a sequence of mappings one row each, text stays as it is.
    """
    if as_json:
        value = result.as_dict() if isinstance(result, Result) else plain(result)
        typer.echo(json_text(value, sys.stdout, indent=2))
        return
    shown = result.shown() if isinstance(result, Result) else result
    if isinstance(shown, str):
        # A table that is redirected into a file keeps its characters, as it does with --out.
        typer.echo(with_escapes(shown) if sys.stdout.isatty() else shown)
        return
    from rich.console import Console

    width = shown_width()
    Console(width=width, highlight=False, markup=False).print(layout(shown, width=width))


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
        elif isinstance(stream, io.TextIOWrapper) and not is_unicode(stream):
            stream.reconfigure(errors="backslashreplace")


def run(
    app: typer.Typer, arguments: Sequence[str] | None = None, *, program: str | None = None
) -> int:
    """Run an app and return its exit code.

    An error of the user is one line on stderr and exit code 1; with `--json` it is a JSON object.
    Wrong usage exits with 2 (as Click does), an interrupt with 130, SIGTERM with 143. A bug
    raises, with its traceback.

    Args:
        app: The app.
        arguments: Words after the name of the program; those of this process by default.
        program: Name of the program; that of this process by default.
    """
    _open_standard_streams()
    words = sys.argv[1:] if arguments is None else arguments
    with unwinding(), messages(as_json="--json" in words) as shown:
        return _run(app, words, program, shown)


def _run(
    app: typer.Typer, arguments: Sequence[str], program: str | None, shown: Messages
) -> int:  # fmt: skip
    def failed(text: str) -> int:
        shown.error(text, exit_code=EXIT_USER_ERROR)
        return EXIT_USER_ERROR

    try:
        code = app(
            args=list(arguments), prog_name=program, standalone_mode=False, color=colour()
        )  # fmt: skip
    except _ClickError as error:
        return _show_usage(error, shown)
    except typer.Abort:
        return failed("aborted")
    except UsageError as error:
        shown.error(str(error), exit_code=EXIT_WRONG_USAGE)
        return EXIT_WRONG_USAGE
    except MinorTomError as error:
        return failed(str(error))
    except OSError as error:
        if error.errno not in _ADVICE:
            raise
        where = f"{public_text(str(error.filename))}: " if error.filename else ""
        return failed(f"{where}{error.strerror or error}; {_ADVICE[error.errno]}")
    except UnicodeEncodeError as error:
        if error.reason != "surrogates not allowed":
            raise
        # Arrow needs paths in UTF-8. Python stores other bytes of a path as surrogates.
        name = ascii(error.object).strip("'\"")
        return failed(f"the path {name} is not UTF-8; rename the file or folder")
    except SystemExit as end:  # typer's end, also of wrong usage and of Ctrl-C
        return end.code if isinstance(end.code, int) else EXIT_USER_ERROR
    return code if isinstance(code, int) else 0  # a number after --help and after Ctrl-C


def _show_usage(error: typer.BadParameter, shown: Messages) -> int:
    """Print wrong usage as typer does, without the secrets of URLs; return the exit code."""
    from typer.rich_utils import rich_format_error

    error.message = (public_text if shown.as_json else terminal_text)(error.message)
    if shown.as_json:
        shown.error(error.format_message(), exit_code=error.exit_code)
    else:
        rich_format_error(error)
    return error.exit_code
