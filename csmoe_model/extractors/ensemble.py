"""Ensembles: the standardised vectors of several extractors, concatenated.

Axes, as name suffixes:
    B  images in a batch    C  bands    H W  pixel rows and columns    D  width of a vector
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor

from csmoe_model.checkpoints.hub import CONFIG
from csmoe_model.checkpoints.weight_files import INDEX, weight_files
from csmoe_model.checkpoints.weights import kind_of, read_json, read_tensors
from csmoe_model.extractors.band_statistics import BandStatistics
from csmoe_model.extractors.cost import NO_COST, ExtractorCost
from csmoe_model.extractors.extractor import Alignment, Extractor, Sizes
from csmoe_model.extractors.stored import StoredExtractor, tensors_sha256
from csmoe_model.extractors.vector_statistics import VectorStatistics
from minortom.errors import InputError
from minortom.io.provenance import sha256_of
from minortom.io.schema import file_name, list_of, map_of, optional, record, text
from minortom.scenes.band_names import band_names
from minortom.sensors import MODEL_BANDS, SensorName

MANIFEST = "ensemble.json"
MEMBERS = "members"
"""Folder of the members' own folders, which are named as the members."""


def _by_file_name(value: object, place: str) -> None:
    """Accept text for each name of a file without folders."""
    map_of(text)(value, place)
    assert isinstance(value, Mapping)  # checked above
    for name in value:
        file_name(name, f"a key of {place}")


_MANIFEST = record(
    members=list_of(
        record(
            name=file_name, kind=text, sensors=list_of(text), sha256=text,
            files=optional(_by_file_name),
        )
    )
)  # fmt: skip


@dataclass(frozen=True, kw_only=True, eq=False)
class Member:
    """A member of an ensemble."""

    name: str
    extractor: Extractor
    sensors: tuple[SensorName, ...]
    """Sensors whose images it encodes."""
    statistics: VectorStatistics

    def vectors(self, images: Mapping[SensorName, Tensor]) -> Tensor:
        """Return the standardised vectors [B, D] of images with its own bands."""
        given = {sensor: images[sensor].to(self.extractor.device) for sensor in self.sensors}
        return self.statistics.apply(self.extractor.vectors(given).cpu())

    @property
    def bands(self) -> dict[SensorName, tuple[str, ...]]:
        """Bands that it reads."""
        return {sensor: self.extractor.bands[sensor] for sensor in self.sensors}

    def cost_of(self, sizes: Sizes) -> ExtractorCost:
        """Return the cost of a vector of images of some sizes."""
        return self.extractor.cost_of({sensor: sizes[sensor] for sensor in self.sensors})


@dataclass(frozen=True, kw_only=True, eq=False)
class Ensemble(Extractor):
    """Standardised vectors of several extractors, each divided by the root of its width."""

    kind: ClassVar[str] = "ensemble"
    alignment: ClassVar[Alignment] = "joint"
    normalisation: ClassVar[str] = "that of each member"

    members: tuple[Member, ...]

    @classmethod
    def of(
        cls,
        members: Sequence[Member],
        *,
        licences: tuple[str, ...] = (),
        folder: Path | None = None,
    ) -> "Ensemble":
        """Return the ensemble of some members, which reads the bands of all of them.

        Args:
            members: The members, in the order of their vectors.
            licences: Licences of the images that it was selected or calibrated on; those of the
                members are added.
            folder: Folder that it was loaded from.
        """
        known = {sensor for member in members for sensor in member.sensors}
        sensors = tuple(sensor for sensor in MODEL_BANDS if sensor in known)
        bands = {sensor: _all_bands(members, sensor) for sensor in sensors}
        inherited = [line for member in members for line in member.extractor.licences]
        digest = hashlib.sha256()
        for member in members:
            statistics = tensors_sha256(member.statistics.tensors())
            parts = (member.name, *member.sensors, member.extractor.sha256, statistics)
            digest.update("\0".join((*parts, "\n")).encode())
        return cls(
            name=f"ensemble of {len(members)}", sensors=sensors, bands=bands,
            sha256=digest.hexdigest(), folder=folder, members=tuple(members),
            licences=tuple(dict.fromkeys([*inherited, *licences])),
        )  # fmt: skip

    def tensors(self) -> dict[str, Tensor]:
        """Return the statistics of all members by name, to be stored."""
        return {
            f"{member.name}.{name}": tensor
            for member in self.members
            for name, tensor in member.statistics.tensors().items()
        }

    @classmethod
    def read(cls, stored: StoredExtractor, load: Callable[[str | Path], Extractor]) -> "Ensemble":
        """Return the ensemble of a folder.

        Args:
            stored: Content of its `config.json`.
            load: Loads a member.

        Raises:
            InputError: If a member is missing or damaged, or is not the one of the manifest.
        """
        manifest = read_json(stored.folder / MANIFEST, _MANIFEST)
        tensors = read_tensors(stored.folder)
        members = []
        for entry in manifest["members"]:
            name, sensors = entry["name"], tuple(s for s in MODEL_BANDS if s in entry["sensors"])
            extractor = _load_member(stored.folder, entry, load)
            extractor.check_sensors(sensors, f"the member {name} of {stored.folder}")
            statistics = VectorStatistics.from_tensors(
                tensors, f"{name}.", width=extractor.width_of(sensors)
            )
            if statistics is None:
                raise stored.damaged(f"no statistics of the member {name}")
            members.append(
                Member(name=name, extractor=extractor, sensors=sensors, statistics=statistics)
            )
        if not members:
            raise stored.damaged("no member")
        return cls.of(members, licences=stored.licences, folder=stored.folder)

    def vectors(self, images: Mapping[SensorName, Tensor]) -> Tensor:
        """Encode images with each member, [B, D]."""
        parts = []
        for member in self.members:
            chosen = {
                sensor: images[sensor][:, [self.bands[sensor].index(band) for band in bands]]
                for sensor, bands in member.bands.items()
            }
            parts.append(member.vectors(chosen))
        return torch.cat(parts, dim=1)

    def width_of(self, sensors: Sequence[SensorName]) -> int:
        """Return the sum of the members' widths."""
        del sensors
        return sum(member.extractor.width_of(member.sensors) for member in self.members)

    def cost_of(self, sizes: Sizes) -> ExtractorCost:
        """Return the sum of the members' costs."""
        return reduce(add, (member.cost_of(sizes) for member in self.members), NO_COST)

    @property
    def smallest_px(self) -> int:
        """Minimum side of an image that every member can encode."""
        return max(member.extractor.smallest_px for member in self.members)


def listed_files(folder: Path) -> Iterator[str]:
    """Yield the paths, in the folder of an ensemble, of its manifest and its members' files.

    Members that are ensembles are included. A manifest is read after its path was yielded, so that
    it can be downloaded before. Another extractor has no such files.

    Raises:
        InputError: If a manifest is missing or damaged, or names a file in another folder.
    """
    if kind_of(folder / CONFIG) == Ensemble.kind:
        yield from _listed(folder, "")


def _listed(folder: Path, inside: str) -> Iterator[str]:
    yield inside + MANIFEST
    for entry in read_json(folder / inside / MANIFEST, _MANIFEST)["members"]:
        place = f"{inside}{MEMBERS}/{entry['name']}/"
        for name in entry.get("files") or ():
            if name == MANIFEST:
                yield from _listed(folder, place)
            else:
                yield place + name


def member_files(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of each file of a member that its vectors depend on, by name."""
    names = [CONFIG, *(file.name for file in weight_files(folder)), INDEX, MANIFEST]
    return {name: sha256_of(folder / name) for name in names if (folder / name).is_file()}


def _load_member(
    folder: Path, entry: Mapping[str, object], load: Callable[[str | Path], Extractor]
) -> Extractor:
    """Load a member, and check that it is the one of the manifest."""
    name = str(entry["name"])
    if entry.get("files") is None and entry["kind"] == BandStatistics.kind:
        found = load(BandStatistics.kind)  # the only features without files
    else:
        place = folder / MEMBERS / name
        if not (place / CONFIG).is_file():
            raise InputError(
                f"expected the files of the member {name} of {folder / MANIFEST} in {place}, found "
                "none; copy the whole folder again"
            )
        if member_files(place) != entry.get("files"):
            raise _changed(folder, name)
        found = load(place)
    if found.sha256 != entry["sha256"]:
        raise _changed(folder, name)
    return found


def _changed(folder: Path, name: str) -> InputError:
    return InputError(
        f"expected the files of the member {name} with the SHA-256 of {folder / MANIFEST}, found "
        "other files; copy the whole folder again, or build the ensemble again"
    )


def _all_bands(members: Sequence[Member], sensor: SensorName) -> tuple[str, ...]:
    """Return the bands of a sensor that any member reads."""
    read = {band for member in members for band in member.bands.get(sensor, ())}
    return tuple(band for band in band_names(sensor) if band in read)
