"""Artefacts on disk: never silently replaced, and with a record of what they are made of."""

import json
import os
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from minortom.errors import InputError, OutputExistsError
from minortom.io.atomic_write import check_parents, is_empty_folder, write_json
from minortom.io.provenance import KEY, Provenance, licences_in, run_record, sha256_of
from minortom.io.tiff_tags import SUFFIXES, item_of

_IN_PAGE = f'<script type="application/json" id="{KEY}">'


def is_up_to_date(
    out: Path,
    provenance: Provenance,
    *,
    inputs: Iterable[Path],
    overwrite: bool,
    record: str = "",
) -> bool:
    """Say whether ``out`` is there and made from the same; complain if from something else.

    Args:
        out: A file, or a folder whose JSON file ``record`` holds the provenance.
        provenance: What the result to come would depend on.
        inputs: What the result is made of; not even ``overwrite`` replaces one of them.
        overwrite: Whether the user allows another result to be replaced.
        record: Name of the JSON file inside the folder; empty for a Parquet file.

    Raises:
        OutputExistsError: If something else is there and ``overwrite`` is false; or, whatever
            ``overwrite`` says, a folder with files in it that has no ``record``.
        InputError: If ``out`` lies below a file, is no UTF-8, is a folder where a file is wanted
            or the other way round, is one of the inputs, a folder around one, or what lies in one
            and is of another kind than the result.
    """
    check_parents(out)
    if out.is_dir() and not record:
        raise InputError(f"--out {out} is a folder; wanted the name of a file")
    if out.is_file() and record:
        raise InputError(f"--out {out} is a file; wanted the name of a folder")
    inputs = tuple(inputs)
    _refuse_inputs(out, inputs)
    if not out.exists() or is_empty_folder(out):
        return False
    stored = stored_provenance(out / record if record else out)
    if stored == json.loads(provenance.to_json()):
        return True
    if stored is None or stored.get("command") != provenance.command:
        _refuse_parts(out, inputs)
    if out.is_dir() and stored is None:
        # Even --overwrite must not delete a folder that holds who knows what.
        raise OutputExistsError(f"{out} has files but no {record}: not ours; give another --out")
    if overwrite:
        return False
    found = "made with other inputs or options" if stored else "not made by this command"
    raise OutputExistsError(f"{out} exists, {found}; give --overwrite or another --out")


def _refuse_inputs(out: Path, inputs: Iterable[Path]) -> None:
    place = _real(out)
    for path in inputs:
        found = _real(path)
        if place == found or (out.is_dir() and place in found.parents):
            what = "is" if place == found else "holds"
            raise InputError(f"--out {out} {what} one of the inputs, {path}; give another --out")


def _refuse_parts(out: Path, inputs: Iterable[Path]) -> None:
    """Keep a file that lies in an input, a folder, from being replaced by a result."""
    for path in inputs:
        if _real(path) in _real(out).parents:
            raise InputError(f"--out {out} is a part of the input {path}; give another --out")


def _real(path: Path) -> Path:
    """Follow links; unlike ``Path.resolve`` without an error where they lead in a circle."""
    return Path(os.path.realpath(path))


def check_page(out: Path) -> None:
    """Make sure that a browser, and ``stored_provenance``, will know ``out`` for a page.

    Raises:
        InputError: If it does not end in ``.html``.
    """
    if out.suffix != ".html":
        raise InputError(f"--out {out} is no page; wanted a name that ends in .html")


def check_raster(out: Path) -> None:
    """Make sure that other programs, and ``stored_provenance``, will know ``out`` for a GeoTIFF.

    Raises:
        InputError: If it does not end in ``.tif`` or ``.tiff``.
    """
    if out.suffix.lower() not in SUFFIXES:
        raise InputError(f"--out {out} is no GeoTIFF; wanted a name that ends in .tif")


def status(there: bool) -> str:
    """Say for a summary whether the output was there already, made from the same."""
    return "up to date" if there else "written"


def stored_licences(path: Path) -> tuple[str, ...]:
    """Read the licences of an artefact, which what is made from it inherits."""
    return licences_in(stored_provenance(path))


def stored_provenance(path: Path) -> dict[str, object] | None:
    """Read the record inside a Parquet, JSON, HTML or TIFF file; None where there is none.

    A page holds it in the script element whose id is ``minortom``, a GeoTIFF in GDAL's metadata
    item of that name.
    """
    try:
        if path.suffix == ".html":
            found = json.loads(path.read_text(encoding="utf-8").split(_IN_PAGE)[1].split("<")[0])
        elif path.suffix == ".json":
            found = json.loads(path.read_text(encoding="utf-8")).get(KEY)
        elif path.suffix.lower() in SUFFIXES:
            found = json.loads(item_of(path, KEY))
        else:
            found = json.loads((pq.read_schema(path).metadata or {})[KEY.encode()])
    except (OSError, ValueError, LookupError, AttributeError, pa.ArrowException):
        return None
    return found if isinstance(found, dict) else None


def write_run_record(out: Path, started: datetime, **more: object) -> None:
    """Write ``<out>.run.json``: how this result came about, apart from its content.

    The SHA-256 in it says which file it is about, for a file may be replaced by another.
    """
    of_file = {"sha256": sha256_of(out)} if out.is_file() else {}
    write_json(out.with_name(f"{out.name}.run.json"), {**run_record(started), **of_file, **more})


def now() -> datetime:
    """Tell the time for a run record, in UTC."""
    return datetime.now(UTC)
