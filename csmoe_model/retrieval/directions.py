"""Scores of retrieval in every direction, from one sensor to the same or the other.

Axes, as name suffixes:
    q  queries    n  images of the archive    K  classes    D  width    R  bootstrap draws
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import product
from typing import Any

import numpy as np

from csmoe_model.choices import IndexKind, Pooling
from csmoe_model.datasets.base import LabelledSet
from csmoe_model.evaluation.bootstrap import NUM_DRAWS, Bootstrap, interval
from csmoe_model.evaluation.feature_cache import FeatureCache
from csmoe_model.evaluation.published_results import CBIR
from csmoe_model.inference.load import LoadedModel
from csmoe_model.probing.feature_sources import FeatureMaker, Splits
from csmoe_model.probing.heads import SMALLEST_STD, Features
from csmoe_model.retrieval.metrics import BoolArray, Retrieved, as_sets, by_chance, retrieved
from csmoe_model.retrieval.nearest import nearest
from minortom.progress import OnProgress
from minortom.sensors import SensorName

_COMPARABLE = ("model", "untrained model")
"""Kinds of features that can be compared across sensors."""


@dataclass(frozen=True, kw_only=True)
class RetrieveOptions:
    """Options of a retrieval, as its provenance records them."""

    k: int = 10
    """Images to retrieve for each query."""
    index: IndexKind = "exact"
    pooling: Pooling = "cls"
    seed: int = 0
    """First of the seeds."""
    seeds: int = 3
    """Number of untrained models and of sets of random filters."""

    @property
    def all_seeds(self) -> range:
        """Seeds of the baselines."""
        return range(self.seed, self.seed + self.seeds)


def score_directions(
    trained: LoadedModel,
    data: LabelledSet,
    sensors: Sequence[SensorName],
    options: RetrieveOptions,
    *,
    cache: FeatureCache,
    on_progress: OnProgress,
) -> dict[str, Any]:
    """Score every kind of features in every direction.

    Returns:
        The content of `result.json`, without its provenance.
    """
    val, test = data.split("val"), data.split("test")
    query_qK, archive_nK = (
        as_sets(split.labels, data.task, len(data.classes)) for split in (val, test)
    )
    bootstrap = Bootstrap.over(len(val), val.groups, seed=options.seed)
    directions = [f"{one}_to_{other}" for one, other in product(sensors, repeat=2)]
    kinds = {
        sensor: FeatureMaker(
            trained=trained, data=data, sensors=(sensor,), pooling=options.pooling,
            seeds=options.all_seeds, cache=cache, on_progress=on_progress, splits=("val", "test"),
        ).kinds()
        for sensor in sensors
    }  # fmt: skip
    rows: list[dict[str, object]] = []
    for name in next(iter(kinds.values())):
        # Only `_retrieve_all` holds the features, so that they are freed before the next kind.
        answers = _retrieve_all(
            name, {sensor: of_sensor[name] for sensor, of_sensor in kinds.items()},
            query_qK, archive_nK, options,
        )  # fmt: skip
        found = {direction: _scores(runs, bootstrap) for direction, runs in answers.items()}
        every = {direction: found.get(direction) for direction in directions}
        rows.append({"features": name, "directions": every})
    chance = _scores([by_chance(query_qK, archive_nK)], bootstrap)
    rows.append({"features": "chance", "directions": dict.fromkeys(directions, chance)})
    return {
        "data": data.name, "task": data.task, "classes": list(data.classes),
        "queries": len(val), "archive": len(test), "settings": _settings(trained, options),
        "rows": rows, "published": CBIR.get(data.name, []),
    }  # fmt: skip


def _settings(trained: LoadedModel, options: RetrieveOptions) -> dict[str, object]:
    return {
        "recipe": trained.recipe, "weights_sha256": trained.weights_sha256, "k": options.k,
        "index": options.index, "pooling": options.pooling, "draws": NUM_DRAWS,
        "seeds": list(options.all_seeds),
        "vectors": "compared by cosine; those without weights standardised over the archive",
    }  # fmt: skip


def _retrieve_all(
    name: str, make: Mapping[SensorName, Callable[[], list[Splits]]], query_qK: BoolArray,
    archive_nK: BoolArray, options: RetrieveOptions,
) -> dict[str, list[Retrieved]]:  # fmt: skip
    """Compute one kind of features and retrieve by them.

    Returns:
        By direction what was retrieved, one a seed; without the directions in which the features
        cannot be compared.
    """
    runs = {sensor: of_sensor() for sensor, of_sensor in make.items()}
    found: dict[str, list[Retrieved]] = {}
    for one, other in product(runs, runs):
        if one != other and name not in _COMPARABLE:
            continue
        found[f"{one}_to_{other}"] = []
        for query, archive in zip(runs[one], runs[other], strict=True):
            pair = query["val"], archive["test"]
            if name not in _COMPARABLE:
                pair = standardised(*pair)
            found[f"{one}_to_{other}"].append(_retrieve(*pair, query_qK, archive_nK, options))
    return found


def standardised(query_qD: Features, archive_nD: Features) -> tuple[Features, Features]:
    """Return features with mean 0 and standard deviation 1 over the archive.

    Otherwise the band with the largest values would dominate the cosine, and the baseline would
    be weaker than it has to be.
    """
    mean_D, std_D = archive_nD.mean(0, dtype=np.float64), archive_nD.std(0, dtype=np.float64)
    std_D[std_D < SMALLEST_STD] = 1
    mean_D, std_D = mean_D.astype(np.float32), std_D.astype(np.float32)
    return (query_qD - mean_D) / std_D, (archive_nD - mean_D) / std_D


def _retrieve(
    query_qD: Features, archive_nD: Features, query_qK: BoolArray, archive_nK: BoolArray,
    options: RetrieveOptions,
) -> Retrieved:  # fmt: skip
    number_qk, _ = nearest(query_qD, archive_nD, options.k, index=options.index, seed=options.seed)
    return retrieved(query_qK, archive_nK, number_qk)


def _scores(runs: Sequence[Retrieved], bootstrap: Bootstrap) -> dict[str, dict[str, float]]:
    """Return each score, the mean over the seeds, with its interval."""
    draws = bootstrap.draws_of([run.score for run in runs])
    singles = [run.score() for run in runs]
    return {
        name: asdict(interval(sum(one[name] for one in singles) / len(singles), draw_R))
        for name, draw_R in draws.items()
    }
