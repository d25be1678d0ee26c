"""Averages of the weights before and after fine-tuning (WiSE-FT).

Fine-tuning fits the training images, and forgets part of what pretraining learned on other ground.
Averages of both weights are often better than either, above all far from the training images
(Wortsman et al. 2022, arXiv 2109.01903).
"""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from csmoe_model.training.supervised import SCORE, SupervisedResult

SHARES = (0.25, 0.5, 0.75)
"""Shares of the fine-tuned weights in the averages that are validated."""

Weights = Mapping[str, Tensor]


def weights_of(network: nn.Module) -> dict[str, Tensor]:
    """Return a copy of the weights of a network."""
    return {name: tensor.detach().clone() for name, tensor in network.state_dict().items()}


def keep_best_average(
    network: nn.Module,
    start: Weights,
    end: SupervisedResult,
    validate: Callable[[nn.Module], Mapping[str, float]],
) -> tuple[float | None, float]:
    """Set a network to the average of its weights before and after training, if one is better.

    Args:
        network: Network with the best weights of its training.
        start: Weights before the training.
        end: End of the training.
        validate: Validation numbers of the network, as in `Supervised.validate`.

    Returns:
        The share of the fine-tuned weights, or None if the network keeps its weights; and the
        validation score.
    """
    best, kept = (end.score, -end.loss), weights_of(network)
    chosen: float | None = None
    for share in SHARES:
        mixed = averaged(start, end.last, share)
        network.load_state_dict(mixed)
        with torch.no_grad():
            found = validate(network.eval())
        if (found[SCORE], -found["loss"]) > best:
            best, kept, chosen = (found[SCORE], -found["loss"]), mixed, share
    network.load_state_dict(kept)
    return chosen, best[0]


def averaged(start: Weights, last: Weights, share: float) -> dict[str, Tensor]:
    """Return (1 − share) · start + share · last."""
    return {name: torch.lerp(start[name], last[name], share) for name in start}
