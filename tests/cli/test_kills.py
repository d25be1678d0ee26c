"""SIGKILL at random moments: the old or the new output is there, and nothing else is left."""

import shutil
import time
from pathlib import Path

import numpy as np
import pytest
from archive_maker import CELLS, write_pair_of_archives, write_selection
from killed_commands import Command
from points import annotated_table, random_lonlat
from points_files import write_points
from training_shards import learnable_shards

from minortom.io.provenance import Provenance

pytestmark = pytest.mark.soak

KILLS = 30
SEEDS = ("1", "2")


def sample(folder):
    names = [name for name in ("Af/x", "BWh/x", "Cfa/x") for _ in range(60)]
    table = annotated_table(*random_lonlat(len(names)), names)
    write_points(table, folder / "tiles.parquet", Provenance(command="annotate", options={}))
    return ["minortom", "sample", folder / "tiles.parquet", "--per-stratum", "20"]


def export(folder):
    write_selection(folder / "selection.parquet", CELLS)
    s2, s1 = write_pair_of_archives(folder)
    words = ["minortom", "export", folder / "selection.parquet", "--s2", s2, "--s1", s1]
    return [*words, "--patch-size", "12"]


def train(folder):
    shards = learnable_shards(folder / "shards", train=20, val=4)
    words = "--recipe tiny --steps 4 --save-every 1 --batch-size 4 --image-size 16 --no-tensorboard"
    return ["csmoe", "train", shards, *words.split()]


MAKERS = {"sample": sample, "export": export, "train": train}


@pytest.fixture(params=MAKERS)
def made(request, tmp_path_factory):
    """Return the words of a command, and by seed the bytes of its unbroken output."""
    folder = tmp_path_factory.mktemp("inputs")
    return Made(folder, MAKERS[request.param](folder), request.param)


class Made:
    """A command with its inputs, and its outputs in unbroken runs."""

    def __init__(self, folder, words, name, workers="1"):
        self.words, self.log, self.name = [*words, "--workers", workers], folder / "log", name
        self.wanted, self.seconds = {}, 0.0
        for seed in SEEDS:
            start = time.monotonic()
            out = folder / f"whole-{seed}"
            assert self.start(out, seed).finish()[0] == 0, self.log.read_text()
            self.seconds = time.monotonic() - start
            self.wanted[seed] = self.content(out)
        assert self.wanted["1"] != self.wanted["2"]

    def start(self, out, seed, *more):
        return Command([*self.words, "--out", out, "--seed", seed, *more], self.log)

    def content(self, out):
        """Return the bytes of an output; of a run those of its weights, None if it has none."""
        if out.is_file():
            return out.read_bytes()
        files = (out / "model").glob("*.safetensors") if self.name == "train" else out.rglob("*")
        return {p.name: p.read_bytes() for p in sorted(files) if p.is_file()} or None


def names_in(folder):
    """Return all files below a folder, hidden ones too."""
    return sorted(str(path.relative_to(folder)) for path in Path(folder).rglob("*"))


def test_a_killed_command_is_finished_by_the_next_call(made, tmp_path):
    rng, out, kills = np.random.default_rng(1), tmp_path / "out", 0
    while kills < KILLS:
        resume = ["--resume"] if made.name == "train" and out.exists() else []
        kills += made.start(out, "1", *resume).kill_after(rng.uniform(0, 1.1 * made.seconds))
        content = made.content(out) if out.exists() else None
        assert content in (None, made.wanted["1"])
        if content is not None and kills < KILLS and rng.random() < 0.5:
            complete(made, out, "1")
            for path in tmp_path.iterdir():
                shutil.rmtree(path) if path.is_dir() else path.unlink()
    complete(made, out, "1", *(["--resume"] if made.name == "train" and out.exists() else []))


def test_a_killed_overwrite_leaves_the_old_or_the_new_output(made, tmp_path):
    rng, out, kills = np.random.default_rng(2), tmp_path / "out", 0
    complete(made, out, "1")
    number = 0
    while kills < KILLS:
        number += 1
        seed = SEEDS[number % 2]
        kills += made.start(out, seed, "--overwrite").kill_after(rng.uniform(0, 1.1 * made.seconds))
        places = (out, out / "replaced") if made.name == "train" else (out,)
        assert any(made.content(place) in made.wanted.values() for place in places)
    # Unfinished work of the other seed can be left beside a finished output, and is resumed.
    assert made.start(out, "2", "--overwrite").finish()[0] == 0
    complete(made, out, "1", "--overwrite")


@pytest.mark.parametrize("name", ["sample", "export"])
def test_a_killed_worker_is_one_line_and_the_next_call_finishes(name, tmp_path_factory, tmp_path):
    folder = tmp_path_factory.mktemp("inputs")
    made = Made(folder, MAKERS[name](folder), name, workers="2")
    rng, out = np.random.default_rng(3), tmp_path / "out"
    kills = errors = 0
    while kills < KILLS:
        command = made.start(out, "1")
        kills += command.kill_a_worker(rng.uniform(0, made.seconds), rng)
        code, printed = command.finish()
        if code == 0:  # the work was done before
            assert made.content(out) == made.wanted["1"]
            shutil.rmtree(out) if out.is_dir() else out.unlink()
            continue
        lines = [line for line in printed.splitlines() if not line.startswith("note: ")]
        assert code == 1, printed
        assert len(lines) == 1, printed
        assert lines[0].startswith("error: "), printed
        assert not out.exists()
        errors += 1
    assert errors
    complete(made, out, "1")


def complete(made, out, seed, *more):
    """Run a command to its end, and look for its output alone."""
    code, printed = made.start(out, seed, *more).finish()
    assert code == 0, printed
    assert made.content(out) == made.wanted[seed]
    assert sorted(path.name for path in out.parent.iterdir()) == ["out", "out.run.json"]
    assert not [name for name in names_in(out.parent) if Path(name).name.startswith(".")]
    assert not [name for name in names_in(out.parent) if name.endswith(".tmp")]
