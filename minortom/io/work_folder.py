"""Folder of unfinished work beside an output, from which the same run can resume."""

import logging
import shutil
from pathlib import Path

from minortom.api.arguments import flag
from minortom.errors import OutputExistsError
from minortom.io.atomic_write import atomic_folder, check_parents, is_empty_folder, write_json
from minortom.io.provenance import KEY, Provenance
from minortom.io.up_to_date import stored_provenance

_log = logging.getLogger(__name__)

_RECORD = "provenance.json"


def work_folder(out: Path) -> Path:
    """Return the folder of unfinished work on an output: ``<out>.partial``.

    Raises:
        InputError: If ``out`` is not a possible place for an output.
    """
    check_parents(out)
    return out.with_name(f"{out.name}.partial")


def provenance_of_work(work: Path) -> dict[str, object] | None:
    """Return the provenance of the unfinished work in a folder; None if it has none."""
    return stored_provenance(work / _RECORD)


def has_work_on(work: Path, provenance: Provenance) -> bool:
    """Return whether a folder contains unfinished work with the same provenance."""
    return provenance_of_work(work) == provenance.as_dict()


def delete_work_folder(work: Path, provenance: Provenance | None = None) -> None:
    """Delete the folder of finished work with the same provenance; with any provenance when None.

    The provenance is deleted last, so that the next call completes a deletion that was killed.
    """
    stored = provenance_of_work(work)
    if stored is not None and (provenance is None or stored == provenance.as_dict()):
        for path in sorted(work.iterdir()):  # receipts before their shards
            if path.is_dir():
                shutil.rmtree(path)
            elif path.name != _RECORD:
                path.unlink()
        (work / _RECORD).unlink()
    if is_empty_folder(work):
        work.rmdir()


def prepare_work_folder(work: Path, provenance: Provenance, *, overwrite: bool) -> None:
    """Create the folder of unfinished work, or keep it if it has the same provenance.

    Raises:
        OutputExistsError: If the folder has another provenance and ``overwrite`` is false, or if
            it has files but no provenance, even with ``overwrite``.
    """
    overwrite = flag("overwrite", overwrite)
    if has_work_on(work, provenance):
        _log.debug("resuming from %s", work)
        return
    ours = is_empty_folder(work) or provenance_of_work(work) is not None
    if work.exists() and not ours:
        # Even --overwrite must not delete a folder with unknown files.
        raise OutputExistsError(
            f"{work} is the folder for unfinished work, but it has files and no {_RECORD}; "
            "move it away, or give another --out"
        )
    if work.exists() and not is_empty_folder(work) and not overwrite:
        raise OutputExistsError(
            f"{work} has unfinished work with other inputs or options; give those again to resume "
            "it, --overwrite to start again, or another --out"
        )
    with atomic_folder(work) as folder:
        write_json(folder / _RECORD, {KEY: provenance.as_dict()})
