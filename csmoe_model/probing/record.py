"""Content of `result.json`: what was probed, how, and with which scores."""

from collections.abc import Sequence

from csmoe_model.datasets.base import SPLITS, LabelledSet
from csmoe_model.evaluation.bootstrap import Bootstrap
from csmoe_model.evaluation.metrics import HEADLINE
from csmoe_model.evaluation.published_results import published_rows
from csmoe_model.extractors.random_convolutions import NUM_FILTERS, RandomConvolutions
from csmoe_model.probing.feature_sources import FeatureMaker
from csmoe_model.probing.few_shot import SHOT_DRAWS
from csmoe_model.probing.heads import BATCH_SIZE, EPOCHS, NEIGHBOURS, STRENGTHS
from csmoe_model.probing.options import ProbeOptions
from csmoe_model.probing.protocols import learning_rate
from csmoe_model.probing.rows import Row, differences

RESULT = "result.json"


def result_record(
    data: LabelledSet, settings: dict[str, object], rows: Sequence[Row], bootstrap: Bootstrap
) -> dict[str, object]:
    """Return the content of the result file, except the provenance."""
    grouped = data.split("test").independent is not None
    return {
        "data": data.name,
        "task": data.task,
        "headline": HEADLINE[data.task],
        "classes": list(data.classes),
        "splits": {name: len(data.split(name)) for name in SPLITS},
        "groups": int(bootstrap.groups.max()) + 1 if grouped else None,
        "settings": settings,
        "rows": [row.record() for row in rows],
        "differences": differences(rows, HEADLINE[data.task]),
        "published": published_rows(data.name),
    }


def settings_record(
    maker: FeatureMaker, options: ProbeOptions, bootstrap: Bootstrap
) -> dict[str, object]:
    """Return all settings that are needed to repeat the probe."""
    extractor, data = maker.extractor, maker.data
    protocols: dict[str, dict[str, object]] = {
        "standard": {"C": list(STRENGTHS), "k": list(NEIGHBOURS), "standardised": True},
        "paper": {
            "lr": learning_rate(data, options), "epochs": EPOCHS, "batch_size": BATCH_SIZE,
            "optimiser": "AdamW, weight decay 0.01, constant rate", "standardised": False,
        },
    }  # fmt: skip
    return {
        "recipe": extractor.name,
        "macs_paper": extractor.details(maker.sensors).get("macs_paper"),
        "weights_sha256": extractor.sha256,
        "protocol": options.protocol,
        **protocols[options.protocol],
        "pooling": extractor.pooling,
        "sensors": list(maker.sensors),
        "seeds": list(maker.seeds),
        "shots": options.shots and {"a_class": options.shots, "draws": SHOT_DRAWS},
        "normalisation": {
            "model": extractor.normalisation,
            **({"statistics": extractor.statistics} if extractor.statistics else {}),
            "random convolutions": RandomConvolutions.normalisation,
        },
        "resize": {
            "model": extractor.resizing,
            "baselines": "none",
        },
        "random_filters": {"filters": NUM_FILTERS, "of": "each sensor"},
        "bootstrap": {"draws": bootstrap.num_draws, "interval": "percentiles 2.5 and 97.5"},
        "set": data.record,
    }
