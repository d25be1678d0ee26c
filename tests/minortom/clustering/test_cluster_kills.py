"""SIGKILL at random moments: the next call finishes, with the bytes of an unbroken run."""

import time

import numpy as np
import pytest
from embedding_maker import cell_names, clumped, write_fragments
from killed_commands import Command

pytestmark = pytest.mark.soak

KILLS = 30


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("inputs")
    vectors, _ = clumped(6000, width=64, clumps=50, spread=2.0)
    return write_fragments(folder / "embeddings.parquet", cell_names(6000), vectors)


def start(inputs, out, log):
    words = ["minortom", "cluster", inputs, "--k", "300,20", "--metric", "euclidean"]
    return Command([*words, "--workers", "1", "--out", out / "clusters.parquet"], log)


def contents(folder):
    return {
        path.name: path.read_bytes() for path in folder.iterdir()
        if not path.name.endswith(".run.json")
    }  # fmt: skip


def test_a_killed_command_is_finished_by_the_next_call(inputs, tmp_path):
    whole, part, log = tmp_path / "whole", tmp_path / "part", tmp_path / "log"
    began = time.monotonic()
    assert start(inputs, whole, log).finish()[0] == 0, log.read_text()
    seconds, wanted = time.monotonic() - began, contents(whole)
    rng, kills = np.random.default_rng(0), 0
    while kills < KILLS:
        kills += start(inputs, part, log).kill_after(rng.uniform(0, 1.1 * seconds))
        if (part / "clusters.parquet").exists():
            assert start(inputs, part, log).finish()[0] == 0, log.read_text()
            assert contents(part) == wanted
            for path in part.iterdir():
                path.unlink()
    assert start(inputs, part, log).finish()[0] == 0, log.read_text()

    assert contents(part) == wanted
    assert (part / "clusters.parquet.run.json").exists()
