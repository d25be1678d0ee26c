"""Up-to-date checks of outputs by their stored provenance."""

import os
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from minortom.api.arguments import flag
from minortom.errors import InputError, OutputExistsError
from minortom.io.atomic_write import check_parents, is_empty_folder
from minortom.io.parse import parse_json
from minortom.io.provenance import DERIVED, KEY, Provenance, licences_in
from minortom.io.tables import is_parquet
from minortom.io.tiff_tags import SUFFIXES, metadata_item

_IN_PAGE = f'<script type="application/json" id="{KEY}">'


def is_up_to_date(
    out: Path,
    provenance: Provenance,
    *,
    inputs: Iterable[Path],
    overwrite: bool,
    record: str = "",
    option: str = "--out",
) -> bool:
    """Return whether ``out`` exists with the same provenance.

    Args:
        out: A file, or a folder whose JSON file ``record`` holds the provenance.
        provenance: All that the content of the new output depends on.
        inputs: Inputs of the output, which are never replaced, not even with ``overwrite``.
        overwrite: Whether an output with another provenance may be replaced.
        record: Name of the JSON file inside the folder; empty for a file.
        option: Option that names the output, for the error.

    Raises:
        OutputExistsError: If ``out`` has another provenance and ``overwrite`` is false, or if it
            is a folder with files but without ``record``, even with ``overwrite``.
        InputError: If ``out`` lies below a file, is not UTF-8, is a folder instead of a file or a
            file instead of a folder, is an input, contains an input, or is a file of another kind
            in an input folder.
    """
    overwrite = flag("overwrite", overwrite)
    check_parents(out)
    if out.is_dir() and not record:
        raise InputError(f"{option} must be a file, found the folder {out}; give another {option}")
    if out.is_file() and record:
        raise InputError(f"{option} must be a folder, found the file {out}; give another {option}")
    inputs = tuple(inputs)
    check_not_input(out, inputs, option=option)
    if not out.exists() or is_empty_folder(out):
        return False
    stored = stored_provenance(out / record if record else out)
    compared = None if stored is None else {k: v for k, v in stored.items() if k != DERIVED}
    if compared == provenance.as_dict():
        return True
    if stored is None or stored.get("command") != provenance.command:
        check_not_part(out, inputs, option=option)
    if out.is_dir() and stored is None:
        # Even --overwrite must not delete a folder with unknown files.
        raise OutputExistsError(
            f"{out} has files but no {record}, so this command did not write it; give another "
            f"{option}"
        )
    if overwrite:
        return False
    found = "was made with other inputs or options" if stored else "was not made by this command"
    raise OutputExistsError(f"{out} exists and {found}; give --overwrite or another {option}")


def check_not_input(out: Path, inputs: Iterable[Path], *, option: str = "--out") -> None:
    """Check that an output replaces no input.

    Args:
        out: A file or a folder.
        inputs: Files and folders.
        option: Option that names the output, for the error.

    Raises:
        InputError: If ``out`` is an input, or a folder that contains one.
    """
    place = _real(out)
    for path in inputs:
        found = _real(path)
        if place == found or (out.is_dir() and place in found.parents):
            what = "is" if place == found else "contains"
            raise InputError(f"{option} {out} {what} the input {path}; give another {option}")


def check_not_part(out: Path, inputs: Iterable[Path], *, option: str = "--out") -> None:
    """Check that a file which would be replaced does not lie inside an input folder.

    Args:
        out: An existing file that the command did not write.
        inputs: Files and folders.
        option: Option that names the output, for the error.

    Raises:
        InputError: If ``out`` lies in an input folder.
    """
    for path in inputs:
        if _real(path) in _real(out).parents:
            raise InputError(f"{option} {out} is a file of the input {path}; give another {option}")


def check_outside(path: Path, out: Path, *, option: str) -> None:
    """Check that a further output does not lie in the folder ``out``, which is replaced as a whole.

    Args:
        path: File or folder that the command writes besides ``out``.
        out: Folder to write (``--out``); it need not exist.
        option: Option that names ``path``, for the error.

    Raises:
        InputError: If ``path`` is ``out`` or lies in it.
    """
    place = _real(path)
    if _real(out) in (place, *place.parents):
        raise InputError(
            f"{option} must lie outside --out {out}, found {path}; give another {option}"
        )


def _real(path: Path) -> Path:
    """Return a path with its links followed; unlike ``Path.resolve`` it allows circular links."""
    return Path(os.path.realpath(path))


def check_page(page: Path, *, option: str = "--out") -> None:
    """Check that a page has the suffix that browsers and ``stored_provenance`` need.

    Args:
        page: File to write.
        option: Option that names the file, for the error.

    Raises:
        InputError: If the name does not end in ``.html``.
    """
    if page.suffix != ".html":
        raise InputError(f"{option} must end in .html, found {page}; give another {option}")


def check_parquet(out: Path, what: str) -> None:
    """Check that ``out`` has the suffix by which readers of tables recognise a Parquet file.

    Args:
        out: File to write.
        what: Content of the file, for the error.

    Raises:
        InputError: If the name does not end in ``.parquet``, ``.geoparquet`` or ``.pq``, or as
            ``check_parents`` does.
    """
    check_parents(out)
    if not is_parquet(out):
        raise InputError(
            f"expected --out with the suffix .parquet for {what}, found {out}; change the name"
        )


def check_raster(out: Path) -> None:
    """Check that ``out`` has the suffix of a GeoTIFF, which ``stored_provenance`` needs.

    Raises:
        InputError: If the name does not end in ``.tif`` or ``.tiff``.
    """
    if out.suffix.lower() not in SUFFIXES:
        raise InputError(f"--out must end in .tif, found {out}; give another --out")


def status(up_to_date: bool) -> str:
    """Return the status of an output for a result."""
    return "up to date" if up_to_date else "written"


def stored_licences(path: Path) -> tuple[str, ...]:
    """Return the licences of an artefact, which its derived artefacts inherit."""
    return licences_in(stored_provenance(path))


def stored_provenance(path: Path) -> dict[str, object] | None:
    """Return the provenance in a Parquet, JSON, HTML, TIFF or PNG file; None if it has none.

    A page has it in the script element with the id ``minortom``, a GeoTIFF in the item of GDAL's
    metadata with that name, and a PNG in its text with that keyword.
    """
    try:
        if path.suffix == ".html":
            found = parse_json(path.read_text(encoding="utf-8").split(_IN_PAGE)[1].split("<")[0])
        elif path.suffix == ".json":
            found = parse_json(path.read_text(encoding="utf-8")).get(KEY)
        elif path.suffix.lower() in SUFFIXES:
            found = parse_json(metadata_item(path, KEY))
        elif path.suffix.lower() == ".png":
            found = parse_json(_text_of_png(path))
        else:
            found = parse_json((pq.read_schema(path).metadata or {})[KEY.encode()])
    except (OSError, ValueError, LookupError, AttributeError, pa.ArrowException):
        return None
    return found if isinstance(found, dict) else None


def _text_of_png(path: Path) -> str:
    # Imported here so that commands without pictures do not load Pillow.
    from PIL import Image

    with Image.open(path) as picture:
        return str(picture.info[KEY])


def now() -> datetime:
    """Return the current time in UTC, for a run record."""
    return datetime.now(UTC)
