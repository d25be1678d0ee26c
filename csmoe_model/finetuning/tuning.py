"""Fine-tuning of one encoder on one labelled set: its head, its training and its test."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import nn

from csmoe_model.csmoe import CSMoE
from csmoe_model.datasets.base import SPLITS, LabelledSet
from csmoe_model.extractors.checkpoint import LoadedModel, untrained
from csmoe_model.extractors.map_images import check_finite_features, encode_set
from csmoe_model.finetuning.config import FinetuneConfig
from csmoe_model.finetuning.head_files import HeadRecord
from csmoe_model.finetuning.labelled_batches import LabelledBatch, LabelledBatches
from csmoe_model.finetuning.network import FineTuned, prepared_images, set_drop_path
from csmoe_model.finetuning.objective import (
    Objective,
    objective_of,
    predict_split,
    validation_numbers,
)
from csmoe_model.finetuning.weight_groups import weight_groups
from csmoe_model.probing.dense_probe import DenseProbe
from csmoe_model.probing.heads import LinearLayer, Table, TrainedProbe, logistic_probe
from csmoe_model.training.supervised_config import SupervisedConfig
from csmoe_model.training.supervised_module import Supervised
from minortom.progress import OnProgress, ignore_progress
from minortom.sensors import SensorName

_TEST_BATCH = 64
"""Images that are validated and tested at once."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Tuning:
    """Fine-tuning of encoders on a set with one configuration."""

    data: LabelledSet
    """The set, with the drawn training images."""
    sensors: tuple[SensorName, ...]
    supervised: SupervisedConfig
    options: FinetuneConfig
    on_progress: OnProgress = ignore_progress
    """Called with (images done, images in all) while images are encoded for the linear probe."""

    @property
    def head(self) -> HeadRecord:
        """Description of the head."""
        return HeadRecord(
            task=self.data.task, classes=self.data.classes, sensors=self.sensors,
            pooling=self.options.pooling,
        )  # fmt: skip

    def linear_probe(self, trained: LoadedModel) -> TrainedProbe:
        """Train the probe of a frozen model: a tuned logistic regression, or UPerNet."""
        data, seed = self.data, self.supervised.seed
        if self.head.is_dense:
            (sensor,) = self.sensors
            return DenseProbe(
                trained=trained, data=data, sensor=sensor, seeds=range(seed, seed + 1), lr=None,
                on_progress=self.on_progress,
            ).trained_head()  # fmt: skip
        features = {
            name: encode_set(
                trained.with_pooling(self.options.pooling), data.split(name),
                sensors=self.sensors, bands=data.bands, on_progress=self.on_progress,
            )
            for name in SPLITS
        }  # fmt: skip
        for name, found in features.items():
            check_finite_features(found, name)
        labels = {name: data.split(name).labels for name in SPLITS}
        return logistic_probe(
            Table(task=data.task, num_classes=len(data.classes), features=features, labels=labels)
        )

    def network(self, encoder: CSMoE, layer: LinearLayer | None = None) -> FineTuned:
        """Put a head on an encoder.

        Args:
            encoder: Encoder of the sensors; it becomes a part of the network.
            layer: Weights of the head to start from; random weights when None.
        """
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.supervised.seed)
            head = self.head.head(encoder.config.width)
        if layer is not None:
            assert isinstance(head, nn.Linear)
            with torch.no_grad():
                head.weight.copy_(torch.from_numpy(layer.weight_KD))
                head.bias.copy_(torch.from_numpy(layer.bias_K))
        network = FineTuned(encoder, head, sensors=self.sensors, pooling=self.options.pooling)
        return network.to(next(encoder.parameters()).device)

    def task(self, network: FineTuned, *, pretrained: bool = True) -> Supervised[LabelledBatch]:
        """Return the training of a network.

        Args:
            network: The network.
            pretrained: Whether its encoder was pretrained. Otherwise all its layers are trained,
                with the same rate: decay and freezing protect pretrained weights only.
        """
        options, config = self.options, self.supervised
        objective, batches = self._objective, self._batches(network)
        set_drop_path(network.encoder, options.drop_path)
        return Supervised(
            network=network, num_images=len(self.data.split("train")), config=config,
            groups=weight_groups(
                network, layer_decay=options.layer_decay if pretrained else 1.0,
                freeze=options.freeze if pretrained else 0,
            ),
            read=batches.training, loss=objective,
            validate=partial(
                validation_numbers, objective=objective, batches=batches, batch_size=_TEST_BATCH
            ),
        )  # fmt: skip

    def tested(self, network: FineTuned, settings: dict[str, object]) -> TrainedProbe:
        """Return the predictions of a network for the test split."""
        _, predicted = predict_split(
            network.eval(), self._objective, self._batches(network), "test", batch_size=_TEST_BATCH
        )
        return TrainedProbe(test=predicted, settings=settings)

    @property
    def _objective(self) -> Objective:
        return objective_of(self.data, self.options.class_weights)

    def _batches(self, network: FineTuned) -> LabelledBatches:
        prepare = partial(
            prepared_images, network.encoder, sensors=self.sensors, bands=self.data.bands
        )
        return LabelledBatches(
            data=self.data, prepare=prepare, seed=self.supervised.seed,
            flips=self.options.flips, rotations=self.options.rotations,
        )  # fmt: skip


def part_of(trained: LoadedModel, sensors: Sequence[SensorName]) -> LoadedModel:
    """Return a copy of the encoder of some sensors of a model, with its normalisation."""
    model = trained.model
    with torch.random.fork_rng(devices=[]):
        encoder = CSMoE(model.config, encoder_of=sensors)
    weights = model.state_dict()
    encoder.load_state_dict({name: weights[name] for name in encoder.state_dict()})
    encoder.preprocess = model.preprocess
    return replace(
        trained, model=encoder.to(trained.device).eval(), sensors=tuple(sensors),
        bands={sensor: trained.bands[sensor] for sensor in sensors},
    )  # fmt: skip


def random_twin(trained: LoadedModel, *, seed: int) -> LoadedModel:
    """Return the same network with random weights and the same normalisation."""
    return replace(trained, model=untrained(trained.model, seed=seed), sha256="")
