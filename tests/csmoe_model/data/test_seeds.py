import numpy as np
import pytest
import torch

from csmoe_model.data.seeds import seed_of
from minortom.errors import InputError


def test_pytorch_takes_the_largest_seed_and_those_counted_up_from_it():
    largest = seed_of(np.uint64(2**63 - 1))
    assert type(largest) is int
    for seed in (largest, largest + 100):
        assert torch.Generator().manual_seed(seed).initial_seed() % 2**64 == seed


@pytest.mark.parametrize(
    ("seed", "message"),
    [
        (2**63, "seed must be below 2\\*\\*63, found 9223372036854775808"),
        (-1, "seed must be a whole number of at least 0, found -1"),
        (0.5, "seed must be a whole number of at least 0, found 0.5"),
    ],
)
def test_another_seed_is_refused(seed, message):
    with pytest.raises(InputError, match=message):
        seed_of(seed)
