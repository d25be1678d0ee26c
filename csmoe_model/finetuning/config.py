"""Settings of fine-tuning beside those of every supervised training."""

import math
from dataclasses import dataclass

from csmoe_model.choices import ClassWeights, Pooling
from csmoe_model.training.config import check_types
from minortom.api.arguments import require


@dataclass(frozen=True, kw_only=True)
class FinetuneConfig:
    """Settings of fine-tuning that change its result.

    Raises:
        InputError: If a value has the wrong type or is out of range.
    """

    pooling: Pooling = "both"
    """Feature of an image: [CLS] token (`cls`), mean of the patch tokens (`mean`), or `both`.
    Not for segmentation."""
    shots: int | None = None
    """Maximum number of training images of each class, drawn with the seed."""
    freeze: int = 0
    """Number of encoder layers, from the first, that are not trained; the patch embedding is
    frozen with the first layer."""
    layer_decay: float = 0.75
    """Factor on the learning rate from each layer to the one before it; the head has the whole
    rate. 1: the same rate for all layers."""
    drop_path: float = 0.0
    """Probability that training skips the last layer for an image; it rises linearly from 0 at the
    first layer."""
    flips: bool = True
    """Flip training images at random: west-east and north-south, each with probability 0.5."""
    rotations: bool = True
    """Exchange rows and columns of training images with probability 0.5; with flips these are
    rotations by 90°."""
    class_weights: ClassWeights = "none"
    """Weights of the classes in the loss: `none`, or `balanced` for weights that are inverse to
    the frequency of a class."""
    warm_start: bool = True
    """Start the head from the linear probe of the frozen encoder (LP-FT), or from random weights.
    Segmentation heads start from random weights."""

    average: bool = True
    """Validate averages of the weights before and after the training too (WiSE-FT), and keep the
    best. Only with a warm start."""

    def __post_init__(self) -> None:
        check_types(self)
        require(self.shots is None or self.shots >= 1, "shots", "1 or more", self.shots)
        require(0 <= self.freeze < math.inf, "freeze", "0 or more", self.freeze)
        require(0 < self.layer_decay <= 1, "layer_decay", "above 0 and at most 1", self.layer_decay)
        require(0 <= self.drop_path < 1, "drop_path", "at least 0 and below 1", self.drop_path)
