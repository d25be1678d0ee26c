"""Scores of retrieval in every direction, from one sensor to the same or the other.

Axes, as name suffixes:
    q  queries    n  images of the archive    K  classes    D  width    R  bootstrap draws
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import product
from typing import Any, get_args

from csmoe_model.choices import IndexKind, Pooling
from csmoe_model.data.seeds import seed_of
from csmoe_model.datasets.base import LabelledSet
from csmoe_model.evaluation.bootstrap import NUM_DRAWS, Bootstrap, interval
from csmoe_model.evaluation.feature_cache import FeatureCache
from csmoe_model.evaluation.published_results import CBIR
from csmoe_model.extractors.cost import NO_COST
from csmoe_model.extractors.extractor import Extractor
from csmoe_model.inference.embeddings import standardised
from csmoe_model.probing.feature_sources import FeatureKind, FeatureMaker
from csmoe_model.probing.heads import Features
from csmoe_model.retrieval.metrics import BoolArray, Retrieved, as_sets, by_chance, retrieved
from csmoe_model.retrieval.nearest import nearest
from minortom.api.arguments import keep_whole, one_of
from minortom.progress import OnProgress
from minortom.sensors import SensorName


@dataclass(frozen=True, kw_only=True)
class RetrieveOptions:
    """Options of a retrieval, as its provenance records them.

    Raises:
        InputError: If a value is not valid.
    """

    k: int = 10
    """Images to retrieve for each query."""
    index: IndexKind = "exact"
    pooling: Pooling = "cls"
    seed: int = 0
    """First of the seeds."""
    seeds: int = 3
    """Number of untrained models and of sets of random filters."""

    def __post_init__(self) -> None:
        one_of("index", self.index, get_args(IndexKind))
        one_of("pooling", self.pooling, get_args(Pooling))
        object.__setattr__(self, "seed", seed_of(self.seed))
        keep_whole(self, {"k": 1, "seeds": 1})

    @property
    def all_seeds(self) -> range:
        """Seeds of the baselines."""
        return range(self.seed, self.seed + self.seeds)


def score_directions(
    extractor: Extractor,
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
    bootstrap = Bootstrap.over(len(val), val.independent, seed=options.seed)
    views = _views(extractor, sensors)
    directions = [f"{one}_to_{other}" for one, other in product(views, repeat=2)]
    maker = FeatureMaker(
        extractor=extractor, data=data, sensors=tuple(sensors), seeds=options.all_seeds,
        cache=cache, on_progress=on_progress, splits=("val", "test"),
    )  # fmt: skip
    kinds = {view: replace(maker, sensors=of_view).kinds() for view, of_view in views.items()}
    rows: list[dict[str, object]] = []
    for name, of_all_sensors in maker.kinds().items():
        # Only `_retrieve_all` holds the features, so that they are freed before the next kind.
        answers = _retrieve_all(
            {view: of_view[name] for view, of_view in kinds.items()}, query_qK, archive_nK, options
        )
        found = {direction: _scores(runs, bootstrap) for direction, runs in answers.items()}
        every = {direction: found.get(direction) for direction in directions}
        cost = of_all_sensors.cost.as_dict()
        rows.append({"features": name, **cost, "directions": every})
    chance = _scores([by_chance(query_qK, archive_nK)], bootstrap)
    rows.append(
        {"features": "chance", **NO_COST.as_dict(), "directions": dict.fromkeys(directions, chance)}
    )
    return {
        "data": data.name, "task": data.task, "classes": list(data.classes),
        "queries": len(val), "archive": len(test), "settings": _settings(extractor, options),
        "rows": rows, "published": CBIR.get(data.name, []),
    }  # fmt: skip


def _views(
    extractor: Extractor, sensors: Sequence[SensorName]
) -> dict[str, tuple[SensorName, ...]]:
    """Return the vectors of an image that are retrieved by: of each sensor alone where possible."""
    if extractor.alignment == "joint":
        return extractor.views(sensors)
    return {sensor: (sensor,) for sensor in sensors}


def _settings(extractor: Extractor, options: RetrieveOptions) -> dict[str, object]:
    return {
        "recipe": extractor.name, "weights_sha256": extractor.sha256, "k": options.k,
        "index": options.index, "pooling": extractor.pooling, "draws": NUM_DRAWS,
        "seeds": list(options.all_seeds),
        "vectors": "compared by cosine; those without weights standardised over the archive",
    }  # fmt: skip


def _retrieve_all(
    kinds: Mapping[str, FeatureKind], query_qK: BoolArray, archive_nK: BoolArray,
    options: RetrieveOptions,
) -> dict[str, list[Retrieved]]:  # fmt: skip
    """Compute one kind of features and retrieve by them.

    Returns:
        By direction what was retrieved, one a seed; without the directions in which the features
        cannot be compared.
    """
    runs = {view: of_view.make() for view, of_view in kinds.items()}
    kind = next(iter(kinds.values()))
    found: dict[str, list[Retrieved]] = {}
    for one, other in product(runs, runs):
        if one != other and not kind.in_common_space:
            continue
        found[f"{one}_to_{other}"] = []
        for query, archive in zip(runs[one], runs[other], strict=True):
            pair = query["val"], archive["test"]
            if kind.unscaled:
                pair = standardised(*pair)
            found[f"{one}_to_{other}"].append(_retrieve(*pair, query_qK, archive_nK, options))
    return found


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
