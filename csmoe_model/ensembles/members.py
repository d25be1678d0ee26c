"""Members of an ensemble being made: fitted, encoded and calibrated on the training images."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from csmoe_model.datasets.base import LabelledSet
from csmoe_model.ensembles.candidates import Candidate
from csmoe_model.ensembles.manifest import Entry, member_entry
from csmoe_model.evaluation.feature_cache import FeatureCache
from csmoe_model.extractors.ensemble import Member
from csmoe_model.extractors.extractor import Sizes
from csmoe_model.extractors.vector_statistics import VectorStatistics
from csmoe_model.probing.feature_sources import MODEL, FeatureMaker
from minortom.progress import OnProgress


@dataclass(frozen=True, kw_only=True, eq=False)
class Calibrated:
    """A member, and its standardised vectors of the training images [n, D]."""

    member: Member
    vectors: NDArray[np.float32]
    entry: Entry
    """The manifest entry of the member; its cost is that of an image of the set."""


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """Training images on which members are fitted and calibrated."""

    data: LabelledSet
    seed: int
    """Seed of a fit step."""
    cache: FeatureCache
    on_progress: OnProgress

    def calibrate(self, candidates: Sequence[Candidate]) -> list[Calibrated]:
        """Fit the candidates that have a fit step, encode the images, and compute statistics.

        Raises:
            InputError: If an image gives a vector that is not finite.
        """
        return [self._calibrated(candidate) for candidate in candidates]

    def _calibrated(self, candidate: Candidate) -> Calibrated:
        train, sensors = self.data.split("train"), candidate.sensors
        extractor = candidate.extractor
        if extractor.needs_fit:  # what is fitted inherits the licences of the images
            fitted = extractor.fitted(train, sensors=sensors, bands=self.data.bands, seed=self.seed)
            extractor = replace(fitted, licences=tuple(self.data.licences))
        maker = FeatureMaker(
            extractor=extractor, data=self.data, sensors=sensors, seeds=range(1),
            cache=self.cache, on_progress=self.on_progress, splits=("train",),
        )  # fmt: skip
        vectors = maker.kinds()[MODEL].make()[0]["train"]
        statistics = VectorStatistics.of(vectors)
        member = Member(
            name=candidate.name, extractor=extractor, sensors=sensors, statistics=statistics
        )
        standardised = statistics.apply(torch.from_numpy(vectors)).numpy()
        entry = member_entry(member, image_sizes(self.data))
        return Calibrated(member=member, vectors=standardised, entry=entry)


def image_sizes(data: LabelledSet) -> Sizes:
    """Return the height and width of the first training image, by sensor."""
    first = data.split("train").images(np.arange(1))
    return {sensor: first[sensor].shape[2:] for sensor in data.sensors}
