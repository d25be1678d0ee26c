"""Estimated costs of an epoch, compared with arithmetic that a reader can do."""

import subprocess
import sys

import pytest
from repository import BENCHMARKS, DOCS

sys.path.insert(0, str(BENCHMARKS))

import scaling

from csmoe_model.recipes import recipe

B16 = recipe("csmoe-b16")


def row(world, batch, **machine):
    return scaling.epoch(
        B16, world=world, batch=batch, step_ms=100.0, step_batch=512,
        machine=scaling.Machine(**machine),
    )  # fmt: skip


def test_one_gpu_takes_as_many_steps_as_there_are_whole_batches():
    found = row(1, 512)
    assert found.compute_ms == pytest.approx(100)
    assert found.reduce_ms == 0
    # 1,002,326 pairs are 1,957 batches of 512.
    assert found.best_min == found.worst_min == pytest.approx(1957 * 0.1 / 60)
    assert found.read_gb_s == pytest.approx(512 * 216_000 / 0.1 / 1e9)


def test_a_ring_sends_all_gradients_nearly_twice():
    assert scaling.sent_bytes(1000, 1) == 0
    assert scaling.sent_bytes(1000, 2) == 4000
    assert scaling.sent_bytes(1000, 64) == pytest.approx(2 * 4000, rel=0.02)


def test_eight_gpus_are_eight_times_as_fast_but_for_the_gradients():
    one, eight = row(1, 512), row(8, 512)
    assert one.best_min / eight.best_min == pytest.approx(8, rel=0.01)
    # 460 M weights: 1.84 GB, 7/4 of it sent at 350 GB/s.
    assert eight.reduce_ms == pytest.approx(9.2, abs=0.1)
    assert eight.worst_min / eight.best_min == pytest.approx(1.092, abs=0.001)
    assert eight.read_gb_s == pytest.approx(8 * one.read_gb_s)


def test_the_optimiser_costs_the_same_however_few_pairs_there_are():
    small = row(8, 64)
    optimiser_ms = 28 * 459.9e6 / 4.3e12 * 1e3
    assert small.compute_ms == pytest.approx(optimiser_ms + (100 - optimiser_ms) / 8, rel=1e-3)


def test_a_slow_net_makes_the_gradients_the_bottleneck():
    slow = row(64, 64, net_gb_s=10.0)
    assert slow.best_min == pytest.approx(1_002_326 // (64 * 64) * slow.reduce_ms / 60_000)
    assert slow.reduce_ms == pytest.approx(362, rel=0.01)


def test_the_step_of_a_share_of_the_rate_is_six_operations_a_multiply_add():
    ms = scaling.step_ms_of_share(B16, batch=512, share=0.45, rate_tflops=790)
    assert ms == pytest.approx(6 * 13.253888e9 * 512 / (0.45 * 790e12) * 1e3)


def test_the_program_prints_what_is_measured_and_what_is_computed():
    def printed(*words):
        done = subprocess.run(
            [sys.executable, BENCHMARKS / "scaling.py", *words],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        return done.stdout

    shown, _, table = printed().partition("\n\n")
    assert "114.5 ms, computed from 45% of 790 TFLOP/s" in shown
    assert table in (DOCS / "speed.md").read_text(encoding="utf-8")
    given = printed("--step-ms", "80", "--world", "1,16", "--batch", "256")
    assert "a step of 256 pairs on one GPU: 80.0 ms, measured" in given
    assert [line.split(" | ")[0] for line in given.splitlines()[5:]] == ["| 1", "| 16", "| 16"]


@pytest.mark.soak
def test_two_processes_send_over_gloo_what_arithmetic_says():
    counted, wanted = scaling.measured_bytes()
    assert wanted <= counted < 1.1 * wanted
