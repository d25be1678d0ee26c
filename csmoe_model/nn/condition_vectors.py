"""Vectors that condition the routing of a shared layer on the kind of an image.

A scalar for each expert would move only the combine weights: the softmax over tokens cancels it
in dispatch. A vector for each expert that is added to its slot embeddings moves both.

Axes, as name suffixes:
    P  equal parts of a batch    E  experts    D  token width
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from csmoe_model.experts.conditions import Condition
from csmoe_model.nn.shapes import Float


class ConditionVectors(nn.ParameterDict):
    """A learned vector for each condition and expert, zero at the start."""

    def __init__(self, names: Sequence[str], *, num_experts: int, width: int) -> None:
        """Build the vectors of the sensors and granularities that are named."""
        super().__init__({name: torch.zeros(num_experts, width) for name in names})

    def of(self, conditions: Sequence[Condition]) -> Float[Tensor, "P E D"]:
        """Return the sum of the vectors of each part's sensor and granularity."""
        named = [[self[name] for name in condition if name in self] for condition in conditions]
        return torch.stack([torch.stack(vectors).sum(0) for vectors in named])
