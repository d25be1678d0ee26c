"""Probes: simple classifiers on frozen features, so that their scores measure the features.

Axes, as name suffixes:
    n  samples    D  width of a feature    K  classes
"""

import warnings
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from csmoe_model.datasets.base import Labels, SplitName, Task
from csmoe_model.evaluation.metrics import HEADLINE, Predictions, score
from csmoe_model.inference.embeddings import SMALLEST_STD
from minortom.errors import InputError

Features = NDArray[np.float32]
FloatArray = NDArray[np.float64]

STRENGTHS = (1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0, 1e1, 1e2, 1e3)
"""Inverse strengths C of the logistic probe's L2 penalty."""
NEIGHBOURS = (5, 20)
"""Values of k of the nearest-neighbour probes."""
EPOCHS = 50
"""Epochs of the paper's linear probe."""
BATCH_SIZE = 64
"""Batch size of the linear probe; the paper does not state one."""
PAPER_RATES: dict[str, float] = {
    "m-bigearthnet": 1e-2,
    "m-brick-kiln": 3e-3,
    "m-so2sat": 1e-2,
    "m-eurosat": 5e-2,
}
"""Learning rates of the paper's linear probe (its Table III)."""
DEFAULT_RATE = 1e-2
"""Learning rate on other sets: that of two of the paper's four sets."""
_FAR = 10.0
"""Logit beyond which a class is as good as certain or excluded."""
_MAX_ITERATIONS = 1000
_ONE_THREAD_BELOW = 2**25
"""Number of training values, such as 43,000 × 768, below which linear algebra uses one thread. With
fewer values, threads mostly wait for each other, which takes up to 30 times as long on a busy
machine."""
_KNN_ROWS = 1024
"""Test samples compared at once."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Table:
    """Features [n, D] and labels of each split."""

    task: Task
    num_classes: int
    features: Mapping[SplitName, Features]
    labels: Mapping[SplitName, Labels]

    def standardised(self) -> "Table":
        """Return features with mean 0 and standard deviation 1 over the training samples."""
        mean, std = self.scaling()
        scaled: dict[SplitName, Features] = {
            name: ((values - mean) / std).astype(np.float32)
            for name, values in self.features.items()
        }
        return Table(
            task=self.task, num_classes=self.num_classes, features=scaled, labels=self.labels
        )

    def scaling(self) -> tuple[FloatArray, FloatArray]:
        """Return mean and standard deviation [D] over the training samples, 1 for a constant."""
        mean = self.features["train"].mean(0, dtype=np.float64)
        std = self.features["train"].std(0, dtype=np.float64)
        std[std < SMALLEST_STD] = 1
        return mean, std

    def predicted(self, name: SplitName, output: FloatArray) -> Predictions:
        """Return the output of a probe together with the true labels."""
        return Predictions(task=self.task, truth=self.labels[name], output=output)


@dataclass(frozen=True, kw_only=True, eq=False)
class LinearLayer:
    """Linear layer on features that are not standardised."""

    weight_KD: FloatArray
    bias_K: FloatArray


@dataclass(frozen=True, kw_only=True, eq=False)
class TrainedProbe:
    """Predictions of a trained probe for the test split, and the settings that it chose."""

    test: Predictions
    settings: dict[str, object]
    layer: LinearLayer | None = None
    """The logistic probe as a layer whose logits give the same probabilities; None for others."""


def logistic_probe(table: Table) -> TrainedProbe:
    """Fit logistic regressions with L-BFGS, with the regularisation strength chosen on `val`.

    Features are standardised. A multilabel set has one regression for each label, all with the same
    strength. If strengths have equal scores, the strongest penalty is chosen.
    """
    data = table.standardised()
    best: tuple[float, float, FloatArray, LinearLayer] | None = None
    for strength, regressions in regression_path(data):
        value = score(data.predicted("val", probabilities(regressions, data, "val")))[
            HEADLINE[data.task]
        ]
        if best is None or value > best[0] + 1e-12:
            output = probabilities(regressions, data, "test")
            best = (value, strength, output, _layer(regressions, table))
    assert best is not None  # because there are strengths
    value, strength, output, layer = best
    return TrainedProbe(
        test=data.predicted("test", output), settings={"C": strength, "val": round(value, 6)},
        layer=layer,
    )  # fmt: skip


def regression_path(data: Table) -> Iterator[tuple[float, Mapping[int, Any]]]:
    """Fit logistic regressions to standardised features with each strength, the lowest C first.

    Yields:
        A strength of `STRENGTHS`, and the regressions by number (see `_regressions`). The same
        objects are fitted again for the next strength, from their last solution: few steps.
    """
    regressions = _regressions(data)
    for strength in STRENGTHS:
        with warnings.catch_warnings():
            # The weakest penalties may not converge; their held-out score decides.
            warnings.simplefilter("ignore")
            with _threads(data.features["train"].size):
                for k, regression in regressions.items():
                    regression.set_params(C=strength).fit(
                        data.features["train"], _target(data, "train", k)
                    )
        yield strength, regressions


def knn_probe(table: Table, *, k: int) -> TrainedProbe:
    """Classify by the vote of the k nearest training samples (cosine of standardised features).

    If classes have equal votes, the one whose voters are more similar wins.
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
            similarity = np.take_along_axis(cosine, near, axis=1)[..., None]
            output[start : start + _KNN_ROWS] += 1e-3 * (votes * similarity).mean(1)
    return TrainedProbe(test=data.predicted("test", output), settings={"k": k})


def paper_probe(table: Table, *, rate: float, seed: int) -> TrainedProbe:
    """Train a linear layer on unscaled features for 50 epochs of AdamW, as the paper does.

    The predictions are those after the last epoch.

    Raises:
        InputError: If training diverges because the learning rate is too high.
    """
    generator = torch.Generator().manual_seed(seed)
    x_nD = torch.from_numpy(table.features["train"])
    truth = torch.from_numpy(table.labels["train"])
    layer = _random_layer(x_nD.shape[1], table.num_classes, generator)
    optimiser = torch.optim.AdamW(layer.parameters(), lr=rate)
    is_multilabel = table.task == "multilabel"
    for _ in range(EPOCHS):
        order = torch.randperm(len(x_nD), generator=generator)
        for chosen in torch.split(order, BATCH_SIZE):
            logits_BK = layer(x_nD[chosen])
            loss = (
                nn.functional.binary_cross_entropy_with_logits(logits_BK, truth[chosen].float())
                if is_multilabel
                else nn.functional.cross_entropy(logits_BK, truth[chosen])
            )
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
    with torch.no_grad():
        logits_nK = layer(torch.from_numpy(table.features["test"])).double()
    if not logits_nK.isfinite().all():
        raise InputError(f"the linear probe diverged at --lr {rate:g}; give a smaller --lr")
    probability = logits_nK.sigmoid() if is_multilabel else logits_nK.softmax(1)
    return TrainedProbe(test=table.predicted("test", probability.numpy()), settings={"lr": rate})


def _random_layer(width: int, num_classes: int, generator: torch.Generator) -> nn.Linear:
    """Return a linear layer with the default initialisation of torch, from a given generator."""
    layer = nn.Linear(width, num_classes)
    bound = width**-0.5
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.uniform_(-bound, bound, generator=generator)
    return layer


def _regressions(data: Table) -> dict[int, Any]:
    """Return the regressions by number: one, or for a multilabel set one for each label.

    A label that all training samples or none of them have needs no regression.
    """
    try:
        from sklearn.linear_model import LogisticRegression
    except ModuleNotFoundError:
        raise InputError(
            "the logistic probe needs scikit-learn, which is not installed; run "
            "pip install 'minortom[evaluate]'"
        ) from None
    numbers = range(data.num_classes) if data.task == "multilabel" else range(1)
    return {
        k: LogisticRegression(solver="lbfgs", max_iter=_MAX_ITERATIONS, warm_start=True)
        for k in numbers
        if len(np.unique(_target(data, "train", k))) > 1
    }


def _threads(size: int) -> AbstractContextManager[object]:
    """Return a context that limits linear algebra to one thread for small problems."""
    # A dependency of scikit-learn without type annotations.
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    limits: AbstractContextManager[object] = threadpool_limits(
        1 if size < _ONE_THREAD_BELOW else None, user_api="blas"
    )
    return limits


def _target(data: Table, name: SplitName, k: int) -> Labels:
    """Return the labels that regression `k` predicts, [n]."""
    return data.labels[name][:, k] if data.task == "multilabel" else data.labels[name]


def probabilities(regressions: Mapping[int, Any], data: Table, name: SplitName) -> FloatArray:
    """Return the probability of each class, [n, K]; 0 for a class without training samples."""
    features = data.features[name]
    if data.task == "multilabel":
        share = data.labels["train"].mean(0, dtype=np.float64)
        out = np.tile(share, (len(features), 1))
        for k, regression in regressions.items():
            out[:, k] = regression.predict_proba(features)[:, 1]
        return out
    out = np.zeros((len(features), data.num_classes))
    out[:, regressions[0].classes_] = regressions[0].predict_proba(features)
    return out


def _layer(regressions: Mapping[int, Any], table: Table) -> LinearLayer:
    """Return regressions on standardised features as one layer on the features themselves.

    A class that no training sample has gets the smallest logit.
    """
    classes, width = table.num_classes, table.features["train"].shape[1]
    weight_KD, bias_K = np.zeros((classes, width)), np.full(classes, -_FAR)
    if table.task == "multilabel":
        share_K = table.labels["train"].mean(0, dtype=np.float64)
        bias_K = np.clip(np.log(share_K + 1e-12) - np.log(1 - share_K + 1e-12), -_FAR, _FAR)
        for k, regression in regressions.items():
            weight_KD[k], bias_K[k] = regression.coef_[0], regression.intercept_[0]
    else:
        found = regressions[0]
        # With two classes there is one row, for the second one.
        both = [np.zeros_like(found.coef_[0])] if len(found.classes_) == 2 else []
        weight_KD[found.classes_] = np.stack([*both, *found.coef_])
        bias_K[found.classes_] = np.append(np.zeros(len(both)), found.intercept_)
    mean_D, std_D = table.scaling()
    scaled_KD = weight_KD / std_D
    return LinearLayer(weight_KD=scaled_KD, bias_K=bias_K - scaled_KD @ mean_D)


def _unit(features: Features) -> Features:
    norm = np.linalg.norm(features, axis=1, keepdims=True)
    return np.asarray(features / np.maximum(norm, 1e-12), np.float32)
