"""Figures of `benchmarks/figures.py`, held to arithmetic and to torch."""

import sys

import numpy as np
import pytest
import torch
from repository import BENCHMARKS

sys.path.insert(0, str(BENCHMARKS))

import figures


@pytest.mark.parametrize(
    ("number", "dtype"), [("float32", torch.float32), ("bfloat16", torch.bfloat16)]
)
def test_numbers_are_rounded_as_torch_rounds_them(number, dtype):
    values = np.random.default_rng(0).standard_normal(1000) * 100

    expected = torch.from_numpy(values).to(dtype).double().numpy()
    assert (figures.rounded(values, number) == expected).all()


def test_tf32_has_ten_bits_after_the_first_and_rounds_ties_to_even():
    step = 2**-10
    values = np.array([1 + step, 1 + step / 2, 1 + 3 * step / 2, -(4 + 3 * step)])

    expected = [1 + step, 1, 1 + 2 * step, -(4 + 4 * step)]
    assert figures.rounded(values, "TF32").tolist() == expected


def test_the_change_of_a_token_is_the_weight_that_moves():
    # bfloat16 rounds 257 down to 256: both slots then have a weight of one half.
    token, slots = np.array([[1.0, 1.0]]), np.array([[256.0, 1.0], [256.0, 0.0]])

    error, (change,) = figures.errors_of(token, slots, "bfloat16", "bfloat16")
    assert error == 1
    assert change == pytest.approx(np.e / (1 + np.e) - 0.5)


@pytest.mark.usefixtures("exactextract")  # which the script imports
def test_worst_differences_are_those_of_mixed_cells_in_points():
    from annotate import differences

    shares = np.array([[0.5, 0.5], [1.0, 0.0], [np.nan, np.nan]])
    expected = np.array([[0.47, 0.53], [1.0, 0.0], [np.nan, np.nan]])
    assert differences(shares, expected).tolist() == pytest.approx([3.0])


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0.0000684, "0.000068"), (0.0096, "0.0096"), (0.437, "0.44"), (13.79, "14"), (0.999, "1.0")],
)
def test_two_digits_are_shown_without_an_exponent(value, shown):
    from _figure_tables import short

    assert short(value) == shown


def test_the_pool_of_the_benchmark_of_clusters_has_the_shares_of_the_planet():
    from _results import stored
    from cluster import NATURAL

    shares = stored("figures")["planet"]["shares"]
    assert {str(code): share for code, share in NATURAL.items()} == pytest.approx(shares, abs=6e-5)
