"""Network of a text model: image features and sentences as vectors of one space.

The loss is the pairwise sigmoid loss of SigLIP (https://arxiv.org/abs/2303.15343). A caption of
attributes is true of several patches of a batch, so a pair is positive wherever it is true.

Axes, as name suffixes:
    B  patches    Q  sentences    W  words of the longest sentence    F  width of a feature
    D  width of the common space
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from csmoe_model.nn.shapes import Float, Int

WIDTH = 64
"""Width of the common space, D, and of a word."""
HIDDEN = 256
"""Width of the hidden layer of the image head."""
_FIRST_SCALE = math.log(10)
"""Logarithm of the first scale, as in SigLIP."""
_FIRST_BIAS = -3.0
"""First bias: about the logit of the share of true pairs. SigLIP's is -10, for one true pair of
thousands; captions of attributes are true of some percent of the patches."""
_PADDING = 0


class TextNetwork(nn.Module):
    """Image head and text tower, with the scale and the bias of their cosines."""

    mean_F: Tensor
    std_F: Tensor

    def __init__(self, *, num_words: int, mean_F: Tensor, std_F: Tensor) -> None:
        """Build the network with random weights from torch's generator.

        Args:
            num_words: Words of the vocabulary; number 0 stands for no word.
            mean_F: Mean of each feature over the training patches.
            std_F: Standard deviation of each feature.
        """
        super().__init__()
        self.register_buffer("mean_F", mean_F)
        self.register_buffer("std_F", std_F)
        self.image_head = nn.Sequential(
            nn.Linear(len(mean_F), HIDDEN), nn.GELU(), nn.Linear(HIDDEN, WIDTH)
        )
        self.words = nn.Embedding(num_words + 1, WIDTH, padding_idx=_PADDING)
        self.project = nn.Linear(WIDTH, WIDTH)
        self.log_scale = nn.Parameter(torch.tensor(_FIRST_SCALE))
        self.bias = nn.Parameter(torch.tensor(_FIRST_BIAS))

    def encode_images(self, feature_BF: Float[Tensor, "B F"]) -> Float[Tensor, "B D"]:
        """Return the unit vectors of frozen features."""
        vector_BD: Tensor = self.image_head((feature_BF - self.mean_F) / self.std_F)
        return F.normalize(vector_BD, dim=1)

    def encode_text(self, number_QW: Int[Tensor, "Q W"]) -> Float[Tensor, "Q D"]:
        """Return the unit vectors of sentences: the mean of their words, projected."""
        is_word_QW = (number_QW != _PADDING)[..., None]
        count_Q1 = is_word_QW.sum(1).clamp(min=1)
        mean_QD = (self.words(number_QW) * is_word_QW).sum(1) / count_Q1
        return F.normalize(self.project(mean_QD), dim=1)

    def forward(
        self, feature_BF: Float[Tensor, "B F"], number_QW: Int[Tensor, "Q W"]
    ) -> Float[Tensor, "Q B"]:
        """Return the logit that each sentence is true of each patch."""
        cosine_QB = self.encode_text(number_QW) @ self.encode_images(feature_BF).T
        return cosine_QB * self.log_scale.exp() + self.bias


def sigmoid_loss(logit_QB: Float[Tensor, "Q B"], is_true_QB: Tensor) -> Tensor:
    """Return the sum of the binary cross-entropies of all pairs, divided by the patches.

    Args:
        logit_QB: Logit that each sentence is true of each patch.
        is_true_QB: Whether it is.
    """
    sign_QB = is_true_QB.to(logit_QB.dtype) * 2 - 1
    return -F.logsigmoid(sign_QB * logit_QB).sum() / logit_QB.shape[1]
