"""Band statistics: features of an image that need no training.

Axes, as name suffixes:
    B  images in a batch    C  bands    H W  pixel rows and columns    N  pixels
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from csmoe_model.extractors.cost import NO_COST, ExtractorCost
from csmoe_model.extractors.extractor import Extractor, Sizes
from minortom.sensors import MODEL_BANDS, SensorName

_STATISTICS = ("mean", "standard deviation", "minimum", "maximum")


@dataclass(frozen=True, kw_only=True, eq=False)
class BandStatistics(Extractor):
    """The mean, standard deviation, minimum and maximum of each band of each image.

    A vector has, for each sensor, all means, all standard deviations, all minima, all maxima.
    """

    kind: ClassVar[str] = "band-statistics"
    unscaled: ClassVar[bool] = True

    @classmethod
    def of_model_bands(cls) -> "BandStatistics":
        """Return the statistics of the bands that CSMoE reads."""
        definition = f"{cls.kind} {_STATISTICS}"
        return cls(
            name=cls.kind, sensors=tuple(MODEL_BANDS), bands=MODEL_BANDS,
            sha256=hashlib.sha256(definition.encode()).hexdigest(),
        )  # fmt: skip

    def vectors(self, images: Mapping[SensorName, Tensor]) -> Tensor:
        """Compute the statistics, [B, 4 · bands]."""
        parts = []
        for image_BCHW in images.values():
            value_BCN = image_BCHW.flatten(2)
            std_BC, mean_BC = torch.std_mean(value_BCN, dim=2, correction=0)
            parts += [mean_BC, std_BC, value_BCN.amin(2), value_BCN.amax(2)]
        return torch.cat(parts, dim=1)

    def width_of(self, sensors: Sequence[SensorName]) -> int:
        """Return four features for each band."""
        return len(_STATISTICS) * sum(len(self.bands[sensor]) for sensor in sensors)

    def cost_of(self, sizes: Sizes) -> ExtractorCost:
        """Return no weights and no products."""
        del sizes
        return NO_COST

    @property
    def identity(self) -> Mapping[str, object]:
        """Name of the features."""
        return {"features": "band statistics"}
