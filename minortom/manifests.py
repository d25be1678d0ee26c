"""External data sets: where from, under which licence, and what their values mean.

One YAML file a data set, in ``data_manifests/``. A file with a legend describes a categorical
map; a further map needs no more than such a file.
"""

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from importlib.resources import files
from pathlib import Path
from typing import Any

from minortom.errors import InputError

MAX_CODE = 255
"""Codes are written as uint8."""


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
    """One external data set."""

    name: str
    title: str
    version: str
    url: str
    """Where to get it; ``{TILE}`` stands for the name of a tile."""
    checksum: str | None
    """``algorithm:hex`` of the file behind ``url``; None where none is published."""
    licence: str
    """SPDX identifier where there is one."""
    attribution: str
    """The line to show wherever something made from the data is shown."""
    citation: str
    crs: str
    legend: Legend | None = None

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
