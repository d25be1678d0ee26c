"""Training task of a text model: batches of patches with captions, loss and validation.

Axes, as name suffixes:
    B  patches    Q  captions    W  words of the longest caption    F  width of a feature
    n  patches    q  captions    D  width of the common space
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from csmoe_model.data.sampler import Samples
from csmoe_model.evaluation.metrics import average_precision
from csmoe_model.text.captions import BoolArray, Captions
from csmoe_model.text.network import TextNetwork, sigmoid_loss
from csmoe_model.text.vocabulary import Vocabulary
from csmoe_model.training.supervised import SCORE
from csmoe_model.training.supervised_config import SupervisedConfig
from csmoe_model.training.supervised_module import Supervised, plain_groups

_MAX_QUERIES = 300
"""Maximum number of meanings to validate with, evenly spaced."""
_TRAIN, _VAL = 2, 3
"""Streams of random numbers; `Split` has another one."""

IntArray = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class TextBatch:
    """Patches and captions, one of each patch."""

    feature_BF: Tensor
    number_QW: Tensor
    is_true_QB: Tensor
    """Whether a caption is true of a patch."""


@dataclass(frozen=True, kw_only=True, eq=False)
class CaptionedPatches:
    """Patches of one split, with captions."""

    feature_nF: NDArray[np.float32]
    """Features of the patches of all splits."""
    captions: Captions
    patch_n: IntArray
    """Numbers of the patches of this split that have a caption."""
    vocabulary: Vocabulary

    @cached_property
    def _numbers(self) -> NDArray[np.int32]:
        """Return the words of all captions, [m, W]."""
        return self.vocabulary.numbers_of(self.captions.texts).astype(np.int32)

    def __len__(self) -> int:
        return len(self.patch_n)

    def batch(self, patch_n: IntArray, caption_q: IntArray) -> TextBatch:
        """Return patches and captions by number."""
        is_true = self.captions.meanings.true_of(caption_q, patch_n)
        return TextBatch(
            feature_BF=torch.from_numpy(self.feature_nF[patch_n]),
            number_QW=torch.from_numpy(self._numbers[caption_q]),
            is_true_QB=torch.from_numpy(is_true),
        )

    def drawn(self, key: tuple[int, ...]) -> IntArray:
        """Return the number of a caption of each patch, drawn with a key."""
        return self.captions.draw(self.patch_n, np.random.default_rng(key))


@dataclass(frozen=True, kw_only=True, eq=False)
class TextTask:
    """Captioned patches to train and to validate on."""

    train: CaptionedPatches
    val: CaptionedPatches
    config: SupervisedConfig

    def supervised(self, network: TextNetwork) -> Supervised[TextBatch]:
        """Return the task as the training loop takes it."""
        return Supervised(
            network=network, num_images=len(self.train), config=self.config,
            groups=plain_groups(network),
            read=self._read, loss=loss_of, validate=self._validate,
        )  # fmt: skip

    def _read(self, epoch: int, samples: Samples) -> TextBatch:
        caption_q = self.train.drawn((self.config.seed, _TRAIN, epoch))[samples]
        return self.train.batch(self.train.patch_n[samples], caption_q)

    def _validate(self, network: nn.Module) -> dict[str, float]:
        """Return the mean loss of batches, and the mean average precision of all meanings."""
        val, size = self.val, self.config.images_per_step(len(self.val))
        caption_q, losses = self._val_captions, []
        for start in range(0, len(val), size):
            here = slice(start, start + size)
            batch = val.batch(val.patch_n[here], caption_q[here])
            losses.append(float(loss_of(network, batch)))
        return {"loss": float(np.mean(losses)), SCORE: self._mean_precision(network)}

    @cached_property
    def _val_captions(self) -> IntArray:
        return self.val.drawn((self.config.seed, _VAL))

    @cached_property
    def queries(self) -> IntArray:
        """Captions to validate with: one of each meaning that is true of some patches only."""
        meanings = self.val.captions.meanings
        query_q = meanings.distinct(self._val_captions)
        # A user's captions may all differ, so that a matrix of all of them may not fit in memory.
        parts = np.split(query_q, range(_MAX_QUERIES, len(query_q), _MAX_QUERIES))
        is_partial = [~meanings.true_of(part_q, self.val.patch_n).all(1) for part_q in parts]
        query_q = query_q[np.concatenate(is_partial)]
        place = np.linspace(0, len(query_q) - 1, min(len(query_q), _MAX_QUERIES)).round()
        chosen_q: IntArray = query_q[place.astype(np.int64)]
        return chosen_q

    def _mean_precision(self, network: nn.Module) -> float:
        if not len(self.queries):  # the loss alone chooses the weights
            return 0.0
        batch = self.val.batch(self.val.patch_n, self.queries)
        logit_QB = _logits(network, batch).double().cpu().numpy()
        return float(np.mean(average_precisions(batch.is_true_QB.numpy(), logit_QB)))


def loss_of(network: nn.Module, batch: TextBatch) -> Tensor:
    """Return the loss of a batch."""
    logit_QB = _logits(network, batch)
    return sigmoid_loss(logit_QB, batch.is_true_QB.to(logit_QB.device))


def _logits(network: nn.Module, batch: TextBatch) -> Tensor:
    device = next(network.parameters()).device
    logit_QB: Tensor = network(batch.feature_BF.to(device), batch.number_QW.to(device))
    return logit_QB


def average_precisions(is_true_qn: BoolArray, score_qn: NDArray[np.float64]) -> list[float]:
    """Return the average precision of each sentence that is true of some patch."""
    ones = np.ones(is_true_qn.shape[1])
    return [
        average_precision(is_true, score)(ones)
        for is_true, score in zip(is_true_qn, score_qn, strict=True)
        if is_true.any()
    ]
