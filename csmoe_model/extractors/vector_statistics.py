"""Statistics of the vectors of an extractor, by which a member of an ensemble is standardised.

Axes, as name suffixes:
    n  samples    B  images in a batch    D  width of a vector
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from csmoe_model.nn.shapes import Float

_SMALLEST_STD = 1e-12
"""A value with a smaller standard deviation, relative to its mean, is constant."""


@dataclass(frozen=True, kw_only=True, eq=False)
class VectorStatistics:
    """Mean of each value of a vector, and the factor that is applied to its difference."""

    mean_D: Tensor
    factor_D: Tensor
    """1 / (standard deviation · √D), so that the mean squared norm of a vector is 1 whatever its
    width; 0 for a constant value."""

    @classmethod
    def of(cls, vector_nD: NDArray[np.float32]) -> "VectorStatistics":
        """Compute the statistics of the vectors of some images."""
        mean_D = vector_nD.mean(0, dtype=np.float64)
        std_D = vector_nD.std(0, dtype=np.float64)
        varies_D = std_D > _SMALLEST_STD * np.maximum(1, np.abs(mean_D))
        factor_D = np.zeros(len(mean_D))
        factor_D[varies_D] = 1 / (std_D[varies_D] * len(mean_D) ** 0.5)
        return cls(
            mean_D=torch.from_numpy(mean_D.astype(np.float32)),
            factor_D=torch.from_numpy(factor_D.astype(np.float32)),
        )

    def apply(self, vector_BD: Float[Tensor, "B D"]) -> Float[Tensor, "B D"]:
        """Standardise vectors and divide them by the root of their width."""
        return (vector_BD - self.mean_D.to(vector_BD)) * self.factor_D.to(vector_BD)

    def tensors(self) -> dict[str, Tensor]:
        """Return the statistics by name, to be stored."""
        return {"mean": self.mean_D, "factor": self.factor_D}

    @classmethod
    def from_tensors(
        cls, tensors: Mapping[str, Tensor], prefix: str, *, width: int
    ) -> "VectorStatistics | None":
        """Return stored statistics; None where they are missing or of another width.

        Args:
            tensors: Stored tensors.
            prefix: Prefix of their names.
            width: Width of the vectors.
        """
        mean_D, factor_D = tensors.get(f"{prefix}mean"), tensors.get(f"{prefix}factor")
        if mean_D is None or factor_D is None:
            return None
        if mean_D.shape != (width,) or factor_D.shape != (width,):
            return None
        return cls(mean_D=mean_D, factor_D=factor_D)
