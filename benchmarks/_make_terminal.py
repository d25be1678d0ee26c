"""Record the terminal session of README: its commands and what they print, as an SVG.

    python benchmarks/_make_terminal.py

Runs the block of README that begins with `minortom demo` in an empty folder, with the programs of
this Python, and writes docs/images/terminal.svg. The picture asks no server for a font.
"""

import io
import os
import re
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

ROOT = Path(__file__).parent.parent
OUT = ROOT / "docs" / "images" / "terminal.svg"
WIDTH = 96
SHOWN = 8
"""Lines of an output that the picture shows."""
PROGRESS = re.compile(r"\w+: (?:started|[\d,]+ of [\d,]+)")


def commands(readme):
    """Return the commands of the block of README that begins with `minortom demo`, as typed."""
    [block] = re.findall(r"```\n(minortom demo .*?)```", readme, re.DOTALL)
    return re.findall(r"(?:.*\\\n)*.+", block)


def printed(command, folder):
    """Run a command; return what it prints, standard error included."""
    words = shlex.split(command.replace("\\\n", " "), comments=True)
    program = Path(sys.executable).parent / words[0]
    done = subprocess.run(
        [program, *words[1:]], cwd=folder, check=True, text=True, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, env={**os.environ, "COLUMNS": str(WIDTH)},
    )  # fmt: skip
    return shortened(done.stdout)


def shortened(output):
    """Return the first lines of an output, without those of progress: a terminal shows a bar."""
    lines = [line for line in output.splitlines() if not PROGRESS.match(line)]
    more = len(lines) - SHOWN
    return "\n".join(lines if more < 2 else [*lines[:SHOWN], f"… {more} more lines"])


def as_svg(session):
    """Return a session, pairs of a command and its output, as a picture without links."""
    console = Console(record=True, width=WIDTH, file=io.StringIO())
    for command, output in session:
        console.print(Text.assemble(("$ ", "bold green"), (command, "bold")))
        console.print(Text("\n".join(line.rstrip() for line in output.splitlines()) + "\n"))
    svg = console.export_svg(title="minortom", theme=MONOKAI, unique_id="terminal")
    svg = re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL)
    return svg.replace("Fira Code", "DejaVu Sans Mono, Menlo, Consolas")


def main():
    """Write the picture."""
    with tempfile.TemporaryDirectory() as folder:
        typed = commands((ROOT / "README.md").read_text(encoding="utf-8"))
        session = [(command, printed(command, folder)) for command in typed]
    OUT.write_text(as_svg(session), encoding="utf-8")


if __name__ == "__main__":
    main()
