"""`csmoe prune`: keep the experts that a sensor needs, and write the smaller model."""

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from csmoe_model.analysis.pruning_results import is_pruning, read_pruning
from csmoe_model.checkpoints.hub import CONFIG
from csmoe_model.choices import Criterion, SensorChoice
from csmoe_model.data.loader import reader_threads
from csmoe_model.pruning.options import PruneOptions
from csmoe_model.pruning.page import pruning_page
from csmoe_model.pruning.record import expert_counts
from csmoe_model.pruning.work import open_work
from csmoe_model.training.supervised import OnStep, ignore_steps
from minortom.api.arguments import path_of, whole_number
from minortom.api.results import Result
from minortom.io.artefact import artefact
from minortom.io.provenance import KEY
from minortom.io.up_to_date import check_outside, check_page, now
from minortom.io.work_folder import delete_work_folder, work_folder
from minortom.progress import OnProgress, ignore_progress


@dataclass(frozen=True, kw_only=True)
class PruneResult(Result):
    """Result of `csmoe prune`."""

    status: str
    """`written`, or `up to date`."""
    out: Path
    """Folder of the smaller model."""
    sensor: str
    by: str
    experts: Mapping[str, str]
    """Kept and existing experts of each layer, such as `4 of 8`."""
    params: int
    """Parameters of the encoder."""
    params_before: int
    macs: int
    """Multiply-adds of an image (of a pair, for both sensors): every matrix product."""
    macs_before: int
    drift: Mapping[str, float]
    """1 − cosine of the [CLS] vectors and those of the unpruned model, by sensor."""
    drift_recovered: Mapping[str, float] | None
    """The same after the recovery; None without one."""
    html: Path | None
    """The page, if one was asked for."""


def prune(
    checkpoint: str | Path,
    *,
    shards: str | Path,
    sensor: SensorChoice,
    out: str | Path,
    keep: int | None = None,
    budget: float | None = None,
    by: Criterion = "reap",
    calibrate: int = 256,
    recover: int = 0,
    batch_size: int = 64,
    lr: float | None = None,
    save_every: int = 100,
    seed: int = 0,
    html: str | Path | None = None,
    workers: int | None = None,
    overwrite: bool = False,
    on_progress: OnProgress = ignore_progress,
    on_step: OnStep = ignore_steps,
) -> PruneResult:
    """Keep the experts that a sensor needs, and write the smaller model as a checkpoint.

    Example:
        >>> result = csmoe_model.prune("run", shards="shards", sensor="s2", out="small", keep=2)
        >>> result.macs < result.macs_before
        True

    Args:
        checkpoint: Folder of a run, folder of a model, or a repository of the hub (`user/name`).
        shards: Folder of shards with patches to score the experts on, without labels.
        sensor: Sensor to keep: `s2`, `s1`, or `both`, which also keeps the decoders.
        out: Folder for the smaller model, its card and `pruning.json`.
        keep: Experts to keep in each layer; half of them when neither `keep` nor `budget` is given.
        budget: Most multiply-adds of an image (of a pair, for both sensors), in billions.
        by: Score of the experts; see `measure_saliency`.
        calibrate: Patches to score on; all where there are fewer.
        recover: Steps of recovery: the smaller model learns the tokens of the unpruned one on
            unlabelled patches. Work that a signal stopped is resumed by the same call.
        batch_size: Images (pairs, for both sensors) in a step of the recovery.
        lr: Maximum learning rate of the recovery; that of the model's recipe when None.
        save_every: Steps of the recovery between checkpoints.
        seed: Seed of the draw of the patches, and of the batches of the recovery.
        html: Page to write about the experts; none when None.
        workers: Threads that read; one for each core, at most 8, when None.
        overwrite: Whether to replace outputs that were made otherwise.
        on_progress: Called with (patches done, patches in all) while the experts are scored.
        on_step: Called after each step of the recovery with (steps done, steps in all, loss,
            speed).

    Raises:
        InputError: If the checkpoint does not exist, or has no experts or no encoder of the sensor;
            the shards lack a band; or `keep` or `budget` cannot be met.
        ShardError: If the shards are missing, damaged or of another version.
        OutputExistsError: If `out` or `html` was made from something else.
        DivergedError: If the loss of the recovery or its gradient is not finite.
        FullMemoryError: If a batch of the recovery does not fit into the memory of the GPU.
        KeyboardInterrupt: After SIGINT, once the checkpoint is saved; SystemExit after SIGTERM.
    """
    started, out, page = now(), path_of("out", out), None if html is None else path_of("html", html)
    options = PruneOptions(
        sensor=sensor, keep=keep, budget=budget, by=by, calibrate=calibrate, seed=seed
    )  # fmt: skip
    save_every = whole_number("save_every", save_every, minimum=1)
    if workers is not None:
        workers = reader_threads(whole_number("workers", workers, minimum=1))
    if page is not None:
        check_page(page, option="--html")
        check_outside(page, out, option="--html")
    work = open_work(checkpoint, path_of("shards", shards), options, workers)
    work = work.recovering(steps=recover, batch_size=batch_size, lr=lr)
    inputs = [work.folder, work.data.folder]
    with ExitStack() as outputs:
        made = outputs.enter_context(
            artefact(
                out, work.provenance, inputs=inputs, overwrite=overwrite, record=CONFIG,
                started=started, is_whole=lambda: is_pruning(out),
            )
        )  # fmt: skip
        made_page = page and outputs.enter_context(
            artefact(
                page, work.provenance, inputs=[*inputs, out], overwrite=overwrite, started=started
            )
        )  # fmt: skip
        if not made.up_to_date:
            unfinished = work.unfinished(out, overwrite=overwrite)
            work.write(
                made.path, unfinished, save_every=save_every, on_progress=on_progress,
                on_step=on_step,
            )  # fmt: skip
        record = read_pruning(made.path)
        if made_page and not made_page.up_to_date:
            text = pruning_page(checkpoint, record, work.data)
            made_page.path.write_text(text, encoding="utf-8")
    delete_work_folder(work_folder(out), work.provenance)
    return _result(record, status=made.status, out=out, html=page)


def _result(record: Mapping[str, Any], *, status: str, out: Path, html: Path | None) -> PruneResult:
    before, after = record["cost"]["before"], record["cost"]["after"]
    return PruneResult(
        status=status, out=out, sensor=record[KEY]["options"]["sensor"], by=record["by"],
        experts=expert_counts(record),
        params=after["params_trainable"], params_before=before["params_trainable"],
        macs=after["macs_full"], macs_before=before["macs_full"],
        drift=record["drift"]["pruned"], drift_recovered=record["drift"]["recovered"],
        html=html,
    )  # fmt: skip
