"""Files of an extractor other than CSMoE: `config.json` with a `kind`, `model.safetensors`."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import Tensor

from csmoe_model.checkpoints.hub import CONFIG
from csmoe_model.checkpoints.weights import read_json, write_tensors
from minortom.errors import InputError
from minortom.io.atomic_write import write_json
from minortom.io.provenance import KEY, Provenance, licences_in
from minortom.io.schema import PROVENANCE, Check, list_of, map_of, record, text
from minortom.scenes.band_names import band_names
from minortom.sensors import MODEL_BANDS, SensorName

if TYPE_CHECKING:
    from csmoe_model.extractors.extractor import Extractor

_STORED = record(kind=text, name=text, bands=map_of(list_of(text)), **{KEY: PROVENANCE})


@dataclass(frozen=True, kw_only=True)
class StoredExtractor:
    """Content of the `config.json` of an extractor."""

    folder: Path
    kind: str
    name: str
    bands: Mapping[SensorName, tuple[str, ...]]
    """Bands that are read, by sensor, in order."""
    licences: tuple[str, ...]
    config: Mapping[str, Any]
    """All keys of the file, also those of its kind only."""

    @property
    def sensors(self) -> tuple[SensorName, ...]:
        """Return the sensors whose images can be encoded."""
        return tuple(self.bands)

    def value(self, key: str, check: Check) -> Any:  # noqa: ANN401  # the check defines the type
        """Return the value of a key of this kind of extractors.

        Raises:
            InputError: If it is missing or does not pass the check.
        """
        value = self.config.get(key)
        try:
            check(value, key)
        except ValueError as error:
            raise self.damaged(str(error)) from None
        return value

    def damaged(self, found: str) -> InputError:
        """Return the error for a damaged folder."""
        return InputError(
            f"{self.folder} must hold an extractor of the kind {self.kind}, found {found}; copy "
            "the whole folder again"
        )


def read_stored(folder: Path) -> StoredExtractor:
    """Read the `config.json` of an extractor that `write_extractor` wrote.

    Raises:
        InputError: If it is missing or damaged.
    """
    config = read_json(folder / CONFIG, _STORED)
    bands: dict[SensorName, tuple[str, ...]] = {
        sensor: tuple(config["bands"][sensor])
        for sensor in MODEL_BANDS
        if sensor in config["bands"]
    }
    stored = StoredExtractor(
        folder=folder, kind=config["kind"], name=config["name"], bands=bands, config=config,
        licences=licences_in(config[KEY]),
    )  # fmt: skip
    unknown = [name for name in config["bands"] if name not in MODEL_BANDS]
    unknown += [name for s, names in bands.items() for name in names if name not in band_names(s)]
    if unknown or not all(bands.values()) or not bands:
        raise stored.damaged(f"the bands {unknown or 'of no sensor'}")
    return stored


def write_extractor(
    folder: Path,
    extractor: "Extractor",
    settings: Mapping[str, object],
    tensors: Mapping[str, Tensor],
    provenance: Provenance,
) -> None:
    """Write the files of an extractor into an existing folder.

    Args:
        folder: The folder.
        extractor: The extractor; its kind, name and bands are stored.
        settings: Further keys of `config.json`.
        tensors: Weights or filters by name.
        provenance: How they were made; its licences become those of the extractor.
    """
    write_tensors(folder, tensors)
    write_json(
        folder / CONFIG,
        {
            KEY: provenance.as_dict(), "kind": extractor.kind, "name": extractor.name,
            "bands": {sensor: list(names) for sensor, names in extractor.bands.items()},
            **settings,
        },
    )  # fmt: skip


def tensors_sha256(tensors: Mapping[str, Tensor]) -> str:
    """Return the SHA-256 of the names, shapes and values of tensors."""
    digest = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        array = tensor.detach().cpu().contiguous().numpy()
        digest.update(f"{name} {array.dtype} {array.shape}\n".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()
