"""Commands and groups with the options that all of them share, and their `--help`."""

import logging
import platform
import shlex
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from minortom import __version__
from minortom_cli.console import EXIT_WRONG_USAGE
from minortom_cli.help_text.examples import examples_of
from minortom_cli.help_text.help_page import format_examples, format_sections, printable
from minortom_cli.interrupts import EXIT_INTERRUPTED, EXIT_TERMINATED
from minortom_cli.terminal.messages import Messages, messages
from minortom_cli.terminal.resuming import show_interrupt

_log = logging.getLogger(__name__)

HELP_NAMES = {"help_option_names": ["-h", "--help"]}
"""Context settings of an app: the names of the option that shows its help."""
_PANEL = "Messages"
_AS_MODULE = "python -m "
"""Beginning of the name of a program that runs as a module."""
_TYPED = "minortom_cli.typed"


def _common(
    *,
    quiet: Annotated[
        bool,
        typer.Option(
            "--quiet", "-q", help="Print only the result and errors.", rich_help_panel=_PANEL
        ),
    ] = False,
    verbose: Annotated[
        bool,
        typer.Option("--verbose", "-v", help="Print debug messages too.", rich_help_panel=_PANEL),
    ] = False,
    log_file: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Append all messages to this file, with times and debug messages.",
            show_default="none",
            rich_help_panel=_PANEL,
        ),
    ] = None,
) -> None:
    """Take the common options; a template for `common_options`."""


def common_options() -> list[Any]:
    """Return the options that every command and group takes, as Click's parameters."""
    app = typer.Typer(add_completion=False)
    app.command()(_common)
    return list(typer.main.get_command(app).params)


_COMMON = common_options()
_NAMES = [option.name for option in _COMMON]


class _Common:
    """Mixin of the common options; the class after it is one of typer's.

    Contexts have no public type, since typer uses the Click inside it or beside it.
    """

    def get_params(self, ctx: Any) -> list[Any]:  # noqa: ANN401
        """Return the own parameters, the common options and `--help`."""
        own = super().get_params(ctx)  # type: ignore[misc]
        ends = [option for option in own if option.name == "help"]
        return [*(option for option in own if option.name != "help"), *_COMMON, *ends]

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:  # noqa: ANN401
        """Parse the arguments, and keep all that were typed; without any, show the help."""
        if not args and self.no_args_is_help and not ctx.resilient_parsing:  # type: ignore[attr-defined]
            typer.echo(ctx.get_help(), color=ctx.color)
            ctx.exit(EXIT_WRONG_USAGE)
        ctx.meta.setdefault(_TYPED, list(args))
        parsed: list[str] = super().parse_args(ctx, args)  # type: ignore[misc]
        return parsed

    def format_help(self, ctx: Any, formatter: Any) -> None:  # noqa: ANN401
        """Write usage, description, options and examples."""
        self.format_usage(ctx, formatter)  # type: ignore[attr-defined]
        self.format_help_text(ctx, formatter)  # type: ignore[attr-defined]
        format_sections(self, ctx, formatter)
        format_examples(examples_of(command_path(ctx)), formatter)
        formatter.buffer[:] = [printable("".join(formatter.buffer))]


class Command(_Common, TyperCommand):
    """Command with the common options, which says at an interrupt what is kept."""

    def invoke(self, ctx: Any) -> Any:  # noqa: ANN401
        """Run the command as its common options ask for."""
        with messages() as shown, _as_command(shown, command_path(ctx)) as is_typed:
            _configure(ctx, shown)
            options, started = dict(ctx.params), time.monotonic()
            _log.debug(
                "minortom %s, Python %s: %s",
                __version__, platform.python_version(), shlex.join(typed(ctx)),
            )  # fmt: skip
            try:
                result = super().invoke(ctx)
                _log.debug("finished in %.1f s", time.monotonic() - started)
                return result
            except (KeyboardInterrupt, SystemExit) as end:
                code = end.code if isinstance(end, SystemExit) else EXIT_INTERRUPTED
                if is_typed and code in (EXIT_INTERRUPTED, EXIT_TERMINATED):
                    show_interrupt(command_path(ctx), options, typed(ctx), exit_code=code)
                raise


class Group(_Common, TyperGroup):
    """Group of commands with the common options, which may stand before the subcommand too."""

    def invoke(self, ctx: Any) -> Any:  # noqa: ANN401
        """Run the subcommand as the common options ask for."""
        with messages() as shown:
            _configure(ctx, shown)
            return super().invoke(ctx)


@contextmanager
def _as_command(shown: Messages, command: str) -> Iterator[bool]:
    """Set the command that was typed; yield whether it is this one."""
    is_typed = shown.command is None
    if is_typed:
        shown.command = command
    try:
        yield is_typed
    finally:
        if is_typed:
            shown.command = None


def _configure(ctx: Any, shown: Messages) -> None:  # noqa: ANN401
    quiet, verbose, log_file = (ctx.params.pop(name) for name in _NAMES)
    path = None if log_file is None else Path(log_file)  # text in older versions of typer
    shown.configure(quiet=quiet, verbose=verbose, log_file=path)


def command_path(ctx: Any) -> str:  # noqa: ANN401
    """Return the names of the program and of its subcommands, however it was started."""
    names: list[str] = []
    while ctx is not None:
        names.insert(0, ctx.command.name or "")
        ctx = ctx.parent
    return " ".join(names)


def typed(ctx: Any) -> Sequence[str]:  # noqa: ANN401
    """Return the words of the program and the arguments as they were typed."""
    program = ctx.find_root().info_name
    words = program.split(" ") if program.startswith(_AS_MODULE) else [program]
    return [*words, *ctx.meta[_TYPED]]
