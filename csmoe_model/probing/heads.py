"""Probes: the simplest heads on frozen features, so that what is measured is the features.

Axes, as name suffixes:
    n  samples    D  width of a feature    K  classes
"""

import warnings
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from csmoe_model.datasets.base import Labels, SplitName, Task
from csmoe_model.evaluation.metrics import HEADLINE, Predictions, score
from minortom.errors import InputError

Features = NDArray[np.float32]
FloatArray = NDArray[np.float64]

STRENGTHS = (1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0, 1e1, 1e2, 1e3)
"""Inverse strengths C of the logistic probe's L2 penalty."""
NEIGHBOURS = (5, 20)
EPOCHS = 50
"""Of the paper's linear probe."""
BATCH_SIZE = 64
"""Of the paper's linear probe; the paper gives none."""
PAPER_RATES: dict[str, float] = {
    "m-bigearthnet": 1e-2,
    "m-brick-kiln": 3e-3,
    "m-so2sat": 1e-2,
    "m-eurosat": 5e-2,
}
"""Learning rates of the paper's linear probe (its Table III)."""
DEFAULT_RATE = 1e-2
"""Of sets that are not the paper's: the rate of two of its four."""
SMALLEST_STD = 1e-12
"""Of a feature that tells anything."""
_MAX_ITERATIONS = 1000
_ONE_THREAD_BELOW = 2**25
"""Values of training features, such as 43,000 times 768, below which threads do not pay: they
wait for each other at each step, on a busy machine thirty times as long as one alone takes."""
_KNN_ROWS = 1024


@dataclass(frozen=True, kw_only=True, eq=False)
class Table:
    """Features [n, D] and labels of each split."""

    task: Task
    num_classes: int
    features: Mapping[SplitName, Features]
    labels: Mapping[SplitName, Labels]

    def standardised(self) -> "Table":
        """Give every feature mean 0 and deviation 1 over the training samples."""
        mean = self.features["train"].mean(0, dtype=np.float64)
        std = self.features["train"].std(0, dtype=np.float64)
        std[std < SMALLEST_STD] = 1
        scaled: dict[SplitName, Features] = {
            name: ((values - mean) / std).astype(np.float32)
            for name, values in self.features.items()
        }
        return Table(
            task=self.task, num_classes=self.num_classes, features=scaled, labels=self.labels
        )

    def predicted(self, name: SplitName, output: FloatArray) -> Predictions:
        """Put a probe's output beside the truth."""
        return Predictions(task=self.task, truth=self.labels[name], output=output)


@dataclass(frozen=True, kw_only=True, eq=False)
class TrainedProbe:
    """A trained probe's word on the test split, and what was chosen for it."""

    test: Predictions
    settings: dict[str, object]


def logistic_probe(table: Table) -> TrainedProbe:
    """Fit logistic regressions by L-BFGS; the strength that is best on `val` is taken.

    Features are standardised. Several labels are one regression each, of one strength. Of
    equally good strengths the stronger penalty is taken.
    """
    data = table.standardised()
    regressions = _regressions(data)
    best: tuple[float, float, FloatArray] | None = None
    for strength in STRENGTHS:  # each starts from the one before, which costs few steps more
        with warnings.catch_warnings():
            # The weakest penalties may not converge; `val` judges what they give.
            warnings.simplefilter("ignore")
            with _threads(data.features["train"].size):
                for k, regression in regressions.items():
                    regression.set_params(C=strength).fit(
                        data.features["train"], _target(data, "train", k)
                    )
        value = score(data.predicted("val", _likely(regressions, data, "val")))[HEADLINE[data.task]]
        if best is None or value > best[0] + 1e-12:
            best = (value, strength, _likely(regressions, data, "test"))
    assert best is not None  # there are strengths
    value, strength, output = best
    return TrainedProbe(
        test=data.predicted("test", output), settings={"C": strength, "val": round(value, 6)}
    )


def knn_probe(table: Table, *, k: int) -> TrainedProbe:
    """Let the k nearest training samples vote, by cosine between standardised features.

    Equal votes go to the class whose voters are nearer.
    """
    data = table.standardised()
    train, test = (_unit(data.features[name]) for name in ("train", "test"))
    k = min(k, len(train))
    labels = data.labels["train"]
    votes_nK = labels if data.task == "multilabel" else np.eye(data.num_classes)[labels]
    output = np.empty((len(test), data.num_classes))
    for start in range(0, len(test), _KNN_ROWS):
        cosine = test[start : start + _KNN_ROWS] @ train.T
        near = np.argpartition(-cosine, k - 1, axis=1)[:, :k]
        votes = votes_nK[near].astype(np.float64)
        output[start : start + _KNN_ROWS] = votes.mean(1)
        if data.task == "multiclass":
            likeness = np.take_along_axis(cosine, near, axis=1)[..., None]
            output[start : start + _KNN_ROWS] += 1e-3 * (votes * likeness).mean(1)
    return TrainedProbe(test=data.predicted("test", output), settings={"k": k})


def paper_probe(table: Table, *, rate: float, seed: int) -> TrainedProbe:
    """Train a linear layer on raw features as the paper does: AdamW, 50 epochs, the last one.

    Raises:
        InputError: If the rate is so high that the layer's weights are no numbers any more.
    """
    generator = torch.Generator().manual_seed(seed)
    x_nD = torch.from_numpy(table.features["train"])
    truth = torch.from_numpy(table.labels["train"])
    layer = _drawn_layer(x_nD.shape[1], table.num_classes, generator)
    optimiser = torch.optim.AdamW(layer.parameters(), lr=rate)
    several = table.task == "multilabel"
    for _ in range(EPOCHS):
        order = torch.randperm(len(x_nD), generator=generator)
        for chosen in torch.split(order, BATCH_SIZE):
            said_BK = layer(x_nD[chosen])
            loss = (
                nn.functional.binary_cross_entropy_with_logits(said_BK, truth[chosen].float())
                if several
                else nn.functional.cross_entropy(said_BK, truth[chosen])
            )
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
    with torch.no_grad():
        said_nK = layer(torch.from_numpy(table.features["test"])).double()
    if not said_nK.isfinite().all():
        raise InputError(f"the linear probe diverged at --lr {rate:g}; give a smaller one")
    likely = said_nK.sigmoid() if several else said_nK.softmax(1)
    return TrainedProbe(test=table.predicted("test", likely.numpy()), settings={"lr": rate})


def _drawn_layer(width: int, num_classes: int, generator: torch.Generator) -> nn.Linear:
    """Make a linear layer with torch's usual weights, of a generator of its own."""
    layer = nn.Linear(width, num_classes)
    bound = width**-0.5
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.uniform_(-bound, bound, generator=generator)
    return layer


def _regressions(data: Table) -> dict[int, Any]:
    """Make the regressions: one, numbered 0, or one for each label that a training sample has.

    A label that all training samples have needs none, either.
    """
    try:
        from sklearn.linear_model import LogisticRegression
    except ModuleNotFoundError:
        raise InputError(
            "the logistic probe needs scikit-learn: pip install 'minortom[evaluate]'"
        ) from None
    numbers = range(data.num_classes) if data.task == "multilabel" else range(1)
    return {
        k: LogisticRegression(solver="lbfgs", max_iter=_MAX_ITERATIONS, warm_start=True)
        for k in numbers
        if len(np.unique(_target(data, "train", k))) > 1
    }


def _threads(size: int) -> AbstractContextManager[object]:
    """Keep the linear algebra to one thread where more would wait for each other."""
    # Comes with scikit-learn, and has no types.
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    limits: AbstractContextManager[object] = threadpool_limits(
        1 if size < _ONE_THREAD_BELOW else None, user_api="blas"
    )
    return limits


def _target(data: Table, name: SplitName, k: int) -> Labels:
    """Give what regression `k` is to tell, [n]."""
    return data.labels[name][:, k] if data.task == "multilabel" else data.labels[name]


def _likely(regressions: Mapping[int, Any], data: Table, name: SplitName) -> FloatArray:
    """Give how likely each class is, [n, K]; 0 for one that was never trained on."""
    features = data.features[name]
    if data.task == "multilabel":
        always = data.labels["train"].mean(0, dtype=np.float64)
        out = np.tile(always, (len(features), 1))
        for k, regression in regressions.items():
            out[:, k] = regression.predict_proba(features)[:, 1]
        return out
    out = np.zeros((len(features), data.num_classes))
    out[:, regressions[0].classes_] = regressions[0].predict_proba(features)
    return out


def _unit(features: Features) -> Features:
    norm = np.linalg.norm(features, axis=1, keepdims=True)
    return np.asarray(features / np.maximum(norm, 1e-12), np.float32)
