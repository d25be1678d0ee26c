"""The protocol of a feature extractor: images with named bands to vectors, at a known cost.

Axes, as name suffixes:
    B  images in a batch    C  bands    H W  pixel rows and columns    D  width of a vector
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal, Self

import torch
from torch import Tensor

from csmoe_model.choices import BOTH, Pooling
from csmoe_model.data.preprocess import Images, physical_images
from csmoe_model.datasets.base import LabelledSplit
from csmoe_model.extractors.cost import ExtractorCost
from csmoe_model.extractors.named_images import NamedImages
from minortom.errors import InputError
from minortom.sensors import MODEL_BANDS, PATCH_PX, SensorName

Alignment = Literal["common", "separate", "joint"]
"""Relation of the vectors of two sensors. `common`: one space, so that vectors of both sensors are
compared and averaged. `separate`: each sensor alone, or both concatenated. `joint`: one vector
that needs all sensors."""
Bands = Mapping[SensorName, Sequence[str]]
"""Names of the channels of each sensor's images."""
Sizes = Mapping[SensorName, tuple[int, int]]
"""Height and width (pixels) of the images of each sensor."""


@dataclass(frozen=True, kw_only=True)
class Deferred:
    """An extractor that is made when its vectors are first needed."""

    identity: Mapping[str, object]
    """Everything that its vectors depend on besides the images: the key of cached features."""
    make: Callable[[], "Extractor"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Extractor(ABC):
    """A frozen feature extractor.

    A subclass implements `vectors`, `width_of` and `cost_of`. The call checks the images, and
    selects and orders their bands by name, so that `vectors` gets the bands of `bands` only.
    """

    kind: ClassVar[str]
    """Value of `kind` in `config.json`, or reserved name."""
    alignment: ClassVar[Alignment] = "separate"
    unscaled: ClassVar[bool] = False
    """Whether each feature has a scale of its own, so that a comparison of vectors by cosine
    standardises them first."""
    normalisation: ClassVar[str] = "none"
    """Normalisation of the images, for the record of a result."""

    name: str
    """Name in tables: a recipe, or the name that the extractor was made with."""
    sensors: tuple[SensorName, ...]
    """Sensors whose images can be encoded."""
    bands: Mapping[SensorName, tuple[str, ...]]
    """Bands that are read, by sensor, as in `minortom.sensors.MODEL_BANDS`."""
    sha256: str
    """Hash of all that the vectors depend on: of the weights, the filters, or the definition."""
    licences: tuple[str, ...] = ()
    """Licences and attributions of the training data."""
    folder: Path | None = None
    """Folder that it was loaded from; None for one that is computed."""

    @abstractmethod
    def vectors(self, images: Mapping[SensorName, Tensor]) -> Tensor:
        """Compute vectors.

        Args:
            images: [B, C, H, W] float32 by sensor, on `device`, checked, with the bands of
                `bands` in that order: Sentinel-2 as reflectance × 10,000 without offset,
                Sentinel-1 as gamma0 in dB. In the order of `sensors`.

        Returns:
            [B, D] float32; vectors of several sensors are concatenated.
        """

    @abstractmethod
    def width_of(self, sensors: Sequence[SensorName]) -> int:
        """Return the length of the vector that `vectors` computes from some sensors."""

    @abstractmethod
    def cost_of(self, sizes: Sizes) -> ExtractorCost:
        """Return the cost of one vector of images of some sizes, by sensor."""

    def __call__(
        self,
        images: Mapping[SensorName, Images],
        *,
        bands: Bands | None = None,
        check_units: bool = True,
    ) -> Tensor:
        """Compute the vectors of images with named bands.

        Args:
            images: [B, C, H, W] by sensor, integers or floating-point numbers, as for
                `ImageEncoder.prepare`.
            bands: Names of the channels by sensor, in any order; other bands are left out. The
                bands of the extractor when None.
            check_units: Whether to check the units by the distribution of the values.

        Returns:
            Vectors [B, D] float32; those of several sensors are concatenated.

        Raises:
            InputError: If the extractor is not fitted, a sensor or a band is missing or unknown,
                or the pixels are too few, not finite or clearly in another unit.
        """
        if self.needs_fit:
            raise InputError(
                f"{self.name} must be fitted on training images before it encodes, found no fitted "
                "filters; call fitted(train, ...), or give the folder of fitted ones"
            )
        self.check_sensors(tuple(images), "the images")
        named = bands or {}
        reading = NamedImages(
            bands=self.bands, device=self.device, smallest_px=self.smallest_px, name=self.name,
            check_units=check_units,
        )  # fmt: skip
        with torch.no_grad():
            picked = {
                sensor: reading.checked(sensor, images[sensor], named.get(sensor))
                for sensor in self.sensors
                if sensor in images
            }
            return self.vectors(picked)

    @property
    def width(self) -> int:
        """Length of a vector: of one sensor in a common space, else of all sensors together."""
        return self.width_of(self.sensors[:1] if self.alignment == "common" else self.sensors)

    @property
    def cost(self) -> ExtractorCost:
        """Cost of a vector of all sensors, of images of `image_size`."""
        return self.cost_of(dict.fromkeys(self.sensors, (self.image_size, self.image_size)))

    @property
    def device(self) -> torch.device:
        """Device that computes the vectors."""
        return torch.device("cpu")

    @property
    def smallest_px(self) -> int:
        """Minimum side of an image in pixels."""
        return 1

    @property
    def identity(self) -> Mapping[str, object]:
        """Everything that the vectors depend on besides the images: the key of cached features."""
        return {"features": self.kind, "sha256": self.sha256}

    @property
    def folders(self) -> tuple[Path, ...]:
        """Folders that it was loaded from, which no output may replace."""
        return () if self.folder is None else (self.folder,)

    @property
    def record(self) -> Mapping[str, object]:
        """Options of a provenance record that name the extractor; none for CSMoE."""
        return {"extractor": self.kind}

    @property
    def tile_tokens(self) -> int:
        """Tokens along a side of an image, for a feature map; 1 without patch tokens."""
        return 1

    @property
    def pooling(self) -> Pooling | None:
        """Tokens that the vector of an image is made of; None without tokens."""
        return None

    @property
    def resizing(self) -> str:
        """Resizing of the images, for the record of a result."""
        return "none"

    @property
    def statistics(self) -> Mapping[str, object] | None:
        """Statistics of the bands that images are normalised with; None without such."""
        return None

    @property
    def image_size(self) -> int:
        """Side that images are resized to (pixels); that of patches of shards without resizing."""
        return PATCH_PX

    def details(self, sensors: Sequence[SensorName]) -> Mapping[str, object]:
        """Return further costs of a vector of some sensors, such as those that a paper counts."""
        del sensors
        return {}

    @property
    def needs_fit(self) -> bool:
        """Return whether `fitted` must be called before vectors can be computed."""
        return False

    def fitted(
        self, train: LabelledSplit, *, sensors: Sequence[SensorName], bands: Bands, seed: int
    ) -> "Extractor":
        """Return the extractor, fitted on training images if it has a fit step.

        Args:
            train: The training split; its labels are not used.
            sensors: Sensors to fit for.
            bands: Names of the channels of the images, by sensor.
            seed: Random seed.
        """
        del train, sensors, bands, seed
        return self

    def untrained(self, *, seed: int) -> Deferred | None:
        """Return the same network with random weights; None where nothing is trained."""
        del seed
        return None

    def with_pooling(self, pooling: Pooling) -> Self:
        """Return the extractor with another vector of an image: see `choices.Pooling`.

        Raises:
            InputError: If the extractor has one vector an image only.
        """
        if pooling != "cls":
            raise InputError(
                f"--pooling {pooling} needs a model with patch tokens, found {self.name}, which "
                "has one vector an image; leave --pooling out"
            )
        return self

    def views(self, given: Sequence[SensorName]) -> dict[str, tuple[SensorName, ...]]:
        """Return the vectors of an image of the sensors `given`: the sensors of each, by name.

        In a common space each sensor has a vector. `both`, their mean, is not among them.
        """
        known = tuple(sensor for sensor in self.sensors if sensor in given)
        if self.alignment == "common":
            return {sensor: (sensor,) for sensor in known}
        return {BOTH if len(known) > 1 else known[0]: known}

    def width_for(self, given: Sequence[SensorName]) -> int:
        """Return the length of a vector of `views`."""
        return self.width_of(next(iter(self.views(given).values())))

    def stored_vectors(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Compute the vectors of each view from a batch of stored tensors of shards."""
        images = physical_images(tensors)
        return {
            name: self(
                {sensor: images[sensor] for sensor in sensors}, bands=MODEL_BANDS,
                check_units=False,
            )
            for name, sensors in self.views(tuple(images)).items()
        }  # fmt: skip

    def check_sensors(self, found: Sequence[SensorName], what: str) -> None:
        """Check that images of some sensors can be encoded together.

        Args:
            found: Sensors of the images.
            what: Description of the images for the error.

        Raises:
            InputError: If there are none, the extractor does not read one of them, or it needs
                another one too.
        """
        unknown = [sensor for sensor in found if sensor not in self.sensors]
        missing = [sensor for sensor in self.sensors if sensor not in found]
        if unknown or not found or (missing and self.alignment == "joint"):
            joined = " and ".join(self.sensors)
            raise InputError(
                f"expected bands of {joined}, which {self.name} encodes, found "
                f"{' and '.join(f'bands of {sensor}' for sensor in found) or 'none'} in {what}; "
                f"{'leave these bands out' if unknown else 'add them'}, or give another model"
            )
