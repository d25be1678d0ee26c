"""Manifests of external data sets: source, licence, and the meaning of values.

Each data set has one YAML file, in ``data_manifests/`` or written by the user. A manifest with a
legend describes a categorical map. An additional map needs only such a file.
"""

import os
import re
from dataclasses import dataclass, fields
from importlib.resources import files
from pathlib import Path
from urllib.parse import urlsplit

from minortom.api.arguments import shown
from minortom.errors import InputError
from minortom.maps.legends import Legend, legend_of, read_yaml, strictly

TILE = "{TILE}"
"""Placeholder for the name of a tile in the URL of a tiled data set."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_DIGITS = {"md5": 32, "sha1": 40, "sha256": 64, "sha512": 128}
_MAY_BE_NULL = ("checksum", "member", "size", "by_hand")


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
    return _manifest_of(read_yaml("a manifest", path), path)


def _manifest_of(content: object, path: Path) -> Manifest:
    try:
        if isinstance(content, dict) and isinstance(content.get("legend"), dict):
            content = {**content, "legend": legend_of(content["legend"])}
        manifest: Manifest = strictly(Manifest, content)
    except InputError as error:
        raise InputError(
            f"{path} is not a manifest: {error}; see data_manifests/ for examples"
        ) from None
    return manifest


@dataclass(frozen=True, kw_only=True)
class LegendFile:
    """Legend and the file that has it."""

    path: Path
    legend: Legend
    manifest: Manifest | None = None
    """Manifest in the file; None if the file has the legend alone."""


def load_legend(path: Path) -> LegendFile:
    """Read a legend from a manifest, or from a file with the legend part of a manifest alone.

    Raises:
        InputError: If it cannot be read, has no legend, or a key is missing, unknown or of
            another type.
    """
    content = read_yaml("a legend", path)
    inner = content.get("legend") if isinstance(content, dict) else None
    if not isinstance(content, dict) or ("classes" not in content and inner is None):
        if isinstance(content, dict) and "url" in content:
            raise InputError(f"{path} has no legend; add one that names the map's classes")
        raise InputError(
            f"expected a legend with the keys name, nodata and classes in {path}, found "
            f"{_shortly(content)}; see docs/fetch.md"
        )
    if inner is not None and set(content) != {"legend"}:
        manifest = _manifest_of(content, path)
        if manifest.legend is None:  # not keys and values
            raise InputError(f"{path} has no legend; add one that names the map's classes")
        return LegendFile(path=path, legend=manifest.legend, manifest=manifest)
    try:
        return LegendFile(path=path, legend=legend_of(content if inner is None else inner))
    except InputError as error:
        raise InputError(f"{path} is not a legend: {error}; see docs/fetch.md") from None


def find_legend(text: str) -> LegendFile:
    """Return the legend of this path or name.

    Text is a path if the file exists or if it contains a separator.

    Raises:
        InputError: If there is no such legend; the message lists the existing names.
    """
    path = Path(text)
    if path.exists() or os.sep in text:
        return load_legend(path)
    path, manifest = find_manifest(text)
    assert manifest.legend is not None
    return LegendFile(path=path, legend=manifest.legend, manifest=manifest)


def _shortly(content: object) -> str:
    if isinstance(content, dict):
        return f"the keys {', '.join(map(str, list(content)[:6]))}" if content else "no keys"
    return "an empty file" if content is None else type(content).__name__


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
        f"expected the name of a legend ({', '.join(sorted(known))}) or an existing file, found "
        f"{legend!r}; give a file with its folder, as in ./legend.yaml"
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
