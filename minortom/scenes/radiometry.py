"""Radiometry of a user's images: from stored values to the units of the model.

One rule serves scenes, labelled folders and single images:

1. A pixel was not measured where the file's nodata value or mask says so, where a value is not
   finite or one of `FILL_VALUES`, and where all bands of its sensor are 0.
2. Scale and offset tags are applied as GDAL does.
3. The unit follows from the distribution of the values, see `units`.
4. The offset of Sentinel-2 follows from the tags, from the product's name, or from the user.

Steps 1 and 2 belong to a file, see `geotiffs`. A `Radiometry` does steps 3 and 4, in the same way
for all files of a scene or a folder.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from minortom.errors import InputError
from minortom.scenes.baseline import BASELINE_OFFSET, offset_is_doubtful
from minortom.scenes.units import MODEL_UNIT, REFLECTANCE, Unit, recognise
from minortom.sensors import MODEL_BANDS, SensorName

S2Offset = float | Literal["auto"]
"""Offset to subtract from Sentinel-2 values without offset tags, in reflectance × 10,000."""
GivenOffset = float | str
"""Offset as a user gives it: a number, or `auto`; see `parse_offset`."""
FloatArray = NDArray[np.float32]
Mask = NDArray[np.bool_]

FILL_VALUES = (65535.0, -9999.0, -32768.0)
"""Stored values that stand for pixels without a measurement, also without a nodata tag."""
_MIN_FLOAT = -1e30
_MAX_OFFSET = 10_000.0

_SUBTRACTED = (
    "subtracted the offset 1000 of Sentinel-2, which the processing baseline in the name of the "
    "product says"
)
_ALREADY = (
    "subtracted no offset from Sentinel-2: the processing baseline in the name of the product "
    "says 1000, but values far below it show that it was subtracted already"
)
_NOT_NAMED = (
    "subtracted no offset from Sentinel-2, although no reflectance is near 0, as with the offset "
    "of processing baseline 04.00; give --s2-offset 1000 if the values have it"
)
_ASSUMED = {BASELINE_OFFSET: (_SUBTRACTED, _ALREADY), None: ("", _NOT_NAMED)}
"""Messages by the offset in a product's name: where the values agree with it, and where not."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Origin:
    """Information of a file about the offset of its values."""

    path: Path
    has_offset_tag: bool
    """Whether tags of the file gave an offset, which is then applied already."""
    named_offset: int | None
    """Offset by the processing baseline in the product's name; None without a name."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Sample:
    """Measured values of one sensor in one file, with its tags applied."""

    sensor: SensorName
    bands: Mapping[str, FloatArray]
    """[n] values of each band, under its name in `MODEL_BANDS`."""
    origin: Origin


@dataclass(frozen=True, kw_only=True)
class Radiometry:
    """Conversion of values to reflectance × 10,000 without offset, and to dB."""

    units: Mapping[SensorName, Unit] = field(default_factory=lambda: dict(MODEL_UNIT))
    s2_offset: S2Offset = "auto"
    by_name: bool = True
    """Whether to subtract the offset that a product's name gives, for `auto`."""
    subtracts: bool = False
    """Whether an offset is subtracted from some of the files."""
    notes: tuple[str, ...] = ()
    """Assumptions, and what was left out, one line each; see `report`."""

    @classmethod
    def of(
        cls, samples: Sequence[Sample], *, s2_offset: S2Offset, where: Path
    ) -> "Radiometry":  # fmt: skip
        """Decide on the conversion of all files from the values of some.

        Args:
            samples: Values of some files.
            s2_offset: Offset of Sentinel-2 that the user gives, or `auto`.
            where: File or folder, for messages.

        Raises:
            InputError: If the unit is not clear.
        """
        units, notes = dict(MODEL_UNIT), []
        for sensor in MODEL_BANDS:
            mine = [sample for sample in samples if sample.sensor == sensor]
            if mine:
                units[sensor], note = _unit(sensor, mine, where)
                notes.append(note)
        of_s2 = [sample for sample in samples if sample.sensor == "s2"]
        by_name = False
        if s2_offset == "auto":
            by_name, found = _trusts_names(of_s2, units["s2"])
            notes += found
        elif any(sample.origin.has_offset_tag for sample in of_s2):
            notes.append("its tags have an offset, so --s2-offset is not used")
        rule = cls(
            units=units, s2_offset=s2_offset, by_name=by_name,
            notes=tuple(f"{where}: {note}" for note in notes if note),
        )  # fmt: skip
        return replace(rule, subtracts=any(rule.offset(one.origin) for one in of_s2))

    def report(self) -> None:
        """Log the notes: when an output is made, so that an error stays one line."""
        for note in self.notes:
            _log.warning("%s", note)

    def offset(self, origin: Origin) -> float:
        """Return the offset to subtract from the Sentinel-2 values of a file."""
        if origin.has_offset_tag:
            return 0.0
        if self.s2_offset != "auto":
            return float(self.s2_offset)
        return float(origin.named_offset or 0) if self.by_name else 0.0

    def convert(
        self, sensor: SensorName, values: FloatArray, valid: Mask, origin: Origin
    ) -> tuple[FloatArray, Mask]:
        """Convert values of a sensor to the unit of the model.

        Returns:
            The values, at least 1 after an offset was subtracted, as in shards; and the mask,
            which is False where a logarithm does not exist, too.
        """
        found = self.units[sensor].convert(values)
        offset = self.offset(origin) if sensor == "s2" else 0.0
        if offset:
            found = np.maximum(found - np.float32(offset), np.float32(1))
        defined = np.isfinite(found)
        if defined.all():
            return found, valid
        return np.where(defined, found, np.float32(0)), valid & defined

    def check(self, sample: Sample) -> None:
        """Check that a further file has the unit of the others.

        Raises:
            InputError: If its values clearly have another one.
        """
        unit, seen = recognise(sample.sensor, _pooled(sample.sensor, [sample]))
        mine = self.units[sample.sensor]
        if unit is None or unit == mine or not {unit.name, mine.name} <= _TOLD_APART:
            return
        raise InputError(
            f"expected {mine.name} in all images, as in most of them, found {unit.name} in "
            f"{sample.origin.path} ({seen}); give images in one unit"
        )

    @property
    def record(self) -> dict[str, object]:
        """Return the conversions that are not the default, for a provenance record."""
        found: dict[str, object] = {
            f"{sensor}_unit": unit.name for sensor, unit in self.units.items() if unit.conversion
        }
        if self.subtracts:
            found["s2_offset"] = BASELINE_OFFSET if self.s2_offset == "auto" else self.s2_offset
        return found


_TOLD_APART = frozenset((REFLECTANCE.name, MODEL_UNIT["s2"].name))


def measured(stored: FloatArray, names: Sequence[SensorName | None]) -> Mask:
    """Return which pixels were measured, by their stored values alone.

    Args:
        stored: [band, row, column].
        names: Sensor of each band; None for a band of no sensor.
    """
    valid: Mask = np.isfinite(stored)
    for fill in FILL_VALUES:
        valid &= stored != fill
    valid &= stored > _MIN_FLOAT
    for sensor in MODEL_BANDS:
        mine = [number for number, name in enumerate(names) if name == sensor]
        if mine:
            valid[mine] &= stored[mine].any(axis=0)
    return valid


def parse_offset(value: GivenOffset) -> S2Offset:
    """Return `--s2-offset` as `auto` or a number.

    Raises:
        InputError: If it is neither, or out of range.
    """
    if value == "auto":
        return "auto"
    try:
        number = float(value)
    except (ValueError, TypeError):
        number = np.nan
    if isinstance(value, bool) or not 0 <= number <= _MAX_OFFSET:
        raise InputError(
            "--s2-offset must be auto, or the offset to subtract in reflectance × 10,000, from 0 "
            f"to {_MAX_OFFSET:,.0f}, found {value}; give 1000 for processing baseline 04.00"
        )
    return number


def _unit(sensor: SensorName, samples: Sequence[Sample], where: Path) -> tuple[Unit, str]:
    """Return the unit of a sensor, and a note if it is converted."""
    unit, seen = recognise(sensor, _pooled(sensor, samples))
    if unit is None:
        units = "× 10,000, from 0 to 1 or in percent" if sensor == "s2" else "dB or linear power"
        raise InputError(
            f"expected {MODEL_UNIT[sensor].name} for {sensor}, or a unit that can be recognised "
            f"({units}), found {seen}, in {where}; convert the values"
        )
    if not unit.conversion:
        return unit, ""
    note = f"{sensor} has {unit.name} ({seen}), which was converted to {MODEL_UNIT[sensor].name}"
    return unit, note


def _trusts_names(samples: Sequence[Sample], unit: Unit) -> tuple[bool, list[str]]:
    """Return whether values agree with the offsets in the products' names, and notes."""
    notes = []
    for named, (agreed, doubted) in _ASSUMED.items():
        values = [
            sample for sample in samples
            if not sample.origin.has_offset_tag and sample.origin.named_offset == named
        ]  # fmt: skip
        bands = [unit.convert(band) for band in _pooled("s2", values)]
        doubtful = offset_is_doubtful(bands, named)
        if values:
            notes.append(doubted if doubtful else agreed)
        if doubtful and named is not None:
            return False, notes
    return True, notes


def _pooled(sensor: SensorName, samples: Sequence[Sample]) -> list[FloatArray]:
    """Return the values of each band of a sensor, of all files together."""
    parts = {
        name: [sample.bands[name] for sample in samples if name in sample.bands]
        for name in MODEL_BANDS[sensor]
    }
    return [np.concatenate(found) for found in parts.values() if found]
