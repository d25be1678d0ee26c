"""The folder of unfinished work beside an output: taken up only by what left it."""

import json
from pathlib import Path

from minortom.errors import OutputExistsError
from minortom.io.atomic_write import is_empty_folder, whole_folder, write_json
from minortom.io.provenance import KEY, Provenance
from minortom.io.up_to_date import stored_provenance

_RECORD = "provenance.json"


def work_folder(out: Path) -> Path:
    """Say where unfinished work on an output lies: ``<out>.partial``."""
    return out.with_name(f"{out.name}.partial")


def is_left_by(work: Path, provenance: Provenance) -> bool:
    """Say whether a folder holds unfinished work on the same result."""
    wanted: object = json.loads(provenance.to_json())
    return stored_provenance(work / _RECORD) == wanted


def take_up(work: Path, provenance: Provenance, *, overwrite: bool) -> None:
    """Make the folder of unfinished work, or find it as work on the same result left it.

    Raises:
        OutputExistsError: If work on another result left it, and ``overwrite`` is false; or,
            whatever ``overwrite`` says, if it is none of ours.
    """
    if is_left_by(work, provenance):
        return
    ours = is_empty_folder(work) or stored_provenance(work / _RECORD) is not None
    if work.exists() and not ours:
        # Even --overwrite must not delete a folder that holds who knows what.
        raise OutputExistsError(
            f"{work}, where unfinished work goes, is not ours: it has no {_RECORD}; "
            "move it away, or give another --out"
        )
    if work.exists() and not is_empty_folder(work) and not overwrite:
        raise OutputExistsError(
            f"{work} holds unfinished work made with other inputs or options; give those again to "
            "go on with it, --overwrite to start anew, or another --out"
        )
    with whole_folder(work) as folder:
        write_json(folder / _RECORD, {KEY: json.loads(provenance.to_json())})
