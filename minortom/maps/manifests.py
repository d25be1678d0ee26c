"""External data sets: where from, under which licence, and what their values mean.

One YAML file a data set, in ``data_manifests/`` or of the user's own. A file with a legend
describes a categorical map; a further map needs no more than such a file.
"""

import re
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from minortom.errors import InputError

MAX_CODE = 255
"""Codes are written as uint8."""
TILE = "{TILE}"
"""What stands for the name of a tile in the URL of a tiled data set."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_DIGITS = {"md5": 32, "sha1": 40, "sha256": 64, "sha512": 128}
_MAY_BE_NULL = ("checksum", "member", "size", "by_hand")


@dataclass(frozen=True, kw_only=True)
class Crosswalk:
    """Classes of one legend as classes of another."""

    to: str
    """Name of the other legend."""
    codes: Mapping[int, int]
    """Code here -> code there; one for each class."""


@dataclass(frozen=True, kw_only=True)
class Legend:
    """What the values of a categorical map mean."""

    name: str
    """What ``--climate-legend`` and ``--landcover-legend`` call it."""
    classes: Mapping[int, str]
    """Code -> name of the class; 0 to 255, no slash, since strata are ``climate/landcover``."""
    nodata: tuple[int, ...]
    """Values that mean "no class here"."""
    crosswalk: Crosswalk | None = None

    def __post_init__(self) -> None:
        odd: list[object] = [code for code in (*self.classes, *self.nodata) if not _is_code(code)]
        odd += [name for name in self.classes.values() if not isinstance(name, str) or "/" in name]
        if odd or not self.classes:
            raise InputError(
                f"legend {self.name}: wanted codes 0 to {MAX_CODE} with names without a slash, "
                f"found {odd[0] if odd else 'no classes'!r}"
            )
        both = [code for code in self.nodata if code in self.classes]
        if both:
            raise InputError(f"legend {self.name}: {both[0]} is a class and nodata; drop one")
        if self.crosswalk and set(self.crosswalk.codes) != set(self.classes):
            raise InputError(
                f"legend {self.name}: the crosswalk to {self.crosswalk.to} must name each class "
                "once, and nothing else"
            )


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """One external data set.

    Raises:
        InputError: If a value is not of its kind, or two of them contradict each other.
    """

    name: str
    """What ``fetch`` calls it, and its folder in the cache."""
    title: str
    version: str
    url: str
    """Where to get it; with ``lattice_deg``, ``{TILE}`` stands for the name of a tile."""
    checksum: str | None
    """``algorithm:hex`` of the file behind ``url``; None where none is published."""
    licence: str
    """SPDX identifier where there is one."""
    attribution: str
    """The line to show wherever something made from the data is shown."""
    citation: str
    crs: str
    legend: Legend | None = None
    member: str | None = None
    """The map in the zip file behind ``url``: its path there, ``*`` for anything; one match."""
    lattice_deg: int | None = None
    """Of a tiled data set, the side of a tile in whole degrees; a tile is named by its
    south-west corner, as in N39W075."""
    size: str | None = None
    """How much there is, for people, as in ``2,651 tiles, 120 GB``."""
    by_hand: str | None = None
    """Why ``fetch`` cannot get it, where a person has to."""

    def __post_init__(self) -> None:
        for name in (field.name for field in fields(self)):
            value = getattr(self, name)
            if name in ("legend", "lattice_deg") or (value is None and name in _MAY_BE_NULL):
                continue
            if not isinstance(value, str) or not value.strip():
                raise InputError(f"wanted text under {name}, in quotes, found {value!r}")
        if not _NAME.fullmatch(self.name):
            raise InputError(f"wanted letters, digits, . _ - as name, found {self.name!r}")
        self._check_checksum()
        self._check_lattice()

    def _check_checksum(self) -> None:
        algorithm, _, digits = (self.checksum or "").partition(":")
        if self.checksum is not None and not (
            algorithm in _DIGITS and re.fullmatch(f"[0-9a-f]{{{_DIGITS[algorithm]}}}", digits)
        ):
            raise InputError(
                f"wanted a checksum such as sha256: with {_DIGITS['sha256']} digits 0-9 a-f (or "
                f"{', '.join(_DIGITS)}; null where none is published), found {self.checksum!r}"
            )

    def _check_lattice(self) -> None:
        if self.lattice_deg is None:
            if TILE in self.url:
                raise InputError(f"the url holds {TILE}; the key lattice_deg is missing")
            return
        step = self.lattice_deg
        if isinstance(step, bool) or not isinstance(step, int) or step < 1 or 180 % step:
            raise InputError(
                f"wanted whole degrees that divide 180 under lattice_deg, found {step!r}"
            )
        if TILE not in self.url:
            raise InputError(f"lattice_deg is given, but the url {self.url} holds no {TILE}")
        if self.checksum or self.member:
            raise InputError("checksum and member are of one file; a tiled data set has many")

    def file_name(self, tile: str = TILE) -> str:
        """Give the last part of the URL's path: what the file, or that of a tile, is called."""
        return urlsplit(self.url).path.rpartition("/")[2].replace(TILE, tile) or self.name

    def credit(self) -> str:
        """Give the line about licence and attribution that an artefact inherits."""
        return f"{self.title} ({self.licence}): {self.attribution}"


def load_manifest(path: Path) -> Manifest:
    """Read one manifest.

    Raises:
        InputError: If it cannot be read, or a key is missing, unknown or of a wrong kind.
    """
    import yaml

    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InputError(f"cannot read the manifest {path}: {error}") from None
    try:
        if isinstance(content, dict) and isinstance(content.get("legend"), dict):
            legend = dict(content["legend"])
            if legend.get("crosswalk") is not None:
                legend["crosswalk"] = _strictly(Crosswalk, legend["crosswalk"])
                _whole(dict, legend["crosswalk"].codes, "crosswalk.codes")
            legend["nodata"] = tuple(_whole(list, legend.get("nodata"), "nodata"))
            legend["classes"] = _whole(dict, legend.get("classes"), "classes")
            content = {**content, "legend": _strictly(Legend, legend)}
        manifest: Manifest = _strictly(Manifest, content)
    except InputError as error:
        raise InputError(f"{path} is no manifest: {error}; see data_manifests/ for some") from None
    return manifest


def manifest_paths() -> list[Path]:
    """List the manifests that come with minortom, by name."""
    installed = Path(str(files("minortom"))) / "data_manifests"
    folder = installed if installed.is_dir() else installed.parents[1] / "data_manifests"
    return sorted(folder.glob("*.yaml"))


def find_manifest(legend: str) -> tuple[Path, Manifest]:
    """Find the manifest whose legend has this name, and its file.

    Raises:
        InputError: If there is none; the message holds the names that there are.
    """
    known = []
    for path in manifest_paths():
        manifest = load_manifest(path)
        if manifest.legend is None:
            continue
        if manifest.legend.name == legend:
            return path, manifest
        known.append(manifest.legend.name)
    raise InputError(f"no legend is called {legend!r}; there are {', '.join(sorted(known))}")


def named_manifest(name: str) -> tuple[Path, Manifest]:
    """Find the manifest of this name among those that come with minortom, and its file.

    Raises:
        InputError: If there is none; the message holds the names that there are.
    """
    for path in manifest_paths():
        if path.stem == name:
            return path, load_manifest(path)
    known = ", ".join(path.stem for path in manifest_paths())
    raise InputError(
        f"no data set is called {name!r}; there are {known}; a file is anything that exists or "
        "holds a separator, as in ./map.tif"
    )


def _strictly(kind: type, content: object) -> Any:  # noqa: ANN401 - an instance of `kind`
    """Build a dataclass from a mapping, complaining about what is missing or unknown."""
    if not isinstance(content, dict):
        raise InputError(f"wanted keys and values for {kind.__name__.lower()}, found {content!r}")
    names = {field.name: field.default for field in fields(kind)}
    missing = [name for name, value in names.items() if value is MISSING and name not in content]
    if missing:
        raise InputError(f"the key {missing[0]} is missing")
    unknown = [str(key) for key in content if key not in names]
    if unknown:
        raise InputError(f"unknown key {unknown[0]}; wanted {', '.join(sorted(names))}")
    return kind(**content)


def _whole(kind: type, value: object, name: str) -> Any:  # noqa: ANN401 - an instance of `kind`
    if not isinstance(value, kind):
        wanted = "a list" if kind is list else "keys and values"
        raise InputError(f"wanted {wanted} under {name}, found {value!r}")
    return value


def _is_code(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MAX_CODE
