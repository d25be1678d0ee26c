"""Run of a specialist: from labels to a frozen extractor, in a folder from which it resumes."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from csmoe_model.checkpoints.hub import CARD
from csmoe_model.choices import ArchName, ClassWeights
from csmoe_model.distributed.device import best_device
from csmoe_model.evaluation.bootstrap import NUM_DRAWS, Bootstrap, interval
from csmoe_model.evaluation.metrics import score
from csmoe_model.extractors.map_images import check_finite_features, encode_set
from csmoe_model.extractors.specialist import Specialist, SpecialistNetwork
from csmoe_model.extractors.vector_statistics import VectorStatistics
from csmoe_model.finetuning.labelled_batches import LabelledBatch, LabelledBatches
from csmoe_model.finetuning.objective import objective_of, predict_split, validation_numbers
from csmoe_model.runs.folder import RunFolder
from csmoe_model.specialists.card import specialist_card
from csmoe_model.specialists.images import SpecialistImages
from csmoe_model.training.supervised import COLUMNS, OnStep, SupervisedResult
from csmoe_model.training.supervised_config import SupervisedConfig
from csmoe_model.training.supervised_module import Supervised, plain_groups
from csmoe_model.training.supervised_run import run_in_folder, train_or_stop
from minortom.api.results import Result
from minortom.io.atomic_write import atomic_folder, write_json, write_text
from minortom.io.parse import parse_json
from minortom.io.provenance import KEY, Provenance
from minortom.sensors import SensorName

RESULT = "result.json"
_BATCH = 64
"""Images that are validated and tested at once."""


@dataclass(frozen=True, kw_only=True)
class SpecialistResult(Result):
    """Result of `csmoe specialist train`."""

    status: str
    """`trained` or `up to date`."""
    run: Path
    """Folder of the run."""
    weights: Path
    """Folder of the specialist."""
    arch: str
    sensor: str
    image_size: int
    """Side of the images that the network sees (pixels)."""
    parameters: int
    multiply_adds: int
    """Multiply-adds per image."""
    steps: int
    """Steps taken."""
    best_step: int
    """Step whose weights were kept."""
    val_score: float
    """Validation score of these weights."""
    test: dict[str, dict[str, float]]
    """Each score of the test split from 0 to 1, with its 95 % interval."""


class _Classifier(nn.Module):
    """The network of a specialist as the shared batches call it: on images by sensor."""

    def __init__(self, network: SpecialistNetwork, sensor: SensorName) -> None:
        super().__init__()
        self.network, self.sensor = network, sensor

    def forward(self, images: Mapping[SensorName, Tensor]) -> Tensor:
        """Return the logits of each image [B, K], or of its pixels [B, K, H', W']."""
        return self.network.logits(images[self.sensor])


@dataclass(frozen=True, kw_only=True, eq=False)
class SpecialistRun:
    """Training of one specialist in one folder."""

    images: SpecialistImages
    arch: ArchName
    config: SupervisedConfig
    class_weights: ClassWeights
    inputs: Sequence[Path]
    """Files and folders that a new run must not replace."""
    out: Path
    save_every: int
    on_step: OnStep

    def train(self, *, resume: bool, overwrite: bool) -> SpecialistResult:
        """Take the steps that are left and write the specialist.

        Raises:
            MinorTomError: As `training.train`.
        """
        folder = self._folder
        status = run_in_folder(
            folder, self.provenance, inputs=self.inputs, resume=resume, overwrite=overwrite,
            work=lambda: self._work(folder),
        )  # fmt: skip
        return self._result(status)

    @property
    def provenance(self) -> Provenance:
        """Everything that the weights depend on."""
        data = self.images.data
        return Provenance(
            command="specialist train",
            options={
                "recipe": self.arch,
                "model": {
                    "sensor": self.images.sensor, "bands": list(self.images.bands),
                    "image_size": self.images.image_size,
                },
                "train": {**asdict(self.config), "class_weights": self.class_weights},
                "data": data.name, **data.record,
            },
            inputs={"data": data.sha256}, seed=self.config.seed, licences=tuple(data.licences),
        )  # fmt: skip

    @property
    def _folder(self) -> RunFolder:
        return RunFolder(self.out, columns=COLUMNS, logs_experts=False)

    def _work(self, folder: RunFolder) -> None:
        self.images.data.report()
        classifier = self._initial()
        end = train_or_stop(
            self._task(classifier), folder=folder, save_every=self.save_every, on_step=self.on_step
        )
        self._write(folder, classifier, end)

    def _initial(self) -> _Classifier:
        """Return the network with random weights and the statistics of the training images."""
        mean_C, std_C = self.images.statistics()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.config.seed)
            network = SpecialistNetwork(
                self.arch, mean_C=mean_C, std_C=std_C, image_size=self.images.image_size,
                num_classes=len(self.images.data.classes), is_dense=self._is_dense,
            )  # fmt: skip
        return _Classifier(network, self.images.sensor).to(best_device())

    def _task(self, classifier: _Classifier) -> Supervised[LabelledBatch]:
        data = self.images.data
        objective = objective_of(data, self.class_weights)
        return Supervised(
            network=classifier, num_images=len(data.split("train")), config=self.config,
            groups=plain_groups(classifier), read=self._batches.training, loss=objective,
            validate=partial(
                validation_numbers, objective=objective, batches=self._batches, batch_size=_BATCH
            ),
        )  # fmt: skip

    @property
    def _is_dense(self) -> bool:
        return self.images.data.task == "segmentation"

    @cached_property
    def _batches(self) -> LabelledBatches:
        data = self.images.data
        is_square = not self._is_dense or len(set(data.split("train").labels.shape[1:])) == 1
        return LabelledBatches(
            data=data, prepare=self.images.resized, seed=self.config.seed,
            flips=True, rotations=is_square,
        )  # fmt: skip

    def _write(self, folder: RunFolder, classifier: _Classifier, end: SupervisedResult) -> None:
        """Test the network, measure its vectors, and write the specialist and the result."""
        data, sensor = self.images.data, self.images.sensor
        objective = objective_of(data, self.class_weights)
        _, predicted = predict_split(
            classifier, objective, self._batches, "test", batch_size=_BATCH
        )
        test = data.split("test")
        draws = Bootstrap.over(
            len(test), test.independent, seed=self.config.seed, num_draws=NUM_DRAWS
        ).draws([predicted])
        scores = {
            name: asdict(interval(value, draws[name])) for name, value in score(predicted).items()
        }
        specialist = self._specialist(classifier.network)
        cost = specialist.cost
        record = {
            "arch": self.arch, "sensor": sensor, "image_size": self.images.image_size,
            "parameters": cost.parameters, "multiply_adds": cost.multiply_adds,
            "steps": end.steps, "best_step": end.best_step, "val_score": end.score, "test": scores,
        }  # fmt: skip
        write_json(folder.path / RESULT, {**record, KEY: self.provenance.as_dict()})
        with atomic_folder(folder.model) as temporary:
            specialist.save(temporary, self.provenance)
            write_text(temporary / CARD, specialist_card(specialist, data, record, self.provenance))

    def _specialist(self, network: SpecialistNetwork) -> Specialist:
        """Return the specialist with the statistics of its vectors of the training images."""
        data, images = self.images.data, self.images
        make = partial(
            Specialist.trained, network, sensor=images.sensor, bands=images.bands,
            classes=data.classes, licences=tuple(data.licences),
        )  # fmt: skip
        unmeasured = make(
            vector_statistics=VectorStatistics.of(np.zeros((1, network.width), np.float32))
        )
        vectors = encode_set(
            unmeasured, data.split("train"), sensors=[images.sensor], bands=data.bands
        )
        check_finite_features(vectors, "train")
        return make(vector_statistics=VectorStatistics.of(vectors))

    def _result(self, status: str) -> SpecialistResult:
        found: dict[str, Any] = parse_json((self.out / RESULT).read_text(encoding="utf-8"))
        del found[KEY]
        return SpecialistResult(status=status, run=self.out, weights=self._folder.model, **found)
