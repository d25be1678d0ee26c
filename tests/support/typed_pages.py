"""Pages of the docs typed line by line, as a reader does; each command in this process."""

import os
import re
import shlex
import subprocess
from dataclasses import dataclass

from minortom_cli.console import run

from website.commands import PROGRAMS


@dataclass(frozen=True, kw_only=True)
class Block:
    """A block of commands of a page."""

    mark: str
    """Where it runs, from its first line; empty where it runs everywhere."""
    commands: tuple[str, ...]
    """As typed, without comments; a line that ends in a backslash goes on, and so does a `<<`."""


def blocks_of(page):
    """Return the blocks of a page without a language."""
    found = re.findall(r"^```\n(.*?)^```", page.read_text(encoding="utf-8"), re.M | re.S)
    return [_block(text) for text in found]


def _block(text):
    mark, _, rest = text.partition("\n") if text.startswith("# ") else ("", "", text)
    commands = [one[0] for one in re.finditer(r".*<<'(\w+)'\n(?:.*\n)*?\1|(?:.*\\\n)*.+", rest)]
    return Block(mark=mark.removeprefix("# "), commands=tuple(commands))


def type_in(command, patch):
    """Run a command in the current folder; return its exit code. `export` sets a variable."""
    words = shlex.split(os.path.expandvars(command.replace("\\\n", " ")), comments=True)
    if words[0] == "export":
        for name, _, value in (word.partition("=") for word in words[1:]):
            patch.setenv(name, value)
        return 0
    if words[0] in PROGRAMS:
        return run(PROGRAMS[words[0]], words[1:])
    return subprocess.run(["bash", "-c", command], check=False).returncode
