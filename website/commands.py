"""Reference pages of all commands, made from the commands themselves.

A page has what ``--help`` shows: usage, arguments, options with their types and defaults.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import typer
from minortom_cli import main
from minortom_cli.help_text.examples import examples_of
from minortom_cli.help_text.help_page import command_lines, described, panels
from minortom_cli.model import app as model

PROGRAMS = {"minortom": main.app, "csmoe": model.app, "csmoe-train": model.train_app}
"""Apps of the console scripts."""

FOLDER = "reference"


@dataclass(frozen=True, kw_only=True)
class Command:
    """One command, or a group of commands."""

    words: tuple[str, ...]
    """The command as it is typed, such as ``("csmoe", "text", "train")``."""
    parsed: Any
    """Command of Click, which typer makes from the function."""
    children: tuple["Command", ...]

    @property
    def title(self) -> str:
        """Return the command as it is typed."""
        return " ".join(self.words)

    @property
    def path(self) -> str:
        """Return the path of its page in the docs folder."""
        inner = "/".join((FOLDER, *self.words))
        return f"{inner}/index.md" if self.children else f"{inner}.md"

    @property
    def summary(self) -> str:
        """Return the first line of its help."""
        return (self.parsed.help or "").split("\n\n")[0].replace("\n", " ")


def programs() -> list[Command]:
    """Return the commands of each program, as a tree."""
    return [_tree((name,), typer.main.get_command(app)) for name, app in PROGRAMS.items()]


def walk(commands: Sequence[Command]) -> Iterator[Command]:
    """Yield commands and all commands below them."""
    for command in commands:
        yield command
        yield from walk(command.children)


def navigation(commands: Sequence[Command]) -> list[Any]:
    """Return the entries of MkDocs' navigation for commands."""
    return [
        {command.title: [command.path, *navigation(command.children)]}
        if command.children
        else {command.title: command.path}
        for command in commands
    ]


def page(command: Command, guides: Mapping[str, str]) -> str:
    """Return the Markdown page of a command.

    Args:
        command: The command.
        guides: Links to the pages that show the command: title by path, from the docs folder.
    """
    context = command.parsed.make_context(command.title, [], resilient_parsing=True)
    parts = [f"# {command.title}", command.parsed.help or ""]
    parts.append(f"```\n{command.parsed.get_usage(context).removeprefix('Usage: ')}\n```")
    up = "../" * command.path.count("/")
    if guides:
        links = ", ".join(f"[{title}]({up}{path})" for path, title in guides.items())
        parts.append(f"Described in: {links}.")
    if command.children:
        parts.append(_list(command))
    for heading, parameters in panels(command.parsed, context).items():
        parts.append(f"## {heading}")
        records = [(item.name, item.get_help_record(context)) for item in parameters]
        parts.extend(_entry(name, *record) for name, record in records if record)
    if examples := examples_of(command.title):
        lines = [line for text in examples for line in command_lines(text, width=88)]
        parts.append("\n".join(("## Examples", "", "```", *lines, "```")))
    return "\n\n".join(parts) + "\n"


def _tree(words: tuple[str, ...], parsed: Any) -> Command:  # noqa: ANN401  (click's or typer's)
    children = getattr(parsed, "commands", {}).items()
    return Command(
        words=words,
        parsed=parsed,
        children=tuple(_tree((*words, name), child) for name, child in children),
    )


def _list(command: Command) -> str:
    folder = command.path.rpartition("/")[0] + "/"
    rows = [
        f"| [`{child.title}`]({child.path.removeprefix(folder)}) | {child.summary} |"
        for child in command.children
    ]
    return "\n".join(("| command | purpose |", "|---|---|", *rows))


def _entry(name: str, names: str, text: str) -> str:
    """Return names, type, help and default of a parameter, as an item of a definition list."""
    sentence, _, facts = text.partition("  [")
    lines = [f"`{names}` {{ #{name.replace('_', '-')} }}", f":   {sentence}"]
    if facts:
        lines.append(f"    *{_plain(described(facts).removesuffix(']'))}*")
    return "\n".join(lines)


def _plain(text: str) -> str:
    """Return a text without the characters that Markdown would read."""
    return re.sub(r"([*_`<\[\]|\\])", r"\\\1", text)
