"""The average of a model's weights over the steps of its training."""

from copy import deepcopy

import torch
from torch import Tensor, nn


class Ema(nn.Module):
    """An exponential moving average of weights, kept as a model of its own.

    After step t it is d · average + (1 − d) · weights with d = min(decay, (t − 1) / t): the
    plain mean of all steps so far until the decay takes over. What the weights were before
    the first step plays no part.
    """

    def __init__(self, model: nn.Module, *, decay: float) -> None:
        """Begin with a copy of the model."""
        super().__init__()
        self.model = deepcopy(model).requires_grad_(requires_grad=False)
        self.decay = decay

    @torch.no_grad()
    def update(self, model: nn.Module, *, step: int) -> None:
        """Take in the weights after a step, counted from 1."""
        part = 1 - min(self.decay, (step - 1) / step)
        average: list[Tensor] = list(self.model.parameters())
        weights: list[Tensor] = list(model.parameters())
        torch._foreach_lerp_(average, weights, part)  # as torch.optim calls it
