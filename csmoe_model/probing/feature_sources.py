"""Sources of the features that a probe compares: the model and each baseline."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import partial

import numpy as np

from csmoe_model.choices import Pooling
from csmoe_model.datasets.base import SPLITS, LabelledSet, LabelledSplit, SplitName
from csmoe_model.evaluation.baseline_features import (
    NUM_FILTERS,
    RandomConvolutions,
    band_statistics,
)
from csmoe_model.evaluation.feature_cache import FeatureCache
from csmoe_model.inference.encode_dataset import encode_set, untrained
from csmoe_model.inference.load import LoadedModel
from csmoe_model.nn.image_encoder import ImageEncoder
from csmoe_model.probing.heads import Features
from minortom.errors import InputError
from minortom.progress import OnProgress, ignore_progress
from minortom.sensors import SensorName

MODEL = "model"
"""Name of the features that are compared with every baseline."""
UNTRAINED = "untrained model"

Splits = dict[SplitName, Features]
"""Features [n, D] of each split."""


@dataclass(frozen=True, kw_only=True)
class FeatureMaker:
    """Computation of the features of one set, for one model and its baselines."""

    trained: LoadedModel
    data: LabelledSet
    sensors: tuple[SensorName, ...]
    pooling: Pooling
    seeds: range
    cache: FeatureCache
    on_progress: OnProgress = ignore_progress
    splits: tuple[SplitName, ...] = SPLITS
    """Splits to compute."""

    def all(self) -> Iterator[tuple[str, list[Splits]]]:
        """Yield the name of each kind of features, and its features for each seed."""
        for name, make in self.kinds().items():
            yield name, make()

    def kinds(self) -> dict[str, Callable[[], list[Splits]]]:
        """Return a function for each kind of features that computes them for each seed.

        An untrained model or a set of filters is only made where its features are not cached.
        """
        of_model = {"weights": self.trained.weights_sha256}
        assert self.trained.model.origin is not None  # because it was loaded from a checkpoint
        architecture: dict[str, object] = {
            "config": asdict(self.trained.model.config),
            "encoder_of": list(self.trained.model.sensors),
            "statistics": self.trained.model.origin.statistics,
        }
        return {
            MODEL: lambda: [self._encoded(of_model, lambda: self.trained.model)],
            "band statistics": lambda: [
                self._of_splits({"features": "band statistics"}, self._statistics)
            ],
            "random convolutions": lambda: [self._convolutions(seed) for seed in self.seeds],
            UNTRAINED: lambda: [
                self._encoded(
                    {**architecture, "seed": seed},
                    partial(untrained, self.trained.model, seed=seed),
                )
                for seed in self.seeds
            ],
        }

    def _encoded(self, weights: Mapping[str, object], model: Callable[[], ImageEncoder]) -> Splits:
        made: list[ImageEncoder] = []

        def encode(split: LabelledSplit) -> Features:
            if not made:
                made.append(model())
            return encode_set(
                made[0], split, sensors=self.sensors, pooling=self.pooling, bands=self.data.bands,
                on_progress=self.on_progress,
            )  # fmt: skip

        return self._of_splits({"features": "encoder", "pooling": self.pooling, **weights}, encode)

    def _statistics(self, split: LabelledSplit) -> Features:
        return band_statistics(
            split, sensors=self.sensors, bands=self.data.bands, on_progress=self.on_progress
        )

    def _convolutions(self, seed: int) -> Splits:
        fitted: list[RandomConvolutions] = []

        def convolve(split: LabelledSplit) -> Features:
            if not fitted:
                train = self.data.split("train")
                fitted.append(
                    RandomConvolutions.fit(
                        train, sensors=self.sensors, bands=self.data.bands, seed=seed
                    )
                )
            return fitted[0].features(split, bands=self.data.bands, on_progress=self.on_progress)

        name = {"features": "random convolutions", "filters": NUM_FILTERS, "seed": seed}
        return self._of_splits(name, convolve)

    def _of_splits(
        self, depends_on: Mapping[str, object], make: Callable[[LabelledSplit], Features]
    ) -> Splits:
        """Return the features of each split, from the cache or computed."""
        common = {
            **depends_on, "data": self.data.sha256, "set": self.data.record,
            "sensors": list(self.sensors),
        }  # fmt: skip
        found: Splits = {}
        for name in self.splits:
            split = self.data.split(name)
            found[name] = self.cache.get(
                {**common, "split": name}, len(split), partial(make, split)
            )
            _check_finite(found[name], name)
        return found


def _check_finite(features: Features, split: SplitName) -> None:
    unusable = np.flatnonzero(~np.isfinite(features).all(axis=1))
    if len(unusable):
        raise InputError(
            f"every image must give finite features, found {len(unusable):,} of the split {split} "
            f"that do not, first image {unusable[0] + 1} of that split; remove images without "
            "measured pixels"
        )
