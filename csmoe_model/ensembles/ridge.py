"""Closed-form ridge regression of labels on the vectors of some members, held out by group.

Axes, as name suffixes:
    n  samples    D E  width of a member    K  targets    F  folds
    A  unknowns of the equations: D values, or the samples outside of a fold
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve

from csmoe_model.datasets.base import Labels, Task

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

NUM_FOLDS = 5
STRENGTHS = (1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0)
"""Penalties, as multiples of the number of training samples."""


def group_folds(groups: IntArray, *, seed: int, num_folds: int = NUM_FOLDS) -> IntArray:
    """Return the fold of each sample; all samples of a group are in one fold.

    Args:
        groups: Number of the group of each sample, from 0.
        seed: Random seed of the order in which the groups are dealt to the folds.
        num_folds: Number of folds.
    """
    order = np.random.default_rng(seed).permutation(int(groups.max()) + 1)
    fold_of_group = np.empty(len(order), np.int64)
    fold_of_group[order] = np.arange(len(order)) % num_folds
    return fold_of_group[groups]


def class_targets(labels: Labels, task: Task, num_classes: int) -> FloatArray:
    """Return a column for each class that some samples have [n, K], with mean 0 and variance 1.

    The equal variance makes rare classes count as much as frequent ones.
    """
    one_hot_nK = labels if task == "multilabel" else np.eye(num_classes)[labels]
    centred_nK = one_hot_nK - one_hot_nK.mean(0, dtype=np.float64)
    std_K = centred_nK.std(0)
    scaled: FloatArray = centred_nK[:, std_K > 0] / std_K[std_K > 0]
    return scaled


@dataclass(frozen=True, kw_only=True, eq=False)
class Fit:
    """Prediction of each sample by the regression that did not see its fold."""

    predicted_nK: FloatArray
    loss_n: FloatArray
    """Mean squared error of each sample."""
    strength: float
    """Penalty with the smallest mean loss."""

    @property
    def explained(self) -> float:
        """Return the explained share of the variance of targets with variance 1."""
        return 1 - float(self.loss_n.mean())


class HeldOutRidge:
    """Ridge regressions of targets on the vectors of any members.

    The product of two members is computed once, for all regressions that contain both. Vectors
    with more values than there are samples outside of a fold are regressed in the dual form, whose
    unknowns are weights of these samples. The predictions are the same.
    """

    def __init__(
        self, features: Sequence[NDArray[np.float32]], target_nK: FloatArray, fold_n: IntArray
    ) -> None:
        """Centre the targets and the vectors by their means outside of each fold.

        Args:
            features: Vectors [n, D] of each member.
            target_nK: Targets.
            fold_n: Fold of each sample, from 0.
        """
        self.features, self.target_nK, self.fold_n = features, target_nK, fold_n
        self.rows = [fold_n == number for number in range(int(fold_n.max()) + 1)]
        """Whether each sample is in a fold, for each fold."""
        self._most_outside = max(int((~rows).sum()) for rows in self.rows)
        self._products: dict[tuple[int, int], list[FloatArray]] = {}
        self._kernels: dict[int, FloatArray] = {}

    def fit(self, weights: Mapping[int, float]) -> Fit:
        """Regress the targets on some members, whose vectors are multiplied by a weight each.

        The intercept has no penalty; without members it is the whole prediction. The penalty of
        the others is the one that predicts best.
        """
        if sum(self.features[m].shape[1] for m in weights) > self._most_outside:
            kernel_nn = np.sum([w**2 * self._kernel(m) for m, w in weights.items()], axis=0)
            equations = [self._dual_equations(rows, kernel_nn) for rows in self.rows]
        else:
            equations = [self._equations(fold, weights) for fold in range(len(self.rows))]
        fits = []
        for strength in STRENGTHS if weights else STRENGTHS[:1]:
            predicted_nK = np.empty_like(self.target_nK)
            for rows, one in zip(self.rows, equations, strict=True):
                predicted_nK[rows] = one.predict(strength)
            loss_n = np.square(predicted_nK - self.target_nK).mean(1)
            fits.append(Fit(predicted_nK=predicted_nK, loss_n=loss_n, strength=strength))
        return min(fits, key=lambda fit: float(fit.loss_n.mean()))

    def _equations(self, fold: int, weights: Mapping[int, float]) -> "_Equations":
        rows, target = self.rows[fold], len(self.features)
        intercept_K = self.target_nK[~rows].mean(0)
        scaled = [
            (self.features[m][rows] - self.features[m][~rows].mean(0, dtype=np.float64)) * weight
            for m, weight in weights.items()
        ]
        gram = [
            [a * b * self._product(m, other)[fold] for other, b in weights.items()]
            for m, a in weights.items()
        ]
        cross = [a * self._product(m, target)[fold] for m, a in weights.items()]
        return _Equations(
            count=int((~rows).sum()), intercept_K=intercept_K,
            matrix_AA=np.block(gram) if gram else np.empty((0, 0)),
            target_AK=np.concatenate(cross) if cross else np.empty((0, len(intercept_K))),
            inside_nA=np.concatenate(scaled, axis=1) if scaled else np.empty((rows.sum(), 0)),
        )  # fmt: skip

    def _dual_equations(self, rows: NDArray[np.bool_], kernel_nn: FloatArray) -> "_Equations":
        """Return the equations of the samples outside of a fold, from the kernel of all samples."""
        outside_nA = kernel_nn[:, ~rows]
        centre_A = outside_nA[~rows].mean(0)
        centred_nA = outside_nA - centre_A - (outside_nA.mean(1) - centre_A.mean())[:, None]
        intercept_K = self.target_nK[~rows].mean(0)
        return _Equations(
            count=int((~rows).sum()), intercept_K=intercept_K, matrix_AA=centred_nA[~rows],
            target_AK=self.target_nK[~rows] - intercept_K, inside_nA=centred_nA[rows],
        )  # fmt: skip

    def _kernel(self, member: int) -> FloatArray:
        """Return the inner products of a member's vectors of all samples [n, n]."""
        if member not in self._kernels:
            x_nD = self.features[member].astype(np.float64)
            self._kernels[member] = x_nD @ x_nD.T
        return self._kernels[member]

    def _product(self, one: int, other: int) -> list[FloatArray]:
        """Return the covariance of two members outside of each fold, times its samples [D, E].

        The number after the last member stands for the targets.
        """
        if one > other:
            return [product.T for product in self._product(other, one)]
        if (one, other) not in self._products:
            x_nD, y_nE = (
                np.asarray(([*self.features, self.target_nK])[number], np.float64)
                for number in (one, other)
            )
            inside = [x_nD[rows].T @ y_nE[rows] for rows in self.rows]
            total = np.sum(inside, axis=0)
            self._products[one, other] = [
                total - product - np.outer(x_nD[~rows].sum(0), y_nE[~rows].mean(0))
                for rows, product in zip(self.rows, inside, strict=True)
            ]
        return self._products[one, other]


@dataclass(frozen=True, kw_only=True, eq=False)
class _Equations:
    """Equations of the samples outside of a fold, and the factors of the unknowns inside."""

    count: int
    """Samples outside of the fold."""
    intercept_K: FloatArray
    matrix_AA: FloatArray
    """Covariance of the values, or of the samples in the dual form, without the penalty."""
    target_AK: FloatArray
    inside_nA: FloatArray

    def predict(self, strength: float) -> FloatArray:
        """Solve the equations and predict the samples inside of the fold."""
        if not len(self.matrix_AA):
            return np.tile(self.intercept_K, (len(self.inside_nA), 1))
        penalised_AA = self.matrix_AA + strength * self.count * np.eye(len(self.matrix_AA))
        coefficient_AK = cho_solve(cho_factor(penalised_AA), self.target_AK)
        predicted_nK: FloatArray = self.intercept_K + self.inside_nA @ coefficient_AK
        return predicted_nK
