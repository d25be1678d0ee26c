"""Layout of `--help`: each option on its own line and its text below, legible at 60 columns."""

import re
import shlex
import sys
from collections.abc import Sequence
from typing import Any

import typer

_MAX_COLUMNS = 100
_INDENT = "  "
_NARROWEST = 30


def format_sections(command: Any, ctx: Any, formatter: Any) -> None:  # noqa: ANN401
    """Write arguments, options by panel, and subcommands.

    Args:
        command: Command or group of typer.
        ctx: Its context.
        formatter: Formatter of Click.
    """
    width = max(_NARROWEST, min(formatter.width, _MAX_COLUMNS))
    formatter.width = width
    for heading, parameters in panels(command, ctx).items():
        with formatter.section(heading):
            for parameter in parameters:
                record = parameter.get_help_record(ctx)
                if record is not None:
                    _write_entry(formatter, *record)
    subcommands = getattr(command, "commands", {})
    if subcommands:
        with formatter.section("Commands"):
            for name, child in subcommands.items():
                _write_entry(formatter, name, (child.help or "").split("\n\n")[0])


def panels(command: Any, ctx: Any) -> dict[str, list[Any]]:  # noqa: ANN401
    """Return the parameters by heading, in the order in which they were declared."""
    found: dict[str, list[Any]] = {"Arguments": [], "Options": []}
    for parameter in command.get_params(ctx):
        usual = "Arguments" if parameter.param_type_name == "argument" else "Options"
        heading = getattr(parameter, "rich_help_panel", None) or usual
        found.setdefault(heading, []).append(parameter)
    return {heading: parameters for heading, parameters in found.items() if parameters}


def described(text: str) -> str:
    """Return a help text in one line, with a default that is described in words as it is.

    Click puts such a default into parentheses.
    """
    plain = " ".join(text.split()).replace("\\[", "[")  # escaped for rich by older typer
    return re.sub(r"default: \(([^()]*)\)", r"default: \1", plain)


def _write_entry(formatter: Any, names: str, text: str) -> None:  # noqa: ANN401
    formatter.write(f"{' ' * formatter.current_indent}{typer.style(names, bold=True)}\n")
    formatter.indent()
    formatter.indent()
    formatter.write_text(described(text))
    formatter.dedent()
    formatter.dedent()


def format_examples(examples: Sequence[str], formatter: Any) -> None:  # noqa: ANN401
    """Write examples, with continuation lines where one is wider than the terminal."""
    if not examples:
        return
    with formatter.section("Examples"):
        for example in examples:
            for line in command_lines(example, width=formatter.width - 2):
                formatter.write(f"{_INDENT}{line}\n")


def printable(text: str) -> str:
    """Return a text whose characters stdout can print; Click would print others as UTF-8."""
    encoding = sys.stdout.encoding or "utf-8"
    return text.encode(encoding, "backslashreplace").decode(encoding)


def command_lines(command: str, *, width: int) -> list[str]:
    """Divide a command into lines that a shell joins again.

    Args:
        command: A command, quoted for a shell.
        width: Maximum number of characters of a line, where its words allow that.
    """
    groups: list[list[str]] = []
    for word in shlex.split(command):
        if word.startswith("-") or not groups or not groups[-1][0].startswith("-"):
            groups.append([word])
        else:
            groups[-1].append(word)
    lines = [""]
    for words in map(shlex.join, groups):
        joined = f"{lines[-1]} {words}".strip()
        if len(joined) + 2 > width and lines[-1]:
            lines[-1] += " \\"
            lines.append(f"{_INDENT}{words}")
        else:
            lines[-1] = joined if len(lines) == 1 else f"{lines[-1]} {words}"
    return lines
