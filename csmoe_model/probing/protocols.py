"""The two protocols: the probes that are trained on features, and their settings."""

from collections.abc import Iterable

from csmoe_model.datasets.base import SPLITS, LabelledSet
from csmoe_model.evaluation.bootstrap import Bootstrap
from csmoe_model.probing.cross_validation import NAME, cross_validated_probe, num_folds
from csmoe_model.probing.feature_sources import FeatureKind, Splits
from csmoe_model.probing.few_shot import SHOT_DRAWS, with_shots
from csmoe_model.probing.heads import (
    DEFAULT_RATE,
    NEIGHBOURS,
    PAPER_RATES,
    Table,
    TrainedProbe,
    knn_probe,
    logistic_probe,
    paper_probe,
)
from csmoe_model.probing.options import ProbeOptions
from csmoe_model.probing.rows import Row, scored_row


def probe_rows(
    features: Iterable[tuple[str, FeatureKind]],
    data: LabelledSet,
    options: ProbeOptions,
    bootstrap: Bootstrap,
) -> list[Row]:
    """Train and score the probes on each kind of features.

    Args:
        features: The kinds of features, by name.
        data: The labelled set.
        options: Protocol and shots.
        bootstrap: Draws for the intervals.
    """
    return [
        row for name, kind in features for row in _rows_of(name, kind, data, options, bootstrap)
    ]


def _rows_of(
    name: str, kind: FeatureKind, data: LabelledSet, options: ProbeOptions, bootstrap: Bootstrap
) -> list[Row]:
    """Return the rows of one kind, whose features are freed before those of the next are made."""
    runs = kind.make()
    width = runs[0]["train"].shape[1]
    return [
        scored_row(name, probe, probed, bootstrap, width=width, cost=kind.cost)
        for probe, probed in _train_probes(data, runs, options).items()
    ]


def learning_rate(data: LabelledSet, options: ProbeOptions) -> float:
    """Return the learning rate of the paper's protocol: the option, or the default of the set."""
    return options.lr or PAPER_RATES.get(data.name, DEFAULT_RATE)


def _train_probes(
    data: LabelledSet, runs: list[Splits], options: ProbeOptions
) -> dict[str, list[TrainedProbe]]:
    """Train each probe of the protocol on the features of each seed."""
    labels = {name: data.split(name).labels for name in SPLITS}
    tables = [
        Table(task=data.task, num_classes=len(data.classes), features=run, labels=labels)
        for run in runs
    ]
    if options.shots is not None:
        tables = [
            with_shots(table, options.shots, seed=options.seed + draw)
            for table in tables
            for draw in range(SHOT_DRAWS)
        ]
    if options.protocol == "standard":
        return {
            "logistic": [logistic_probe(table) for table in tables],
            **_cross_validated(tables, options),
            **{f"{k}-NN": [knn_probe(table, k=k) for table in tables] for k in NEIGHBOURS},
        }
    rate = learning_rate(data, options)
    found = []
    for number in range(options.seeds if options.shots is None else len(tables)):
        table = tables[number % len(tables)]  # features without a seed are used for all layers
        found.append(paper_probe(table, rate=rate, seed=options.seed + number))
    return {"linear": found}


def _cross_validated(tables: list[Table], options: ProbeOptions) -> dict[str, list[TrainedProbe]]:
    """Train the probe that uses few labels alone; none with all labels, or with one of a class."""
    if options.shots is None or any(num_folds(one.labels["train"]) < 2 for one in tables):
        return {}
    seeds = [options.seed + number % SHOT_DRAWS for number in range(len(tables))]
    pairs = zip(tables, seeds, strict=True)
    return {NAME: [cross_validated_probe(table, seed=seed) for table, seed in pairs]}
