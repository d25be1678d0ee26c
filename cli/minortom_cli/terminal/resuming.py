"""After Ctrl-C or SIGTERM: which work is kept, and the command that resumes it."""

import os
import shlex
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from minortom.public_urls import public_text
from minortom_cli.interrupts import EXIT_INTERRUPTED
from minortom_cli.terminal.messages import current_messages

_RANKS = ("RANK", "SLURM_PROCID")
"""Variables with the number of a process that trains with others."""


@dataclass(frozen=True, kw_only=True)
class Kept:
    """Unfinished work that a command keeps."""

    what: str
    """The work, as the subject of a sentence."""
    where: str
    """Path of the work, made from the options in braces; nothing is kept while it does not
    exist."""
    by_resume: bool = False
    """Whether `--resume` continues the run in `--out`; otherwise the same command does."""
    again_without: str = ""
    """Option that would start again."""


_NOTHING = Kept(what="nothing was written", where="")
_SEARCHES = Kept(what="completed searches are", where="{out}.partial")
_CHECKPOINT = Kept(
    what="the last checkpoint is", where="{out}/checkpoints/last.ckpt", by_resume=True
)
_FEATURES = Kept(what="cached features are", where="{cache}")

_KEPT = {
    "minortom cluster": Kept(what="the training so far is", where="{out}.partial"),
    "minortom export": Kept(what="finished shards are", where="{out}.partial"),
    "minortom fetch": Kept(what="downloaded files are", where="{maps}"),
    "minortom annotate": Kept(what="downloaded maps are", where="{maps}"),
    "minortom quickstart": Kept(
        what="the outputs of finished commands are", where="{out}", again_without="--overwrite"
    ),
    "minortom sample": _SEARCHES,
    "csmoe train": _CHECKPOINT,
    "csmoe-train": _CHECKPOINT,
    "csmoe finetune": _CHECKPOINT,
    "csmoe specialist train": _CHECKPOINT,
    "csmoe text train": _CHECKPOINT,
    "csmoe prune": Kept(what="the work so far is", where="{out}.partial"),
    "csmoe probe": _FEATURES,
    "csmoe retrieve": _FEATURES,
    "csmoe plot epochs": _FEATURES,
}
"""The commands that keep unfinished work; all others leave their output as it was."""


def show_interrupt(
    command: str, options: Mapping[str, Any], typed: Sequence[str], *, exit_code: int
) -> None:
    """Print which work an interrupted command keeps, and the command that resumes it.

    Args:
        command: Names of the program and of its subcommand.
        options: Values of the options by name.
        typed: Program and arguments as they were typed.
        exit_code: Exit code of the program.
    """
    if any(os.environ.get(name, "0") != "0" for name in _RANKS):
        return  # the first of the processes that train together prints it
    kept, again = kept_work(command, options, typed)
    how = "interrupted" if exit_code == EXIT_INTERRUPTED else "terminated"
    current_messages().stopped(f"{how}: {kept}", again, exit_code=exit_code)


def kept_work(
    command: str, options: Mapping[str, Any], typed: Sequence[str]
) -> tuple[str, str]:  # fmt: skip
    """Return the work that is kept, as text, and the sentence with the command that resumes it."""
    kept = _KEPT.get(command, _NOTHING)
    path = Path(kept.where.format(**{"maps": _maps_folder(), **options}))
    is_kept = bool(kept.where) and path.exists()
    has_run = kept.by_resume and (Path(options["out"]) / "config.yaml").exists()
    words = [_program(typed[0]), *typed[1:]]
    if is_kept:
        words = [word for word in words if word != kept.again_without]
    if has_run:
        words = [word for word in words if word not in ("--overwrite", "--resume")] + ["--resume"]
    begin = "resume with" if is_kept or has_run else "start again with"
    if any(name in os.environ for name in _RANKS):
        begin += ", in the same launcher"
    if is_kept:
        text = f"{kept.what} kept in {path}"
    else:
        text = "no checkpoint was written" if has_run else _NOTHING.what
    again = shlex.join(words)
    shown = public_text(again)
    if shown != again:
        begin += ", after adding the secrets of URLs"
    return text, f"{begin}: {shown}"


def _program(name: str) -> str:
    """Return the name of the program, or its path where the shell does not find it by its name."""
    path = sys.argv[0] if sys.argv else ""
    if Path(path).name != name or shutil.which(name):
        return name
    return path


def _maps_folder() -> Path:
    # Imported here since it loads the client of the network.
    from minortom.remote.http import cache_folder

    return cache_folder() / "maps"
