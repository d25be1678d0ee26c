"""Provenance of an artefact: all that its content depends on, and nothing else.

The provenance is stored inside the file, so that the same input gives the same bytes. Facts about
the run (command line, host, times, versions of libraries) are stored in ``<out>.run.json``.
"""

import getpass
import hashlib
import json
import platform
import re
import shlex
import socket
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from minortom.api.arguments import not_special
from minortom.errors import InputError
from minortom.public_urls import HIDDEN, public_text, public_value
from minortom.version import __version__

KEY = "minortom"
"""Key of the record in a Parquet file's metadata, and in a folder's JSON file."""

DERIVED = "derived"
"""Key of the facts in a record that follow from the others."""

_LIBRARIES = ("numpy", "pyarrow", "rasterio", "numba", "pymoo", "duckdb", "torch", "lightning")
_SECRET_OPTION = re.compile(r"(?i)--[\w-]*(token|secret|password|api-?key)[\w-]*(=.*)?")
"""Option whose value is never written."""


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """All that the content of an artefact depends on."""

    command: str
    """Subcommand, such as ``annotate``."""
    options: Mapping[str, object]
    """Options that change the result: numbers, strings, booleans, and lists of these."""
    inputs: Mapping[str, str] = field(default_factory=dict)
    """SHA-256 of each input, by its role (``climate``, ``cells``)."""
    seed: int | None = None
    licences: tuple[str, ...] = ()
    """Licences and attributions that the artefact inherits."""
    version: str = __version__
    derived: Mapping[str, object] = field(default_factory=dict)
    """Facts that follow from the inputs and the options, such as edges of quantiles. They are
    stored, but do not decide whether an output is up to date."""

    def to_json(self) -> str:
        """Return the record as JSON with sorted keys, so that equal records are equal strings.

        URLs are stored without secrets. Inputs behind them differ by their hashes.
        """
        values = {"tool": "minortom", **asdict(self)}
        if not self.derived:
            del values[DERIVED]
        record = public_value(values)
        return json.dumps(record, sort_keys=True, ensure_ascii=False)

    def as_dict(self) -> dict[str, Any]:
        """Return the record as JSON has it, with sorted keys."""
        record: dict[str, Any] = json.loads(self.to_json())
        return record


def licences_in(record: Mapping[str, object] | None) -> tuple[str, ...]:
    """Return the licences in a stored record, which derived artefacts inherit."""
    found = (record or {}).get("licences")
    return tuple(map(str, found)) if isinstance(found, list) else ()


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file, or of the relative names and contents of a folder's files.

    Raises:
        InputError: If the path does not exist, cannot be read, or is a pipe or a device.
    """
    not_special("an input", path)
    if path.is_dir():
        digest = hashlib.sha256()
        for file in sorted(p for p in path.rglob("*") if p.is_file()):
            digest.update(f"{file.relative_to(path).as_posix()}\0{sha256_of(file)}\n".encode())
        return digest.hexdigest()
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}; check the path") from None


def run_record(started: datetime) -> dict[str, object]:
    """Return the facts about this run, which do not change the content; secrets are hidden."""
    versions = {}
    for name in _LIBRARIES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    return {
        # JSON is UTF-8, but a path may have other bytes.
        "command_line": shlex.join(_without_secrets(sys.argv))
        .encode("utf-8", "backslashreplace")
        .decode(),
        "started": started.isoformat(timespec="seconds"),
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "host": socket.gethostname(),
        "user": _user(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "libraries": versions,
    }


def _user() -> str | None:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a user without a name, in a container
        return None


def _without_secrets(words: list[str]) -> list[str]:
    """Return a command line with stars for the values of secret options, and public URLs."""
    shown, hide_next = [], False
    for word in words:
        option = _SECRET_OPTION.fullmatch(word)
        name, mark, _ = word.partition("=")
        if hide_next:
            shown.append(HIDDEN)
        else:
            shown.append(f"{name}={HIDDEN}" if option and mark else public_text(word))
        hide_next = option is not None and not mark and not hide_next
    return shown
