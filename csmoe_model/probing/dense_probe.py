"""Probe of a segmentation set: a head on frozen feature maps, trained as in the paper.

Axes, as name suffixes:
    n  samples    B  images in a batch    C  bands    H W  pixel rows and columns    K  classes
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from torch import Tensor

from csmoe_model.checkpoints.pretrained import Pretrained
from csmoe_model.data.preprocess import check_size
from csmoe_model.datasets.base import LabelledSet
from csmoe_model.distributed.device import fast_inference
from csmoe_model.evaluation.bootstrap import Bootstrap
from csmoe_model.extractors.checkpoint import LoadedModel, untrained
from csmoe_model.extractors.cost import NO_COST
from csmoe_model.probing.dense_heads import CHANNELS, PixelLayer, UPerNet, spread_layers
from csmoe_model.probing.dense_training import BATCH_SIZE, MapsOf, train_head
from csmoe_model.probing.feature_sources import MODEL
from csmoe_model.probing.heads import DEFAULT_RATE, EPOCHS, TrainedProbe
from csmoe_model.probing.rows import Row, scored_row
from minortom.progress import OnProgress
from minortom.sensors import MODEL_BANDS, SensorName

PAPER_RATES: dict[str, float] = {"m-cashew-plant": 3e-4, "m-SA-crop-type": 1e-2}
"""Learning rates of UPerNet in the paper (Table III)."""
_PROBE = "dense"
_Maps = Callable[[Pretrained, Mapping[SensorName, Tensor]], list[Tensor]]
_MakeHead = type[UPerNet] | type[PixelLayer]


@dataclass(frozen=True, kw_only=True)
class DenseProbe:
    """Training of heads on the feature maps of one sensor."""

    trained: LoadedModel
    data: LabelledSet
    sensor: SensorName
    seeds: range
    lr: float | None
    """Learning rate; when None the paper's for its sets and 0.01 for others."""
    on_progress: OnProgress

    @property
    def rate(self) -> float:
        """Return the learning rate."""
        return self.lr or PAPER_RATES.get(self.data.name, DEFAULT_RATE)

    def rows(self, bootstrap: Bootstrap) -> list[Row]:
        """Train and score a head for each seed, on the maps of the model and of each baseline.

        Raises:
            InputError: If TerraTorch is not installed, images are smaller than a patch, or the
                training diverges.
        """
        model = self.trained.model
        whole = self.trained.cost_of({self.sensor: (self.trained.image_size,) * 2})
        net = (model.config.width, UPerNet, self._encoded)
        num_bands = len(MODEL_BANDS[self.sensor])
        kinds: tuple[tuple[str, Callable[[int], Pretrained], int, _MakeHead, _Maps], ...] = (
            (MODEL, lambda _: model, *net),
            ("band values", lambda _: model, num_bands, PixelLayer, self._bands),
            ("untrained model", lambda seed: untrained(model, seed=seed), *net),
        )
        rows = []
        for name, model_of, width, head, maps_of in kinds:
            probed = [
                self._trained(head, width, partial(maps_of, model_of(seed).eval()), seed)
                for seed in self.seeds
            ]
            cost = whole if head is UPerNet else NO_COST
            rows.append(scored_row(name, _PROBE, probed, bootstrap, width=width, cost=cost))
        return rows

    def trained_head(self) -> TrainedProbe:
        """Train UPerNet with the first seed on the maps of the model, and test it.

        Raises:
            InputError: As `rows`.
        """
        model, seed = self.trained.model, self.seeds[0]
        return self._trained(UPerNet, model.config.width, partial(self._encoded, model), seed)

    def _trained(self, head: _MakeHead, width: int, maps_of: MapsOf, seed: int) -> TrainedProbe:
        made = head(width, len(self.data.classes), seed=seed).to(self.trained.device)
        return train_head(
            made, maps_of, self.data, rate=self.rate, seed=seed, on_progress=self.on_progress
        )

    def settings(self) -> dict[str, object]:
        """Return the settings that differ from those of image probes."""
        model = self.trained.model
        assert model.origin is not None  # because it was loaded from a checkpoint
        side = model.config.image_size
        return {
            "lr": self.rate, "epochs": EPOCHS, "batch_size": BATCH_SIZE,
            "optimiser": "AdamW, weight decay 0.01, constant rate",
            "head": {
                "model": "UPerNet of TerraTorch, neck LearnedInterpolateToPyramidal",
                "channels": CHANNELS, "layers": spread_layers(model.config),
                "band values": "one linear layer, pixel by pixel",
            },
            "standardised": False, "pooling": None, "random_filters": None,
            "normalisation": {
                "all": "z-score with the statistics of the model's training data",
                "statistics": model.origin.statistics,
            },
            "resize": {
                "model": f"bilinear to {side} × {side}, averaging where it shrinks; what the head "
                "says, bilinear to the labels",
                "band values": "none",
            },
        }  # fmt: skip

    def _encoded(self, model: Pretrained, images: Mapping[SensorName, Tensor]) -> list[Tensor]:
        shape_px = images[self.sensor].shape[2:]
        check_size(shape_px, smallest_px=model.config.patch_size, name="the model")
        prepared = self._prepared(model, images, model.config.image_size)
        with fast_inference(prepared.device):
            maps = model.features(**{self.sensor: prepared}, layers=spread_layers(model.config))
        return [one.float().clone() for one in maps]  # autograd refuses tensors of inference mode

    def _bands(self, model: Pretrained, images: Mapping[SensorName, Tensor]) -> list[Tensor]:
        return [self._prepared(model, images, None)]

    def _prepared(
        self, model: Pretrained, images: Mapping[SensorName, Tensor], side: int | None
    ) -> Tensor:
        names, chosen = self.data.bands, {self.sensor: images[self.sensor]}
        prepared = model.prepare(
            s2=chosen.get("s2"), s1=chosen.get("s1"),
            s2_bands=names.get("s2"), s1_bands=names.get("s1"), image_size=side,
        )  # fmt: skip
        return prepared[self.sensor]
