"""`csmoe inspect`: which patches and places the experts of a model use, as a page."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from csmoe_model.analysis.condition_effects import UNTRAINED, usage_by_way
from csmoe_model.analysis.expert_page import SHUFFLE_SEED, expert_page
from csmoe_model.analysis.expert_usage import layers_of
from csmoe_model.experts.kept_experts import SHARED
from csmoe_model.extractors.checkpoint import LoadedModel, load_encoder
from minortom.api.arguments import path_of, whole_number
from minortom.api.results import Result
from minortom.io.artefact import artefact
from minortom.io.provenance import Provenance, licences_in, sha256_of
from minortom.io.up_to_date import check_page, now
from minortom.progress import OnProgress, ignore_progress
from minortom.shards.layout import DATASET_FILE
from minortom.shards.shard_set import ShardSet


@dataclass(frozen=True, kw_only=True)
class InspectResult(Result):
    """Result of `csmoe inspect`."""

    status: str
    """`written`, or `up to date`."""
    out: Path
    """The page."""
    patches: int
    """Patches that the tables count."""
    experts: int | Mapping[str, int]
    """Experts of each layer; by layer where they differ."""


def inspect(
    checkpoint: str | Path,
    shards: str | Path,
    *,
    out: str | Path,
    samples: int = 1000,
    patches: int = 6,
    workers: int | None = None,
    overwrite: bool = False,
    on_progress: OnProgress = ignore_progress,
) -> InspectResult:
    """Write a page that shows where each expert looks, and which patches use it.

    Args:
        checkpoint: Folder of a run, folder of a model, or a repository of the hub (`user/name`).
        shards: Folder of shards; patches of all splits are used.
        out: HTML file to write.
        samples: Patches to count in the tables, evenly over the shards; all where there are fewer.
        patches: Patches to draw maps of, from each stratum in turn.
        workers: Threads that read; one for each core, at most 8, when None.
        overwrite: Whether to replace an output that was made otherwise.
        on_progress: Called with (patches done, patches in all).

    Raises:
        InputError: If the checkpoint does not exist or has no experts, or `out` does not end in
            `.html`.
        ShardError: If the shards are missing, damaged or of another version.
        OutputExistsError: If `out` was made from something else.
    """
    started, out, shards = now(), path_of("out", out), path_of("shards", shards)
    samples = whole_number("samples", samples, minimum=1)
    patches = whole_number("patches", patches, minimum=0)
    if workers is not None:
        workers = whole_number("workers", workers, minimum=1)
    data = ShardSet.open(shards)
    trained = load_encoder(checkpoint)
    layers_of(trained)  # raises where there are no experts
    provenance = Provenance(
        command="inspect", seed=SHUFFLE_SEED,
        options={
            "samples": samples, "patches": patches, "untrained_seeds": list(UNTRAINED.values()),
        },
        inputs={
            "weights": trained.sha256, "shards": sha256_of(data.folder / DATASET_FILE),
        },
        licences=tuple(dict.fromkeys((*trained.licences, *licences_in(data.provenance)))),
    )  # fmt: skip
    chosen = np.unique(np.linspace(0, len(data) - 1, min(samples, len(data))).astype(np.int64))
    with artefact(
        out, provenance, inputs=[*trained.folders, shards], overwrite=overwrite, started=started
    ) as made:
        check_page(out)
        if not made.up_to_date:
            usages = usage_by_way(trained, data, chosen, workers=workers, on_progress=on_progress)
            page = expert_page(trained, data, chosen, usages, patches, provenance)
            made.path.write_text(page, encoding="utf-8")
    return InspectResult(
        status=made.status, out=out, patches=len(chosen), experts=_counts(trained)
    )  # fmt: skip


def _counts(trained: LoadedModel) -> int | dict[str, int]:
    config = trained.model.config
    names = config.layers(*trained.model.sensors, SHARED)
    counts = {name: len(config.experts_of(name)) for name in names}
    different = len(set(counts.values())) > 1
    return counts if different else next(iter(counts.values()))
