"""Loss and predictions of a head for the labels of a task.

Axes, as name suffixes:
    B  images in a batch    n  samples    K  classes    H W  pixel rows and columns
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from csmoe_model.choices import ClassWeights
from csmoe_model.datasets.base import LabelledSet, SplitName, Task, class_counts
from csmoe_model.distributed.device import autocast
from csmoe_model.evaluation.metrics import HEADLINE, FloatArray, Predictions, confusion_matrices
from csmoe_model.evaluation.metrics import score as scores_of
from csmoe_model.finetuning.labelled_batches import LabelledBatch, LabelledBatches
from csmoe_model.probing.dense_training import at_size, dense_cross_entropy
from csmoe_model.training.supervised import SCORE


@dataclass(frozen=True, kw_only=True, eq=False)
class Objective:
    """Loss of a task, with weights of its classes."""

    task: Task
    weight_K: Tensor | None
    """Weights in the loss; for multilabel sets those of the positive labels. None: all 1."""

    def __call__(self, network: nn.Module, batch: LabelledBatch) -> Tensor:
        """Return the mean loss of a batch."""
        return self.of_logits(network(batch.images), batch.labels)

    def of_logits(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Return the mean loss of logits [B, K], or [B, K, H', W'] of pixels."""
        logits = logits.float()
        weight_K = None if self.weight_K is None else self.weight_K.to(logits.device)
        if self.task == "segmentation":
            height, width = labels.shape[1:]
            return dense_cross_entropy(at_size(logits, (height, width)), labels, weight_K)
        if self.task == "multilabel":
            return F.binary_cross_entropy_with_logits(logits, labels, pos_weight=weight_K)
        return F.cross_entropy(logits, labels, weight=weight_K)


def objective_of(data: LabelledSet, weights: ClassWeights) -> Objective:
    """Return the loss of a set, with weights from the labels of its training split."""
    if weights == "none":
        return Objective(task=data.task, weight_K=None)
    count_K = class_counts(data, "train").astype(np.float64)
    if data.task == "multilabel":
        other_K = len(data.split("train")) - count_K
        weight_K = np.where(count_K > 0, other_K / np.maximum(count_K, 1), 1.0)
    else:  # mean 1 over the samples; a class without samples has no weight
        present = max(1, np.count_nonzero(count_K))
        weight_K = np.where(count_K > 0, count_K.sum() / (present * np.maximum(count_K, 1)), 0.0)
    return Objective(task=data.task, weight_K=torch.from_numpy(weight_K).float())


def predict_split(
    network: nn.Module,
    objective: Objective,
    batches: LabelledBatches,
    name: SplitName,
    *,
    batch_size: int,
) -> tuple[float, Predictions]:
    """Return the mean loss of a split, and the predictions for its samples."""
    data, loss, outputs = batches.data, 0.0, []
    split = data.split(name)
    for batch in batches.all(name, batch_size=batch_size):
        with torch.no_grad(), autocast(batch.labels.device):
            logits = network(batch.images).float()
            loss += float(objective.of_logits(logits, batch.labels)) * len(batch.labels)
        outputs.append(_output(data, logits, batch.labels))
    predicted = Predictions(task=data.task, truth=split.labels, output=np.concatenate(outputs))
    return loss / len(split), predicted


def validation_numbers(
    network: nn.Module, objective: Objective, batches: LabelledBatches, *, batch_size: int
) -> dict[str, float]:
    """Return the mean loss of the split `val`, and the score that the paper reports."""
    loss, predicted = predict_split(network, objective, batches, "val", batch_size=batch_size)
    return {"loss": loss, SCORE: scores_of(predicted)[HEADLINE[predicted.task]]}


def probabilities(task: Task, logits: Tensor) -> Tensor:
    """Return the probability of each class; axis 1 of the logits holds the classes."""
    return logits.sigmoid() if task == "multilabel" else logits.softmax(1)


def _output(data: LabelledSet, logits: Tensor, labels: Tensor) -> FloatArray:
    """Return the entry of `Predictions.output` for a batch."""
    if data.task != "segmentation":
        found: FloatArray = probabilities(data.task, logits.double()).cpu().numpy()
        return found
    height, width = labels.shape[1:]
    class_BHW = at_size(logits, (height, width)).argmax(1).cpu().numpy()
    return confusion_matrices(labels.cpu().numpy(), class_BHW, len(data.classes))
