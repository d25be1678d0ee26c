"""``<out>.run.json``, the record of the run that made an output."""

import hashlib
import os
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from minortom.io.atomic_write import write_json
from minortom.io.parse import parse_json
from minortom.io.provenance import Provenance, run_record, sha256_of
from minortom.public_urls import public_value

_MADE = "provenance_sha256"


def write_run_record(
    out: Path,
    started: datetime,
    *,
    provenance: Provenance | None = None,
    details: Mapping[str, object] | None = None,
) -> None:
    """Write the record of a run beside its output.

    Its hashes identify the file and the provenance, since the output may later be replaced.

    Args:
        out: The output.
        started: Start of the run.
        provenance: Provenance of the output, if it has one.
        details: Further entries.
    """
    made = {} if provenance is None else {_MADE: _hash_of(provenance)}
    of_file = {"sha256": sha256_of(out)} if out.is_file() else {}
    record = {**run_record(started), **made, **of_file, **(details or {})}
    write_json(_path_of(out), public_value(record))


def complete_run_record(
    out: Path, provenance: Provenance, started: datetime, *, may_be_missing: bool = False
) -> None:
    """Write the record of an output whose run was killed before it wrote the record.

    A record with other provenance belongs to the output that this one replaced.

    Args:
        out: The output.
        provenance: Its provenance.
        started: Start of the run that completes it.
        may_be_missing: Whether the record of this output may have been deleted, or left elsewhere.
    """
    is_there = _path_of(out).exists() or not may_be_missing
    if not is_there or has_run_record(out, provenance):
        return
    if not os.access(out.absolute().parent, os.W_OK):
        return
    write_run_record(out, started, provenance=provenance, details={"completed_later": True})


def has_run_record(out: Path, provenance: Provenance) -> bool:
    """Return whether there is a record of the run that made an output."""
    try:
        record = parse_json(_path_of(out).read_text(encoding="utf-8"))
        made = _hash_of(provenance)
        return bool(record.get(_MADE, made) == made)
    except (OSError, ValueError, AttributeError):
        return False


def _hash_of(provenance: Provenance) -> str:
    return hashlib.sha256(provenance.to_json().encode()).hexdigest()


def _path_of(out: Path) -> Path:
    return out.with_name(f"{out.name}.run.json")
