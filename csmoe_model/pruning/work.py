"""One pruning: its checked inputs, and the steps from them to the files of the smaller model."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from csmoe_model.analysis.pruning_results import PRUNING, read_pruning
from csmoe_model.checkpoints.hub import find_checkpoint
from csmoe_model.checkpoints.weights import StoredModel, read_model, write_model
from csmoe_model.csmoe import CSMoE
from csmoe_model.data.loader import check_bands
from csmoe_model.distributed.device import best_device
from csmoe_model.experts.kept_experts import check_has_experts
from csmoe_model.inference.export_encoder import encoder_part, made_from
from csmoe_model.pruning.calibration import Patches, class_vectors, draw_patches
from csmoe_model.pruning.choice import check_choice, choose_experts
from csmoe_model.pruning.options import PruneOptions, recover_options
from csmoe_model.pruning.record import measured_drift, pruning_record
from csmoe_model.pruning.recovery import distillation, recover, recovery_folder
from csmoe_model.pruning.saliency import score_experts
from csmoe_model.pruning.slicing import sliced
from csmoe_model.training.checkpoint_io import is_damaged
from csmoe_model.training.supervised import OnStep
from minortom.io.atomic_write import write_json
from minortom.io.provenance import KEY, Provenance, licences_in, sha256_of
from minortom.io.work_folder import delete_work_folder, prepare_work_folder, work_folder
from minortom.progress import OnProgress
from minortom.shards.layout import DATASET_FILE
from minortom.shards.shard_set import ShardSet


@dataclass(frozen=True, kw_only=True)
class PruningWork:
    """A model to prune, the shards and the options, checked."""

    whole: StoredModel
    """The checkpoint."""
    part: StoredModel
    """The paths that stay, with all experts; the whole model for both sensors."""
    folder: Path
    """Folder of the checkpoint."""
    data: ShardSet
    options: PruneOptions
    workers: int | None

    def recovering(self, *, steps: int, batch_size: int, lr: float | None) -> "PruningWork":
        """Return the work with a recovery of some steps; without one for no steps.

        Raises:
            InputError: If a value is not valid.
        """
        recipe = self.whole.origin.recipe
        recovery = recover_options(recipe, steps=steps, batch_size=batch_size, lr=lr)
        return replace(self, options=replace(self.options, recover=recovery))

    @property
    def provenance(self) -> Provenance:
        """All that the smaller model depends on."""
        origin = self.whole.origin
        return Provenance(
            command="prune", options=self.options.recorded(), seed=self.options.seed,
            inputs={
                "weights": origin.weights_sha256,
                "shards": sha256_of(self.data.folder / DATASET_FILE),
            },
            licences=tuple(
                dict.fromkeys((*origin.licences, *licences_in(self.data.provenance)))
            ),
        )  # fmt: skip

    def unfinished(self, out: Path, *, overwrite: bool) -> Path | None:
        """Return the folder of an unfinished recovery, ready for use; None without a recovery.

        Work of the same options is resumed. `overwrite` replaces work of other options, and a
        damaged checkpoint.

        Raises:
            OutputExistsError: If it holds the work of other options and `overwrite` is false.
        """
        if self.options.recover is None:
            return None
        folder = work_folder(out)
        if overwrite and is_damaged(recovery_folder(folder).checkpoint):
            delete_work_folder(folder)
        prepare_work_folder(folder, self.provenance, overwrite=overwrite)
        return folder

    def write(
        self,
        folder: Path,
        unfinished: Path | None,
        *,
        save_every: int,
        on_progress: OnProgress,
        on_step: OnStep,
    ) -> None:
        """Score the experts and write the model of those that stay, with its record.

        Args:
            folder: Empty folder for the files.
            unfinished: Folder of `unfinished`.
            save_every: Steps of the recovery between checkpoints.
            on_progress: Called while the experts are scored.
            on_step: Called after each step of the recovery.
        """
        options = self.options
        teacher = CSMoE.from_stored(self.whole).to(best_device())
        scored, others = draw_patches(
            teacher, self.data, options.calibrate, seed=options.seed, workers=self.workers
        )  # fmt: skip
        record = self._record(teacher, scored, others, unfinished, on_progress)
        kept = {row["layer"]: tuple(row["kept"]) for row in record["layers"]}
        config, tensors = sliced(self.part.config, self.part.tensors, kept)
        smaller = replace(
            self.part, config=config, tensors=tensors,
            origin=made_from(self.whole, self.provenance),
        )  # fmt: skip
        if options.recover is not None and unfinished is not None:
            # Copies: the teacher has the tensors themselves.
            copies = {name: tensor.clone() for name, tensor in tensors.items()}
            student = CSMoE.from_stored(replace(smaller, tensors=copies))
            task = distillation(
                student, teacher, others, options.sensors, options.recover, seed=options.seed
            )
            recover(task, work=unfinished, save_every=save_every, on_step=on_step)
            reference = class_vectors(teacher, others, options.sensors)
            record["drift"]["recovered"] = measured_drift(student, others, reference)
            smaller = replace(smaller, tensors=student.state_dict())
        write_model(folder, smaller)
        write_json(folder / PRUNING, record)

    def _record(
        self,
        model: CSMoE,
        scored: Patches,
        others: Patches,
        unfinished: Path | None,
        on_progress: OnProgress,
    ) -> dict[str, Any]:
        """Score the experts and choose, unless an interrupted recovery has done it."""
        if unfinished is not None and (unfinished / PRUNING).is_file():
            return read_pruning(unfinished)
        options = self.options
        saliency = score_experts(
            model, scored, options.sensors, by=options.by, on_progress=on_progress
        )
        kept = choose_experts(saliency, keep=options.keep, budget=options.budget)
        found = pruning_record(
            model, saliency, kept, others, held_out=others.samples is not scored.samples
        )
        record = {KEY: self.provenance.as_dict(), **found}
        if unfinished is not None:
            write_json(unfinished / PRUNING, record)
        return record


def open_work(
    checkpoint: str | Path, shards: Path, options: PruneOptions, workers: int | None
) -> PruningWork:
    """Read the inputs of a pruning and check that the options fit them.

    Raises:
        MinorTomError: As `prune`.
    """
    data = ShardSet.open(shards)
    check_bands(data)
    folder = find_checkpoint(checkpoint)
    whole = read_model(folder)
    check_has_experts(whole.config.num_experts, folder)
    part = encoder_part(whole, options.sensors)
    check_choice(whole.config, options.sensors, keep=options.keep, budget=options.budget)
    return PruningWork(
        whole=whole, part=whole if options.sensor == "both" else part, folder=folder, data=data,
        options=options, workers=workers,
    )  # fmt: skip
