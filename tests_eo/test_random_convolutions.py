"""Random convolutional features against torchgeo's, filter by filter."""

import numpy as np
import pytest
import torch
from torchgeo.models import RCF

from csmoe_model.datasets.base import LabelledSplit
from csmoe_model.extractors.random_convolutions import BIAS, RandomConvolutions, _whitened

RNG = np.random.default_rng(0)


# torchgeo 0.9 takes the real part of NumPy 2.5's eigenvectors, which are complex numbers there.
@pytest.mark.filterwarnings("ignore:Casting complex values to real")
def test_patches_are_whitened_as_torchgeo_does():
    patches = RNG.normal(2, 3, (40, 10, 3, 3)).astype(np.float32)
    oracle = RCF(in_channels=10, features=80, kernel_size=3)._normalize(patches)
    found = _whitened(torch.from_numpy(patches)).numpy()
    np.testing.assert_allclose(found, oracle, rtol=1e-3, atol=1e-2)


def test_responses_are_those_of_torchgeo():
    images = RNG.normal(size=(5, 2, 12, 12)).astype(np.float32)
    split = LabelledSplit(
        images=lambda chosen: {"s1": images[chosen]}, labels=np.zeros(5, np.int64)
    )
    unfitted = RandomConvolutions.unfitted(num_filters=8)
    fitted = unfitted.fitted(split, sensors=["s1"], bands={}, seed=0)
    oracle = RCF(in_channels=2, features=16, kernel_size=3, bias=BIAS)
    oracle.weights = fitted.filters["s1"]
    scores = (torch.from_numpy(images) - fitted.mean["s1"]) / fitted.std["s1"]
    wanted = oracle(scores).numpy()
    np.testing.assert_allclose(
        fitted({"s1": images}, check_units=False), wanted, rtol=1e-4, atol=1e-5
    )
