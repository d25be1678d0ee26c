"""``csmoe retrieve``: images like a query's, within a sensor and across the two."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from csmoe_model.datasets.base import SPLITS, LabelledSet
from csmoe_model.evaluation.bootstrap import NUM_DRAWS, Bootstrap, interval
from csmoe_model.evaluation.feature_cache import FeatureCache
from csmoe_model.evaluation.published_results import CBIR
from csmoe_model.evaluation.tables import markdown_grid, with_interval
from csmoe_model.inference.encode_dataset import Pooling, choose_sensors
from csmoe_model.inference.load import LoadedModel, load_encoder
from csmoe_model.probing.feature_sources import FeatureMaker, Splits
from csmoe_model.probing.heads import SMALLEST_STD, Features
from csmoe_model.retrieval.metrics import BoolArray, Retrieved, as_sets, by_chance, retrieved
from csmoe_model.retrieval.nearest import IndexKind, nearest
from minortom.errors import InputError
from minortom.io.atomic_write import whole_folder, write_json, write_text
from minortom.io.provenance import KEY, Provenance
from minortom.io.up_to_date import is_up_to_date, now, status, write_run_record
from minortom.progress import OnProgress, ignore_progress
from minortom.sensors import SensorName

RESULT = "result.json"
_COMPARABLE = ("model", "untrained model")
"""Features of which those of one sensor can be held against those of the other."""


@dataclass(frozen=True, kw_only=True)
class RetrieveOptions:
    """What is retrieved, and how.

    Raises:
        InputError: If a number is out of its range.
    """

    k: int = 10
    """Images retrieved for each query."""
    index: IndexKind = "exact"
    pooling: Pooling = "cls"
    seed: int = 0
    """First of the seeds."""
    seeds: int = 3
    """Untrained models and random convolutions."""

    def __post_init__(self) -> None:
        for name in ("k", "seeds"):
            if getattr(self, name) < 1:
                raise InputError(f"--{name} must be 1 or more; it is {getattr(self, name)}")


def retrieve(
    checkpoint: str | Path,
    data: LabelledSet,
    out: Path,
    *,
    options: RetrieveOptions,
    inputs: tuple[Path, ...] = (),
    cache: Path | None = None,
    overwrite: bool = False,
    on_progress: OnProgress = ignore_progress,
) -> dict[str, object]:
    """Retrieve images of the split `test` for those of `val`; write JSON and Markdown.

    In every direction that the sensors allow, by the model and by what costs nothing: band
    statistics and random convolutions within a sensor, the untrained model, and chance.

    Args:
        checkpoint: As `CSMoE.from_pretrained` takes it.
        data: The labelled set, multiclass or multilabel.
        out: Folder to write `result.json` and `table.md` to.
        options: What to do.
        inputs: Where the set lies, so that it is never replaced.
        cache: Folder to keep features in; none when None.
        overwrite: Whether another result in `out` may be replaced.
        on_progress: Called with (images done, images in all) of each kind of feature.

    Returns:
        What the file holds, and what there is to tell beside it.

    Raises:
        InputError: If the checkpoint is none, or the set has no labels of images or no queries.
        OutputExistsError: If `out` is something else.
    """
    started = now()
    if data.task == "segmentation":
        raise InputError(
            f"{data.name} is a segmentation set; csmoe retrieve takes multiclass and multilabel "
            "sets"
        )
    trained = load_encoder(checkpoint)
    sensors = choose_sensors(trained.model, data, None)
    for name in SPLITS:
        data.split(name)  # complains where there are no samples
    if options.k > len(data.split("test")):
        raise InputError(
            f"--k {options.k:,} is more than the {len(data.split('test')):,} images of "
            f"{data.name}'s test split; give a smaller one"
        )
    provenance = Provenance(
        command="retrieve",
        options={**_without_seed(options), "data": data.name, **data.record},
        inputs={"weights": trained.weights_sha256, "data": data.sha256},
        seed=options.seed,
        licences=tuple(dict.fromkeys((*trained.licences, *data.licences))),
    )
    done = is_up_to_date(
        out, provenance, inputs=[trained.folder, *inputs], overwrite=overwrite, record=RESULT
    )
    if not done:
        makers = {
            sensor: _maker(trained, data, sensor, options, FeatureCache(cache), on_progress)
            for sensor in sensors
        }
        result = _result(trained, data, makers, options)
        result[KEY] = json.loads(provenance.to_json())
        with whole_folder(out) as folder:
            write_json(folder / RESULT, result)
            write_text(folder / "table.md", markdown_table(result))
        write_run_record(out, started)
    stored = json.loads((out / RESULT).read_text(encoding="utf-8"))
    return {"status": status(done), "out": str(out), **stored}


def markdown_table(result: Mapping[str, Any]) -> str:
    """Write F1 of every direction in %, with 95 % intervals, beside what the paper prints."""
    directions, k = list(result["rows"][0]["directions"]), result["settings"]["k"]
    header = ["features", *(name.replace("_to_", " → ") for name in directions)]
    rows = []
    for row in result["rows"]:
        found = row["directions"]
        cells = (
            with_interval(found[name]["f1"]) if found.get(name) else "–" for name in directions
        )
        rows.append([row["features"], *cells])
    for row in result["published"]:
        cells = (f"{row['percent'][name]:.2f}" for name in directions)
        rows.append([f"{row['features']} ({row['source']})", *cells])
    settings = result["settings"]
    return (
        f"# {result['data']}: F1@{k}\n\n"
        f"{result['queries']:,} queries of the split val, {result['archive']:,} images of the "
        f"split test, {len(result['classes'])} classes; {settings['pooling']} pooling, index "
        f"{settings['index']}, {len(settings['seeds'])} seeds. In %, in brackets 95 % intervals of "
        f"{settings['draws']:,} bootstrap draws over the queries.\n\n" + markdown_grid(header, rows)
    )


def shown_rows(result: Mapping[str, Any]) -> dict[str, object]:
    """Give a result as lines for people: F1 of each kind of feature and direction."""
    k = result["settings"]["k"]
    lines: dict[str, object] = {
        name: result[name] for name in ("status", "out", "data", "queries", "archive")
    }
    for row in result["rows"]:
        for direction, found in row["directions"].items():
            if found:
                name = f"F1@{k} {direction.replace('_to_', ' → ')}, {row['features']}"
                lines[name] = with_interval(found["f1"])
    return lines


def _without_seed(options: RetrieveOptions) -> dict[str, object]:
    choices = asdict(options)
    del choices["seed"]
    return choices


def _maker(
    trained: LoadedModel, data: LabelledSet, sensor: SensorName, options: RetrieveOptions,
    cache: FeatureCache, on_progress: OnProgress,
) -> FeatureMaker:  # fmt: skip
    return FeatureMaker(
        trained=trained, data=data, sensors=(sensor,), pooling=options.pooling,
        seeds=range(options.seed, options.seed + options.seeds), cache=cache,
        on_progress=on_progress, splits=("val", "test"),
    )  # fmt: skip


def _result(
    trained: LoadedModel, data: LabelledSet, makers: Mapping[SensorName, FeatureMaker],
    options: RetrieveOptions,
) -> dict[str, Any]:  # fmt: skip
    val, test = data.split("val"), data.split("test")
    query_qK, archive_nK = (
        as_sets(split.labels, data.task, len(data.classes)) for split in (val, test)
    )
    bootstrap = Bootstrap.over(len(val), val.groups, seed=options.seed)
    directions = [f"{one}_to_{other}" for one in makers for other in makers]
    kinds = {sensor: maker.kinds() for sensor, maker in makers.items()}
    rows: list[dict[str, object]] = []
    for name in next(iter(kinds.values())):
        # Features are held by `_answers` alone: gone before the next kind is made.
        answers = _answers(
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
        "queries": len(val), "archive": len(test),
        "settings": {
            "recipe": trained.recipe, "weights_sha256": trained.weights_sha256, "k": options.k,
            "index": options.index, "pooling": options.pooling, "draws": NUM_DRAWS,
            "seeds": list(range(options.seed, options.seed + options.seeds)),
            "vectors": "compared by cosine; those without weights standardised over the archive",
        },
        "rows": rows,
        "published": CBIR.get(data.name, []),
    }  # fmt: skip


def _answers(
    name: str, make: Mapping[SensorName, Callable[[], list[Splits]]], query_qK: BoolArray,
    archive_nK: BoolArray, options: RetrieveOptions,
) -> dict[str, list[Retrieved]]:  # fmt: skip
    """Make one kind of features and retrieve by them; what every seed finds, by direction.

    Directions in which they cannot be compared are left out.
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
                pair = _standardised(*pair)
            found[f"{one}_to_{other}"].append(_run(*pair, query_qK, archive_nK, options))
    return found


def _standardised(query_qD: Features, archive_nD: Features) -> tuple[Features, Features]:
    """Give every feature mean 0 and deviation 1 over the archive.

    Else the band with the largest values alone would say what is alike, and the baseline be
    weaker than it is.
    """
    mean_D, std_D = archive_nD.mean(0, dtype=np.float64), archive_nD.std(0, dtype=np.float64)
    std_D[std_D < SMALLEST_STD] = 1
    mean_D, std_D = mean_D.astype(np.float32), std_D.astype(np.float32)
    return (query_qD - mean_D) / std_D, (archive_nD - mean_D) / std_D


def _run(
    query_qD: Features, archive_nD: Features, query_qK: BoolArray, archive_nK: BoolArray,
    options: RetrieveOptions,
) -> Retrieved:  # fmt: skip
    number_qk, _ = nearest(query_qD, archive_nD, options.k, index=options.index, seed=options.seed)
    return retrieved(query_qK, archive_nK, number_qk)


def _scores(runs: Sequence[Retrieved], bootstrap: Bootstrap) -> dict[str, dict[str, float]]:
    """Give each score, the mean over the seeds, with its interval."""
    draws = bootstrap.draws_of([run.score for run in runs])
    singles = [run.score() for run in runs]
    return {
        name: asdict(interval(sum(one[name] for one in singles) / len(singles), draw_R))
        for name, draw_R in draws.items()
    }
