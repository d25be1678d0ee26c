"""A fine-tuning run: from a checkpoint and labels to weights with a head, in a resumable folder."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from csmoe_model.evaluation.bootstrap import NUM_DRAWS, Bootstrap
from csmoe_model.evaluation.tables import markdown_table
from csmoe_model.extractors.checkpoint import LoadedModel
from csmoe_model.extractors.cost import ExtractorCost
from csmoe_model.finetuning.averaging import keep_best_average, weights_of
from csmoe_model.finetuning.head_files import write_head
from csmoe_model.finetuning.network import FineTuned
from csmoe_model.finetuning.tuning import Tuning, part_of, random_twin
from csmoe_model.probing.feature_sources import MODEL, UNTRAINED
from csmoe_model.probing.heads import TrainedProbe
from csmoe_model.probing.predictions import PREDICTIONS, write_predictions
from csmoe_model.probing.record import RESULT, result_record
from csmoe_model.probing.rows import Row, scored_row
from csmoe_model.runs.curves import SUPERVISED_CURVES, draw_curve
from csmoe_model.runs.folder import RunFolder
from csmoe_model.runs.trackers import Tracking
from csmoe_model.training.save_weights import save_model
from csmoe_model.training.supervised import COLUMNS, NO_TRACKING, OnStep
from csmoe_model.training.supervised_module import BETAS
from csmoe_model.training.supervised_run import run_in_folder, train_or_stop
from minortom.io.atomic_write import write_json, write_text
from minortom.io.provenance import KEY, Provenance

FROZEN = "frozen model"
"""Name of the features of the pretrained encoder in the result."""


@dataclass(frozen=True, kw_only=True, eq=False)
class _Tuned:
    """A trained network, and its predictions for the test split."""

    network: FineTuned
    tested: TrainedProbe


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Settings that do not change the weights of a run."""

    compare: bool
    """Whether to train the linear probe and the network from random weights for comparison."""
    save_every: int
    """Steps between checkpoints."""
    tracking: Tracking
    on_step: OnStep


def run_folder(path: Path) -> RunFolder:
    """Return the paths of a fine-tuning run."""
    return RunFolder(path, columns=COLUMNS, logs_experts=False)


@dataclass(frozen=True, kw_only=True, eq=False)
class FinetuneRun:
    """A run in a folder that is locked for other processes."""

    trained: LoadedModel
    """The checkpoint."""
    tuning: Tuning
    folder: RunFolder
    inputs: Sequence[Path]
    """Files and folders that a new run must not replace."""
    provenance: Provenance
    settings: Settings

    def run(self, *, resume: bool, overwrite: bool) -> str:
        """Train and write the weights; return `trained` or `up to date`.

        Raises:
            MinorTomError: As `finetune`.
        """
        return run_in_folder(
            self.folder, self.provenance, inputs=self.inputs, resume=resume, overwrite=overwrite,
            work=self._work,
        )  # fmt: skip

    def _work(self) -> None:
        self.tuning.data.report()
        network, rows = self._rows()
        draw_curve(self.folder.log, self.folder.curve, SUPERVISED_CURVES)
        self._write(network, rows)

    def _rows(self) -> tuple[FineTuned, list[Row]]:
        """Train and test the network and the networks that it is compared with."""
        tuning, compare = self.tuning, self.settings.compare
        part = part_of(self.trained, tuning.sensors)
        frozen = tuning.linear_probe(part) if compare else None
        twin = random_twin(part, seed=tuning.supervised.seed) if compare else None
        width = tuning.head.width(part.model.config.width)
        cost = self._cost(part)
        found = self._tuned(part, self.folder, frozen, pretrained=True)
        probed = {MODEL: found.tested}
        if frozen is not None and twin is not None:
            probed[FROZEN] = frozen
            other = run_folder(self.folder.path / "untrained")
            if not other.log.path.is_file():
                other.checkpoint.parent.mkdir(parents=True, exist_ok=True)
                other.log.start()
            probed[UNTRAINED] = self._tuned(twin, other, None, pretrained=False).tested
        rows = [
            scored_row(name, tuning.head.name, [one], self._bootstrap, width=width, cost=cost)
            for name, one in probed.items()
        ]
        return found.network, rows

    def _tuned(
        self, start: LoadedModel, folder: RunFolder, probe: TrainedProbe | None, *, pretrained: bool
    ) -> "_Tuned":
        """Train a model with a head, or resume; test the best weights."""
        tuning, settings = self.tuning, self.settings
        # A head on random features has huge weights, from which such a network hardly recovers.
        starts_warm = pretrained and tuning.options.warm_start and not tuning.head.is_dense
        if starts_warm and probe is None:
            probe = tuning.linear_probe(start)
        layer = probe.layer if starts_warm and probe is not None else None
        network = tuning.network(start.model, layer)
        before, task = weights_of(network), tuning.task(network, pretrained=pretrained)
        end = train_or_stop(
            task, folder=folder, save_every=settings.save_every, on_step=settings.on_step,
            tracking=settings.tracking if pretrained else NO_TRACKING,
        )  # fmt: skip
        share, score = None, end.score
        if starts_warm and tuning.options.average:
            share, score = keep_best_average(network, before, end, task.validate)
        chosen: dict[str, object] = {
            "best_step": end.best_step, "steps": end.steps, "average": share,
            "val": round(score, 6),
        }  # fmt: skip
        return _Tuned(network=network, tested=tuning.tested(network, chosen))

    def _cost(self, part: LoadedModel) -> ExtractorCost:
        """Return the cost of the encoder for an image at the size of the model."""
        side = part.model.config.image_size
        return part.cost_of(dict.fromkeys(part.sensors, (side, side)))

    @property
    def _bootstrap(self) -> Bootstrap:
        test = self.tuning.data.split("test")
        seed = self.tuning.supervised.seed
        return Bootstrap.over(len(test), test.independent, seed=seed, num_draws=NUM_DRAWS)

    def _write(self, network: FineTuned, rows: list[Row]) -> None:
        """Write the result, then the weights, with which the run is finished."""
        folder, data = self.folder.path, self.tuning.data
        record = result_record(data, self._settings(), rows, self._bootstrap)
        record[KEY] = self.provenance.as_dict()
        write_json(folder / RESULT, record)
        write_predictions(folder / PREDICTIONS, data, rows, self.provenance)
        write_text(folder / "table.md", markdown_table(record))
        origin = self.trained.model.origin
        assert origin is not None  # because the model was loaded from a checkpoint
        save_model(
            self.folder.model, model=network.encoder, normalise=self.trained.normalise,
            recipe=self.trained.name, provenance=self.provenance,
            history=(origin.record, *origin.history),
            more=lambda made: write_head(made, network, self.tuning.head),
        )  # fmt: skip

    def _settings(self) -> dict[str, object]:
        """Return all settings that are needed to repeat the run."""
        tuning, shots = self.tuning, self.tuning.options.shots
        return {
            "recipe": self.trained.name,
            "macs_paper": self.trained.details(tuning.sensors)["macs_paper"],
            "weights_sha256": self.trained.sha256,
            "protocol": "fine-tuning",
            **asdict(tuning.supervised), **asdict(tuning.options),
            "optimiser": f"AdamW, betas {BETAS[0]:g} and {BETAS[1]:g}, cosine schedule",
            "sensors": list(tuning.sensors),
            "seeds": [tuning.supervised.seed],
            "shots": shots and {"a_class": shots, "draws": 1},
            "normalisation": self.trained.normalisation,
            "statistics": self.trained.statistics,
            "resize": self.trained.resizing,
            "bootstrap": {"draws": NUM_DRAWS, "interval": "percentiles 2.5 and 97.5"},
            "set": tuning.data.record,
        }  # fmt: skip
