"""Exponential moving average (EMA) of the weights of a model during training."""

from copy import deepcopy

import torch
from torch import Tensor, nn


class Ema(nn.Module):
    """Exponential moving average of the weights, stored as a second model.

    After step t, average = d · average + (1 − d) · weights with d = min(decay, (t − 1) / t).
    This is the plain mean of all steps so far until (t − 1) / t reaches the decay. The initial
    weights have no influence.
    """

    def __init__(self, model: nn.Module, *, decay: float) -> None:
        """Start with a copy of the model."""
        super().__init__()
        self.model = deepcopy(model).requires_grad_(requires_grad=False)
        self.decay = decay

    @torch.no_grad()
    def update(self, model: nn.Module, *, step: int) -> None:
        """Update the average with the weights after a step (counted from 1)."""
        part = 1 - min(self.decay, (step - 1) / step)
        average: list[Tensor] = list(self.model.parameters())
        weights: list[Tensor] = list(model.parameters())
        torch._foreach_lerp_(average, weights, part)  # the function that torch.optim uses
