"""Images from one GeoTIFF or two: bands by sensor, without gaps and in the units of the model."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from minortom.errors import InputError
from minortom.scenes.band_names import ChosenBands, choose_bands, missing_bands
from minortom.scenes.find_bands import files_of
from minortom.scenes.geotiffs import BandStack, read_bands
from minortom.scenes.radiometry import Radiometry, S2Offset
from minortom.sensors import MODEL_BANDS, SensorName

Role = Literal["file", "s2", "s1"]
"""Content of a file: bands of any sensor (`file`), or of one sensor."""
_SAMPLED_IMAGES = 24
"""Images of a folder whose values are read to recognise the unit."""


@dataclass(frozen=True, kw_only=True)
class ImageReader:
    """Reader of images; it is called with the files of one image, by role."""

    s2_bands: tuple[str, ...] | None = None
    """Names of the Sentinel-2 bands in the files, in order, `-` for a band to skip; the names in
    the files when None."""
    s1_bands: tuple[str, ...] | None = None
    """Names of the Sentinel-1 bands, as for `s2_bands`."""
    s2_offset: S2Offset = "auto"
    """Offset to subtract from Sentinel-2 values without offset tags."""
    all_bands: bool = False
    """Whether an image must have all bands of the model of at least one sensor."""
    radiometry: Radiometry | None = None
    """Conversion of the values; decided for each image by itself when None."""

    def fitted(self, images: Sequence[Mapping[Role, Path]], where: Path) -> "ImageReader":
        """Return a reader that converts all images of a folder alike.

        Args:
            images: Files of all images, by role.
            where: The folder, for messages.

        Raises:
            InputError: If an image cannot be read, or the unit of the images is not clear.
        """
        step = -(-len(images) // _SAMPLED_IMAGES)
        notes: list[str] = []
        samples = [
            image.sample(sensor)
            for files in images[::step]
            for sensor, image in self._stored(files, notes).items()
        ]
        rule = Radiometry.of(samples, s2_offset=self.s2_offset, where=where)
        said = tuple(f"{where}: {note}" for note in dict.fromkeys(notes))
        return replace(self, radiometry=replace(rule, notes=(*said, *rule.notes)))

    @property
    def record(self) -> Mapping[str, object]:
        """Return the conversions that are not the default, for a provenance record."""
        return self.radiometry.record if self.radiometry else {}

    @property
    def notes(self) -> tuple[str, ...]:
        """Return what was assumed for the images of a folder, one line each."""
        return self.radiometry.notes if self.radiometry else ()

    def report(self) -> None:
        """Log the notes: when an output is made, so that an error stays one line."""
        if self.radiometry:
            self.radiometry.report()

    def files(self, path: Path) -> tuple[Path, ...]:
        """Return the files that an image depends on; see `find_bands`."""
        return files_of(path)

    def __call__(
        self, files: Mapping[Role, Path]
    ) -> dict[SensorName, tuple[tuple[str, ...], NDArray[np.float32]]]:
        """Return the band names of each sensor, and its pixels [band, row, column].

        Pixels that were not measured get the mean of their band.

        Raises:
            InputError: As `read`; or if a band has no measured pixel.
        """
        return {sensor: (image.names, image.filled()) for sensor, image in self.read(files).items()}

    def read(self, files: Mapping[Role, Path]) -> dict[SensorName, BandStack]:
        """Read the bands of the model, by sensor, in its units.

        Raises:
            InputError: If a file cannot be read, its bands have no names or are none of the
                model's, or the unit is not clear or not that of the other images.
        """
        rule = self.radiometry
        if rule is None:
            rule = self.fitted([files], next(iter(files.values()))).radiometry
            assert rule is not None  # since `fitted` sets it
            rule.report()
        stored = self._stored(files, [])
        for sensor, image in stored.items():
            rule.check(image.sample(sensor))
        found = {}
        for sensor, image in stored.items():
            values, valid = rule.convert(sensor, image.values, image.valid, image.origin)
            found[sensor] = replace(image, values=values, valid=valid)
        return found

    def _stored(self, files: Mapping[Role, Path], notes: list[str]) -> dict[SensorName, BandStack]:
        """Read the bands of the model with the tags of the files applied; add to the notes."""
        found: dict[SensorName, BandStack] = {}
        named: dict[SensorName, tuple[Path, Sequence[str]]] = {}
        for role, path in files.items():
            stack = read_bands(path, self._given(role))
            chosen = bands_in(path, stack.names, None if role == "file" else role)
            notes += notes_on(chosen.left_out, stack.note)
            for sensor, numbers in chosen.numbers.items():
                found[sensor] = stack.select(numbers)
                named[sensor] = (path, stack.names)
        if self.all_bands:
            check_all_bands(named)
        return {sensor: found[sensor] for sensor in MODEL_BANDS if sensor in found}

    def _given(self, role: Role) -> Sequence[str] | None:
        if role == "s2":
            return self.s2_bands
        if role == "s1":
            return self.s1_bands
        return (*(self.s2_bands or ()), *(self.s1_bands or ())) or None


def check_all_bands(named: Mapping[SensorName, tuple[Path, Sequence[str]]]) -> None:
    """Check that an image has all bands of the model of at least one sensor.

    Args:
        named: File of each sensor, and the names of all bands of the file.

    Raises:
        InputError: If each sensor lacks bands.
    """
    errors = [
        InputError(f"{path}: {error}")
        for sensor, (path, names) in named.items()
        if (error := missing_bands(sensor, names))
    ]
    if errors and len(errors) == len(named):
        raise errors[0]


def notes_on(left_out: Sequence[str], note: str) -> list[str]:
    """Return notes on bands that are not read, and on the values of a file."""
    names = f"left out {', '.join(left_out)}, which the model does not use" if left_out else ""
    return [text for text in (names, note) if text]


def bands_in(path: Path, names: Sequence[str], sensor: SensorName | None = None) -> ChosenBands:
    """Choose the bands of a file that the model reads, of one sensor or of all.

    Raises:
        InputError: If the file has none.
    """
    chosen = choose_bands(names, sensor)
    if chosen.numbers:
        return chosen
    wanted = " or ".join(MODEL_BANDS if sensor is None else (sensor,))
    example = "vv,vh" if sensor == "s1" else "B02,B03"
    raise InputError(
        f"expected bands of {wanted} in {path}, found {', '.join(names)}; give their names in "
        f"order with --{sensor or 's2'}-bands, such as {example}, and - for a band to skip"
    )


def read_band(path: Path) -> NDArray[np.float32]:
    """Read a file of one band, [row, column].

    Pixels that were not measured get the mean of the others.

    Raises:
        InputError: If the file cannot be read, has several bands, or no measured pixel.
    """
    name = path.stem.rpartition("_")[2]  # as in `…_B02.tif`
    (pixels,) = read_bands(path, (name,)).filled()
    return np.asarray(pixels)
