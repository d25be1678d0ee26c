"""Manifests of external data sets: source, licence, and the meaning of values.

Each data set has one YAML file, in ``data_manifests/`` or written by the user. A manifest with a
legend describes a categorical map. An additional map needs only such a file.
"""

import re
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from minortom.api.arguments import not_special, shown
from minortom.errors import InputError
from minortom.io.parse_yaml import parse_yaml

MAX_CODE = 255
"""Maximum code: codes are stored as uint8."""
TILE = "{TILE}"
"""Placeholder for the name of a tile in the URL of a tiled data set."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_DIGITS = {"md5": 32, "sha1": 40, "sha256": 64, "sha512": 128}
_MAY_BE_NULL = ("checksum", "member", "size", "by_hand")


@dataclass(frozen=True, kw_only=True)
class Crosswalk:
    """Map from the classes of one legend to those of another."""

    to: str
    """Name of the other legend."""
    codes: Mapping[int, int]
    """Code of the other legend, by code of this legend; one for each class."""


@dataclass(frozen=True, kw_only=True)
class Legend:
    """Legend of a categorical map: the meaning of its values."""

    name: str
    """Name for ``--climate-legend`` and ``--landcover-legend``."""
    classes: Mapping[int, str]
    """Name of each class, by code 0 to 255. No slashes, since strata are ``climate/landcover``."""
    nodata: tuple[int, ...]
    """Values of pixels without a class."""
    crosswalk: Crosswalk | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.name, str):
            raise InputError(f"expected text under legend.name, found {shown(self.name)}")
        odd: list[object] = [code for code in (*self.classes, *self.nodata) if not _is_code(code)]
        odd += [name for name in self.classes.values() if not isinstance(name, str) or "/" in name]
        if odd or not self.classes:
            raise InputError(
                f"legend {self.name}: expected codes 0 to {MAX_CODE} with names without a slash, "
                f"found {shown(odd[0] if odd else 'no classes')}"
            )
        both = [code for code in self.nodata if code in self.classes]
        if both:
            raise InputError(f"legend {self.name}: {both[0]} is a class and nodata; remove one")
        to = self.crosswalk
        if to and not (isinstance(to.to, str) and all(map(_is_code, to.codes.values()))):
            raise InputError(
                f"legend {self.name}: expected the name of a legend and codes 0 to {MAX_CODE} in "
                "the crosswalk, found other values"
            )
        if self.crosswalk and set(self.crosswalk.codes) != set(self.classes):
            raise InputError(
                f"legend {self.name}: expected each class once in the crosswalk to "
                f"{self.crosswalk.to}, found other codes; correct the crosswalk"
            )


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """Manifest of one external data set.

    Raises:
        InputError: If a value has another type, or two values contradict each other.
    """

    name: str
    """Name for ``fetch``, and name of the folder in the cache."""
    title: str
    version: str
    url: str
    """Address of the data. With ``lattice_deg``, ``{TILE}`` is the placeholder of a tile's name."""
    checksum: str | None
    """``algorithm:hex`` of the file behind ``url``; None if no checksum is published."""
    licence: str
    """SPDX identifier if one exists."""
    attribution: str
    """Line to show with everything that is made from the data."""
    citation: str
    crs: str
    legend: Legend | None = None
    member: str | None = None
    """Path of the map in the zip file behind ``url``; ``*`` is a wildcard with one match."""
    lattice_deg: int | None = None
    """Side of a tile in whole degrees; None if the data set is not tiled. A tile is named by its
    south-west corner, as in N39W075."""
    size: str | None = None
    """Size of the data as text, such as ``2,651 tiles, 120 GB``."""
    by_hand: str | None = None
    """Reason why ``fetch`` cannot download it; None if it can."""

    def __post_init__(self) -> None:
        for name in (field.name for field in fields(self)):
            value = getattr(self, name)
            if name in ("legend", "lattice_deg") or (value is None and name in _MAY_BE_NULL):
                continue
            if not isinstance(value, str) or not value.strip():
                raise InputError(f"expected text under {name}, in quotes, found {shown(value)}")
        if not _NAME.fullmatch(self.name):
            raise InputError(f"expected letters, digits, . _ - as name, found {self.name!r}")
        try:
            self.file_name()
        except ValueError as error:
            raise InputError(f"expected an address under url, found {self.url} ({error})") from None
        self._check_checksum()
        self._check_lattice()

    def _check_checksum(self) -> None:
        algorithm, _, digits = (self.checksum or "").partition(":")
        if self.checksum is not None and not (
            algorithm in _DIGITS and re.fullmatch(f"[0-9a-f]{{{_DIGITS[algorithm]}}}", digits)
        ):
            raise InputError(
                f"expected a checksum such as sha256: with {_DIGITS['sha256']} digits 0-9 a-f (or "
                f"{', '.join(_DIGITS)}; null if none is published), found {self.checksum!r}"
            )

    def _check_lattice(self) -> None:
        if self.lattice_deg is None:
            if TILE in self.url:
                raise InputError(f"the url has {TILE}, but the key lattice_deg is missing; add it")
            return
        step = self.lattice_deg
        if isinstance(step, bool) or not isinstance(step, int) or step < 1 or 180 % step:
            raise InputError(
                f"expected whole degrees that divide 180 under lattice_deg, found {shown(step)}"
            )
        if TILE not in self.file_name():  # two tiles would share one file
            raise InputError(
                f"expected {TILE} in the file name of the url with lattice_deg, found {self.url}"
            )
        if self.checksum or self.member:
            raise InputError(
                "a tiled data set has many files, so it has no checksum and no member; remove them"
            )

    def file_name(self, tile: str = TILE) -> str:
        """Return the file name at the end of the URL's path, of a tile if the data set is tiled."""
        return urlsplit(self.url).path.rpartition("/")[2].replace(TILE, tile) or self.name

    def credit(self) -> str:
        """Return the line about licence and attribution that an artefact inherits."""
        return f"{self.title} ({self.licence}): {self.attribution}"


def load_manifest(path: Path) -> Manifest:
    """Read a manifest.

    Raises:
        InputError: If it cannot be read, or a key is missing, unknown or of another type.
    """
    try:
        content = parse_yaml(not_special("a manifest", path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"cannot read the manifest {path}: {error}") from None
    try:
        if isinstance(content, dict) and isinstance(content.get("legend"), dict):
            legend = dict(content["legend"])
            if legend.get("crosswalk") is not None:
                legend["crosswalk"] = _strictly(Crosswalk, legend["crosswalk"])
                _of_type(dict, legend["crosswalk"].codes, "crosswalk.codes")
            legend["nodata"] = tuple(_of_type(list, legend.get("nodata"), "nodata"))
            legend["classes"] = _of_type(dict, legend.get("classes"), "classes")
            content = {**content, "legend": _strictly(Legend, legend)}
        manifest: Manifest = _strictly(Manifest, content)
    except InputError as error:
        raise InputError(
            f"{path} is not a manifest: {error}; see data_manifests/ for examples"
        ) from None
    return manifest


def manifest_paths() -> list[Path]:
    """Return the paths of the manifests that come with minortom, by name."""
    installed = Path(str(files("minortom"))) / "data_manifests"
    folder = installed if installed.is_dir() else installed.parents[1] / "data_manifests"
    return sorted(folder.glob("*.yaml"))


def find_manifest(legend: str) -> tuple[Path, Manifest]:
    """Return the manifest whose legend has this name, and its path.

    Raises:
        InputError: If no legend has this name; the message lists the existing names.
    """
    known = []
    for path in manifest_paths():
        manifest = load_manifest(path)
        if manifest.legend is None:
            continue
        if manifest.legend.name == legend:
            return path, manifest
        known.append(manifest.legend.name)
    raise InputError(
        f"expected the name of a legend ({', '.join(sorted(known))}), found {legend!r}"
    )


def named_manifest(name: str) -> tuple[Path, Manifest]:
    """Return the manifest of this name among those that come with minortom, and its path.

    Raises:
        InputError: If no manifest has this name; the message lists the existing names.
    """
    for path in manifest_paths():
        if path.stem == name:
            return path, load_manifest(path)
    known = ", ".join(path.stem for path in manifest_paths())
    raise InputError(
        f"expected the name of a data set ({known}) or an existing file, found {name!r}; give a "
        "file with its folder, as in ./map.tif"
    )


def _strictly(kind: type, content: object) -> Any:  # noqa: ANN401 - an instance of `kind`
    """Build a dataclass from a mapping, with errors for missing and unknown keys."""
    if not isinstance(content, dict):
        raise InputError(
            f"expected keys and values for {kind.__name__.lower()}, found {shown(content)}"
        )
    names = {field.name: field.default for field in fields(kind)}
    missing = [name for name, value in names.items() if value is MISSING and name not in content]
    if missing:
        raise InputError(f"the key {missing[0]} is missing")
    unknown = [str(key) for key in content if key not in names]
    if unknown:
        raise InputError(f"expected the keys {', '.join(sorted(names))}, found {unknown[0]}")
    return kind(**content)


def _of_type(kind: type, value: object, name: str) -> Any:  # noqa: ANN401 - an instance of `kind`
    if not isinstance(value, kind):
        expected = "a list" if kind is list else "keys and values"
        raise InputError(f"expected {expected} under {name}, found {shown(value)}")
    return value


def _is_code(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MAX_CODE
