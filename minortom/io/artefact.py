"""Life cycle of an output: up-to-date check, lock, atomic write, run record."""

import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from minortom.api.arguments import flag
from minortom.io.atomic_write import atomic_file, atomic_folder, check_parents, output_lock, recover
from minortom.io.provenance import Provenance
from minortom.io.run_records import complete_run_record, write_run_record
from minortom.io.up_to_date import is_up_to_date, now, status

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Artefact:
    """Output that is up to date or is being written."""

    out: Path
    up_to_date: bool
    """Whether ``out`` exists with the same provenance: there is nothing to write."""
    path: Path
    """Where to write: a temporary file, or an empty folder, that replaces ``out`` at the end."""
    run_details: dict[str, object] = field(default_factory=dict)
    """Further entries of the run record; the body of the ``with`` statement adds them."""

    @property
    def status(self) -> str:
        """Return ``up to date`` or ``written``, for the result."""
        return status(self.up_to_date)


@contextmanager
def artefact(
    out: Path,
    provenance: Provenance,
    *,
    inputs: Iterable[Path] = (),
    overwrite: bool = False,
    record: str = "",
    content: bytes | None = None,
    is_whole: Callable[[], bool] | None = None,
    started: datetime | None = None,
    in_place: bool = False,
) -> Iterator[Artefact]:
    """Check whether an output is up to date; if not, lock, write and record it.

    The body of the ``with`` statement writes to ``Artefact.path`` unless ``up_to_date``. On any
    exception ``out`` stays as it was. At the end ``<out>.run.json`` is written. Files that a killed
    process left beside ``out`` are removed, and its missing run record is written.

    Args:
        out: The file or folder to make.
        provenance: All that the content depends on. The body writes it into the artefact.
        inputs: Files and folders that ``out`` must not replace.
        overwrite: Whether to replace an output with another provenance.
        record: Name of the JSON file with the provenance inside a folder; empty for a file.
        content: All bytes of a file that cannot hold its provenance, such as CSV: it is up to
            date if it has these bytes.
        is_whole: Called where the provenance is the same; false makes the artefact again.
        started: Start of the run, for its record; now when None.
        in_place: The body puts the finished output in its place itself, as resumable work does.

    Raises:
        OutputExistsError: If ``out`` has another provenance and ``overwrite`` is false, or if
            another process is writing it.
        InputError: If ``out`` is not a possible place for the output.
    """
    started = started or now()
    check_parents(out)
    was_killed = recover(out)
    same = content is not None and out.is_file() and out.read_bytes() == content
    may_replace = flag("overwrite", overwrite) or same
    done = is_up_to_date(out, provenance, inputs=inputs, overwrite=may_replace, record=record)
    if content is not None:
        done = same
    if done and (is_whole is None or is_whole()):
        _log.debug("%s is up to date: it has the same inputs and options", out)
        complete_run_record(out, provenance, started, may_be_missing=not was_killed)
        yield Artefact(out=out, up_to_date=True, path=out)
        return
    _log.debug("writing %s; options %s, seed %s", out, provenance.options, provenance.seed)
    with output_lock(out):
        with _temporary(out, is_folder=bool(record), in_place=in_place) as path:
            made = Artefact(out=out, up_to_date=False, path=path)
            yield made
        write_run_record(out, started, provenance=provenance, details=made.run_details)
        _log.debug("wrote %s in %.1f s", out, (now() - started).total_seconds())


def _temporary(out: Path, *, is_folder: bool, in_place: bool) -> AbstractContextManager[Path]:
    if in_place:
        return nullcontext(out)
    return atomic_folder(out) if is_folder else atomic_file(out)
