"""Sources of the features that a probe compares: an extractor and each baseline."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np

from csmoe_model.datasets.base import SPLITS, LabelledSet, LabelledSplit, SplitName
from csmoe_model.evaluation.feature_cache import FeatureCache
from csmoe_model.extractors.band_statistics import BandStatistics
from csmoe_model.extractors.cost import ExtractorCost
from csmoe_model.extractors.extractor import Deferred, Extractor, Sizes
from csmoe_model.extractors.map_images import check_finite_features, encode_set
from csmoe_model.extractors.random_convolutions import RandomConvolutions
from csmoe_model.probing.heads import Features
from minortom.progress import OnProgress, ignore_progress
from minortom.sensors import SensorName

MODEL = "model"
"""Name of the features that are compared with every baseline."""
UNTRAINED = "untrained model"

Splits = dict[SplitName, Features]
"""Features [n, D] of each split."""


@dataclass(frozen=True, kw_only=True)
class FeatureKind:
    """One kind of features: an extractor, or a baseline."""

    make: Callable[[], list[Splits]]
    """Computes the features for each seed."""
    cost: ExtractorCost
    in_common_space: bool
    """Whether vectors of different sensors can be compared."""
    unscaled: bool
    """Whether a comparison by cosine standardises the features."""


@dataclass(frozen=True, kw_only=True)
class FeatureMaker:
    """Computation of the features of one set, for one extractor and its baselines."""

    extractor: Extractor
    data: LabelledSet
    sensors: tuple[SensorName, ...]
    seeds: range
    cache: FeatureCache
    on_progress: OnProgress = ignore_progress
    splits: tuple[SplitName, ...] = SPLITS
    """Splits to compute."""

    def kinds(self) -> dict[str, FeatureKind]:
        """Return the kinds of features by name: the extractor, then the baselines.

        A baseline of the same kind as the extractor is left out. An untrained model or a set of
        filters is only made where its features are not cached.
        """
        extractor = self.extractor
        found = {MODEL: self._kind(extractor, self._runs(extractor))}
        for name, other in (
            ("band statistics", BandStatistics.of_model_bands()),
            ("random convolutions", RandomConvolutions.unfitted()),
        ):
            if other.kind != extractor.kind:
                found[name] = self._kind(other, self._runs(other))
        untrained = [extractor.untrained(seed=seed) for seed in self.seeds]
        runs = [one for one in untrained if one is not None]
        return found | ({UNTRAINED: self._kind(extractor, runs)} if runs else {})

    def _kind(self, extractor: Extractor, runs: Sequence[Deferred]) -> FeatureKind:
        return FeatureKind(
            make=lambda: [self._of_splits(run) for run in runs],
            cost=extractor.cost_of(self.sizes), in_common_space=extractor.alignment == "common",
            unscaled=extractor.unscaled,
        )  # fmt: skip

    def _runs(self, extractor: Extractor) -> list[Deferred]:
        """Return an extractor; one for each seed if it has to be fitted."""
        if not extractor.needs_fit:
            return [Deferred(identity=extractor.identity, make=lambda: extractor)]
        return [
            Deferred(
                identity={**extractor.identity, "seed": seed},
                make=partial(self._fitted, extractor, seed),
            )
            for seed in self.seeds
        ]

    def _fitted(self, extractor: Extractor, seed: int) -> Extractor:
        train = self.data.split("train")
        return extractor.fitted(train, sensors=self.sensors, bands=self.data.bands, seed=seed)

    @cached_property
    def sizes(self) -> Sizes:
        """Height and width of the images of each sensor: those of the first test image."""

        def read() -> Features:
            first = self.data.split("test").images(np.arange(1))
            return np.array([first[sensor].shape[2:] for sensor in self.sensors], np.float32)

        found = self.cache.get({"features": "image size", **self._of_set}, len(self.sensors), read)
        return {
            sensor: (int(height), int(width))
            for sensor, (height, width) in zip(self.sensors, found, strict=True)
        }

    @property
    def _of_set(self) -> dict[str, object]:
        """Everything that features depend on besides the extractor and the split."""
        return {"data": self.data.sha256, "set": self.data.record, "sensors": list(self.sensors)}

    def _of_splits(self, run: Deferred) -> Splits:
        """Return the features of each split, from the cache or computed."""
        made: list[Extractor] = []

        def encode(split: LabelledSplit) -> Features:
            if not made:
                made.append(run.make())
            return encode_set(
                made[0], split, sensors=self.sensors, bands=self.data.bands,
                on_progress=self.on_progress,
            )  # fmt: skip

        found: Splits = {}
        for name in self.splits:
            split = self.data.split(name)
            found[name] = self.cache.get(
                {**run.identity, **self._of_set, "split": name}, len(split), partial(encode, split)
            )
            check_finite_features(found[name], name)
        return found
