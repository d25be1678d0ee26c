"""`csmoe retrieve`: retrieve similar images, within a sensor and across sensors, and score them."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from csmoe_model.choices import IndexKind, Pooling
from csmoe_model.datasets.base import SPLITS, LabelledSet
from csmoe_model.datasets.names import SetName, SplitBy
from csmoe_model.datasets.open_set import BandNames, open_set
from csmoe_model.evaluation.feature_cache import FeatureCache
from csmoe_model.evaluation.tables import (
    COST_TITLES,
    cost_cells,
    markdown_grid,
    pooled,
    with_interval,
)
from csmoe_model.extractors.extractor import Extractor
from csmoe_model.extractors.load import load_extractor
from csmoe_model.extractors.map_images import choose_sensors
from csmoe_model.retrieval.directions import RetrieveOptions, score_directions
from csmoe_model.retrieval.nearest import check_faiss
from minortom.api.arguments import path_of
from minortom.api.results import Result
from minortom.errors import InputError
from minortom.io.artefact import artefact
from minortom.io.atomic_write import write_json, write_text
from minortom.io.markdown import markdown_text
from minortom.io.parse import parse_json
from minortom.io.provenance import KEY, Provenance
from minortom.io.up_to_date import now
from minortom.progress import OnProgress, ignore_progress
from minortom.scenes.radiometry import GivenOffset

RESULT = "result.json"


@dataclass(frozen=True, kw_only=True)
class RetrieveResult(Result):
    """Result of `csmoe retrieve`: the content of `result.json`, with its status."""

    status: str
    """`written`, or `up to date`."""
    out: Path
    """Folder with `result.json` and `table.md`."""
    data: str
    """Name of the labelled set."""
    task: str
    classes: Sequence[str]
    queries: int
    """Images of the split `val`."""
    archive: int
    """Images of the split `test`."""
    settings: Mapping[str, Any]
    rows: Sequence[Mapping[str, Any]]
    """For each kind of features: the scores of each direction, with 95 % intervals."""
    published: Sequence[Mapping[str, Any]]
    """Published F1 of the same set, in percent."""
    provenance: Mapping[str, Any]

    def as_dict(self) -> dict[str, Any]:
        """Return the values that `--json` prints."""
        values: dict[str, Any] = super().as_dict()
        values[KEY] = values.pop("provenance")
        return values

    def shown(self) -> dict[str, object]:
        """Return F1 of each kind of features and each direction, one line each."""
        k = self.settings["k"]
        lines: dict[str, object] = {
            "status": self.status, "out": str(self.out), "data": self.data,
            "queries": self.queries, "archive": self.archive,
        }  # fmt: skip
        for row in self.rows:
            for direction, found in row["directions"].items():
                if found:
                    name = f"F1@{k} {direction.replace('_to_', ' → ')}, {row['features']}"
                    lines[name] = with_interval(found["f1"])
        return lines


def retrieve(
    checkpoint: str | Path,
    *,
    data: SetName | LabelledSet,
    root: str | Path | None,
    out: str | Path,
    label: str | None = None,
    split_by: SplitBy | None = None,
    s2_bands: BandNames | None = None,
    s1_bands: BandNames | None = None,
    s2_offset: GivenOffset = "auto",
    k: int = 10,
    index: IndexKind = "exact",
    pooling: Pooling = "cls",
    seeds: int = 3,
    cache: str | Path | None = None,
    seed: int = 0,
    overwrite: bool = False,
    on_progress: OnProgress = ignore_progress,
) -> RetrieveResult:
    """Retrieve images of the split `test` for each image of `val`; score their common labels.

    Compare the model with baselines in each direction that the sensors allow: chance, the
    untrained model and, within a sensor, band statistics and random convolutions.

    Args:
        checkpoint: Folder of a run, folder of a model, or a repository of the hub (`user/name`).
        data: Name of a multiclass or multilabel set, or a `LabelledSet`; see `open_set`.
        root: Folder that holds the set; None for a `LabelledSet`.
        out: Folder for `result.json` and `table.md`.
        label: Column of shards that holds the labels; `landcover` when None.
        split_by: How to split shards; by their own splits when None.
        s2_bands: Names of the Sentinel-2 bands in the files of a folder, such as `B02,B03`; the
            names in the files when None.
        s1_bands: Names of the Sentinel-1 bands, as for `s2_bands`.
        s2_offset: Offset to subtract from Sentinel-2 values without offset tags, in
            reflectance × 10,000; `auto` takes it from the name of the product.
        k: Images to retrieve for each query.
        index: `exact` compares all vectors; `ivf` those of the nearest cells, for millions.
        pooling: `cls` for the [CLS] vector, `mean` for the mean of the patch tokens, or `both`.
        seeds: Number of untrained models and of sets of random filters.
        cache: Folder that keeps features for other runs on the same set; none when None.
        seed: First of the seeds, also of a split that the set does not have.
        overwrite: Whether to replace an output that was made otherwise.
        on_progress: Called with (images done, images in all) for each kind of features.

    Raises:
        InputError: If the checkpoint or the set does not exist, the set has no labels of whole
            images or no queries, or an argument is out of range.
        OutputExistsError: If `out` was made from something else.
    """
    started, out = now(), path_of("out", out)
    options = RetrieveOptions(k=k, index=index, pooling=pooling, seed=seed, seeds=seeds)
    check_faiss()
    kept = FeatureCache.beside(out, cache)
    labelled = open_set(
        data, root, label=label, split_by=split_by, s2_bands=s2_bands, s1_bands=s1_bands,
        s2_offset=s2_offset, seed=options.seed,
    )  # fmt: skip
    _check_set(labelled, k=options.k)
    extractor = load_extractor(checkpoint).with_pooling(options.pooling)
    sensors = choose_sensors(extractor, labelled, None)
    provenance = _provenance(extractor, labelled, options)
    inputs = [*extractor.folders, *([] if root is None else [path_of("root", root)])]
    with artefact(
        out, provenance, inputs=inputs, overwrite=overwrite, record=RESULT, started=started
    ) as made:
        if not made.up_to_date:
            labelled.report()
            found = score_directions(
                extractor, labelled, sensors, options, cache=kept, on_progress=on_progress
            )
            found[KEY] = provenance.as_dict()
            write_json(made.path / RESULT, found)
            write_text(made.path / "table.md", markdown_table(found))
    stored = parse_json((out / RESULT).read_text(encoding="utf-8"))
    return RetrieveResult(status=made.status, out=out, provenance=stored.pop(KEY), **stored)


def markdown_table(result: Mapping[str, Any]) -> str:
    """Return F1 of every direction in %, with 95 % intervals and the published values."""
    directions, k = list(result["rows"][0]["directions"]), result["settings"]["k"]
    header = ["features", *(name.replace("_to_", " → ") for name in directions)]
    header += COST_TITLES.values()
    rows = []
    for row in result["rows"]:
        found = row["directions"]
        cells = (
            with_interval(found[name]["f1"]) if found.get(name) else "–" for name in directions
        )
        rows.append([row["features"], *cells, *cost_cells(row).values()])
    for row in result["published"]:
        cells = (f"{row['percent'][name]:.2f}" for name in directions)
        blank = [""] * len(COST_TITLES)
        rows.append([f"{row['features']} ({row['source']})", *cells, *blank])
    settings = result["settings"]
    return (
        f"# {markdown_text(result['data'])}: F1@{k}\n\n"
        f"{result['queries']:,} queries of the split val, {result['archive']:,} images of the "
        f"split test, {len(result['classes'])} classes; {pooled(settings)}index "
        f"{settings['index']}, {len(settings['seeds'])} seeds. In %, in brackets 95 % intervals of "
        f"{settings['draws']:,} bootstrap draws over the queries.\n\n" + markdown_grid(header, rows)
    )


def _check_set(data: LabelledSet, *, k: int) -> None:
    """Check that a set has labels of images, samples in each split, and an archive of k images."""
    if data.task == "segmentation":
        raise InputError(
            f"expected a multiclass or multilabel set, found {data.name}, a segmentation set; give "
            "another --data"
        )
    for name in SPLITS:
        data.split(name)  # raises where there are no samples
    archive = len(data.split("test"))
    if k > archive:
        raise InputError(
            f"--k must be at most {archive:,}, the images in the test split of {data.name}, found "
            f"{k:,}; give a smaller --k"
        )


def _provenance(extractor: Extractor, data: LabelledSet, options: RetrieveOptions) -> Provenance:
    choices = asdict(options)
    del choices["seed"]
    return Provenance(
        command="retrieve",
        options={**choices, "data": data.name, **data.record, **extractor.record},
        inputs={"weights": extractor.sha256, "data": data.sha256},
        seed=options.seed,
        licences=tuple(dict.fromkeys((*extractor.licences, *data.licences))),
    )
