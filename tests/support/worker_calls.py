"""Functions that worker processes call in tests: workers import them from here by name."""

import os
import resource
import signal

import numpy as np

KINDS = {"a": np.uint16, "b": np.int16, "c": np.float64}


def square(number):
    return number * number


def where(_):
    return os.getpid()


def fail_at_three(number):
    if number == 3:
        raise ValueError("three")
    return number


def die_at_three(number):
    if number == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def fresh_pages(_):
    np.ones(3 << 20)  # 24 MB
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    np.ones(3 << 20)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


def made(number):
    rng = np.random.default_rng(number)
    shapes = {"a": (number, 3, 5), "b": (2, number), "c": (0, 4)}
    return {name: rng.integers(0, 99, shapes[name]).astype(KINDS[name]) for name in KINDS}


def fill(item):
    number, slot = item
    return slot, slot.fill(made(number))
