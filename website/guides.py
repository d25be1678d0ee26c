"""Commands that the pages in docs/ show."""

import re
import shlex
from collections import Counter
from pathlib import Path

PROGRAMS = ("minortom", "csmoe", "csmoe-train")
MOST = 3
"""Pages that are named at a command, those with most lines of it first."""

_BLOCK = re.compile(r"```[^\n]*\n(.*?)```", re.DOTALL)
_SHORT: dict[tuple[str, ...], tuple[str, ...]] = {("csmoe-train",): ("csmoe", "train")}


def command_lines(text: str) -> list[list[str]]:
    """Return the words of each line in a fenced block that begins with one of our programs."""
    lines = "\n".join(_BLOCK.findall(text)).replace("\\\n", " ").splitlines()
    found = [shlex.split(line, comments=True) for line in lines if line.split(" ")[0] in PROGRAMS]
    return [[word for word in words if word not in ("[", "]")] for words in found]


def pages_of(command: tuple[str, ...], pages: dict[Path, str]) -> dict[str, str]:
    """Return the title of each page that shows a command, by name of the page.

    Args:
        command: The command as it is typed.
        pages: Texts of the pages.
    """
    wanted = _SHORT.get(command, command)
    counts: Counter[Path] = Counter()
    for path, text in pages.items():
        for words in command_lines(text):
            given = (*_SHORT.get((words[0],), (words[0],)), *words[1:])
            counts[path] += given[: len(wanted)] == wanted
    most = [path for path, count in counts.most_common(MOST) if count]
    return {path.name: pages[path].partition("\n")[0].removeprefix("# ") for path in most}
