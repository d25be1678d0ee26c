"""A learned gate over members with top-k, after the idea of EoS-FM: a baseline of the selection.

Each member's standardised vector passes through a linear map to a common width, is weighted by the
softmax of one learned logit a member, and the weighted sum is classified. The `k` members of the
largest weights are kept.
"""

import torch
from torch import nn
from torch.nn import functional as F

WIDTH, STEPS, RATE, DECAY = 64, 300, 3e-3, 1e-2


class Gate(nn.Module):
    """Weighted sum of mapped members, and a linear classifier."""

    def __init__(self, widths, num_classes):
        super().__init__()
        self.maps = nn.ModuleList(nn.Linear(width, WIDTH) for width in widths)
        self.logit_M = nn.Parameter(torch.zeros(len(widths)))
        self.head = nn.Linear(WIDTH, num_classes)

    def forward(self, vectors):
        """Return logits [n, K] from the vectors [n, D] of each member."""
        weight_M = self.logit_M.softmax(0)
        pairs = zip(weight_M, self.maps, vectors, strict=True)
        return self.head(F.gelu(sum(w * one(x) for w, one, x in pairs) * len(weight_M)))


def top_members(vectors, labels, num_classes, k, *, seed):
    """Return the numbers of the `k` members with the largest weights of a trained gate.

    Args:
        vectors: Standardised training vectors [n, D] of each member.
        labels: Classes [n].
        num_classes: Number of classes.
        k: Members to keep.
        seed: Seed of the initial weights.
    """
    torch.manual_seed(seed)
    inputs = [torch.from_numpy(x) * x.shape[1] ** 0.5 for x in vectors]
    gate = Gate([x.shape[1] for x in vectors], num_classes)
    optimiser = torch.optim.AdamW(gate.parameters(), lr=RATE, weight_decay=DECAY)
    truth = torch.from_numpy(labels)
    for _ in range(STEPS):
        loss = F.cross_entropy(gate(inputs), truth)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return gate.logit_M.argsort(descending=True)[:k].tolist()
