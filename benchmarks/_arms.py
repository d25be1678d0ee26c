"""Arms of a comparison: runs that are trained once, outputs of their evaluation, and scores.

Axes, as name suffixes:
    n  patches    D  width of a vector    m  runs of an arm    R  draws of the bootstrap
"""

import argparse
import fcntl
import itertools
import os
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from _planet_models import RECIPE, csmoe
from _pruning_quality import HEADLINE, PROBES, SENSORS, Store
from sklearn.linear_model import Ridge

from csmoe_model.evaluation.bootstrap import NUM_DRAWS, Bootstrap
from csmoe_model.evaluation.metrics import Predictions, scorer
from csmoe_model.recipes import recipe_with
from csmoe_model.retrieval.metrics import as_sets, retrieved
from csmoe_model.retrieval.nearest import nearest
from minortom.errors import InputError
from minortom.grid.spatial_split import SPLITS

DIRECTIONS = {"s2-s1": ("s2", "s1"), "s1-s2": ("s1", "s2")}
"""Sensors of the query and of the archive."""
RETRIEVED = 10
PROBED = tuple(f"{probe}-{sensor}" for probe, sensor in itertools.product(PROBES, SENSORS))
BATCH_SIZE = 64
COMPILED = ("--compile",)
"""Options of `csmoe train` that make a step faster, and change losses by rounding alone."""
PENALTIES = tuple(10.0**power for power in range(-2, 6))
"""Penalties of the ridge regression; the best on `val` is chosen."""
FIELDS = {}
"""Fields of the models of all arms that differ from the recipe."""


def arms_parser(description, arms):
    """Return a parser with the common options of the comparisons of arms."""
    parser = argparse.ArgumentParser(description=description.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--seeds", type=numbers, default="0,1,2", help="seeds of the pretraining")
    parser.add_argument("--arms", type=names_of(arms), default=",".join(arms), help="arms to train")
    parser.add_argument("--write", action="store_true", help="write the results of what is there")
    return parser


def numbers(text):
    """Return the integers of an option such as `0,1,2`."""
    return [int(number) for number in text.split(",")]


def names_of(known):
    """Return a function that reads an option with some of the known names, such as `moe,dense`."""

    def read(text):
        names = text.split(",")
        if unknown := [name for name in names if name not in known]:
            raise argparse.ArgumentTypeError(
                f"expected names of {', '.join(known)}, found {', '.join(unknown)}"
            )
        return names

    return read


def config_of(fields):
    """Return the configuration of the model of an arm with some fields."""
    return recipe_with(RECIPE, {**FIELDS, **fields})


def train(folder, data, fields):
    """Train one run on shards, or resume it; return its folder.

    Args:
        folder: Folder of the run.
        data: Folder of the shards.
        fields: Options of `csmoe train` by name, such as `local_global`.
    """
    if not (folder / "model").exists():
        fields = {"recipe": RECIPE, "batch_size": BATCH_SIZE, **FIELDS, **fields}
        flags = ((f"--{name.replace('_', '-')}", value) for name, value in fields.items())
        begun = (folder / "config.yaml").exists()
        csmoe(
            "train", data, "--out", folder, "--no-tensorboard", "--save-every", 50, "--workers", 1,
            *COMPILED, *(["--resume"] if begun else itertools.chain(*flags)),
        )  # fmt: skip
    return folder


def outputs_of_missing(out, names, make):
    """Make the outputs of each run that are missing, in order; return the store of all outputs.

    Several processes may share the folder: a run that another process works on is left to it.

    Args:
        out: Folder of the comparison.
        names: Names of the runs.
        make: Trains and evaluates the run of a name; returns its arrays.
    """
    stored, left = store_of(out), []
    for name in names:
        with claimed(out / "locks" / name) as mine:
            if mine:
                stored.get(name, lambda name=name: make(name))
            else:
                left.append(name)
    if left:
        print(f"left to other processes: {', '.join(left)}", flush=True)
    return stored


def store_of(out):
    """Return the store of the outputs of a comparison."""
    out.mkdir(parents=True, exist_ok=True)
    return Store(out / "outputs")


@contextmanager
def claimed(path, *, wait=False):
    """Hold a lock on a file while the block runs; yield whether this process holds it.

    Args:
        path: File of the lock. The lock of a process that dies is free again.
        wait: Whether to wait while another process holds it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(descriptor)


def check_budgets(budgets):
    """Check that all arms have the budget of the first: numbers by name, by arm.

    Raises:
        InputError: If they differ.
    """
    (first, wanted), *others = budgets.items()
    for arm, found in others:
        differing = [name for name in wanted if found.get(name) != wanted[name]]
        if differing:
            of = {
                name: ", ".join(f"{budget.get(key)} {key}" for key in differing)
                for name, budget in ((first, wanted), (arm, found))
            }
            raise InputError(
                f"arms must have equal budgets, found {of[first]} in {first} and {of[arm]} in "
                f"{arm}; delete the runs of one of them, to train it again with the other's"
            )


def vector_outputs(patches, vectors):
    """Return the outputs of the probes, and the precision of each query, from vectors [n, D]."""
    found = {}
    for sensor, vector_nD in vectors.items():
        outputs = patches.outputs(vector_nD)
        found |= {f"{probe}-{sensor}": output for probe, output in outputs.items()}
    query, archive = (patches.split == name for name in ("val", "test"))
    labels = as_sets(patches.labels, "multiclass", len(patches.classes))
    for name, (asked, searched) in DIRECTIONS.items():
        number_qk, _ = nearest(vectors[asked][query], vectors[searched][archive], RETRIEVED)
        found[name] = retrieved(labels[query], labels[archive], number_qk).precision_q
    return found


def scored(patches, outputs, measure):
    """Return the score of each run [m], and in each draw of blocks of ground [m, R].

    A measure is a probe, or values of single patches: of the queries, or of the test patches.
    """
    block_n = patches.blocks[patches.split == ("val" if measure.endswith(tuple(DIRECTIONS)) else
                                               "test")]  # fmt: skip

    def scorer_of(output):
        if output.ndim == 1:  # with one label an image, F1 is the precision
            return mean_scorer(output)
        return scorer(patches.predictions(output))

    return scored_by(block_n, [scorer_of(one[measure]) for one in outputs])


def regression(split, vector_nD, target_nK):
    """Return the ridge regressions of the targets for the test patches."""
    of = {name: split == name for name in SPLITS}
    train_nD = vector_nD[of["train"]].astype(np.float64)
    mean_D, std_D = train_nD.mean(0), np.maximum(train_nD.std(0), 1e-6)
    scaled = {name: (vector_nD[rows] - mean_D) / std_D for name, rows in of.items()}

    def error(fit):
        return float(np.square(fit.predict(scaled["val"]) - target_nK[of["val"]]).mean())

    fits = [Ridge(alpha=one).fit(scaled["train"], target_nK[of["train"]]) for one in PENALTIES]
    return min(fits, key=error).predict(scaled["test"])


def mean_scorer(value_n):
    """Return a function that computes the weighted mean of values of patches."""
    return lambda weight_n: {HEADLINE: float(np.average(value_n, weights=weight_n))}


def accuracy_scorer(truth, output):
    """Return a function that computes the share of right patches.

    Cells are drawn over all land, so that rare classes have few of them: no mean over classes.
    """
    whole = scorer(Predictions(task="multiclass", truth=truth, output=output))
    return lambda weight_n: {HEADLINE: whole(weight_n)["overall_accuracy"]}


def explained_scorer(target_nK, predicted_nK):
    """Return a function that computes the explained share of the variance, the mean over K."""

    def score(weight_n):
        mean_K = np.average(target_nK, axis=0, weights=weight_n)
        error_K, whole_K = (
            weight_n @ np.square(target_nK - guess) for guess in (predicted_nK, mean_K)
        )
        return {HEADLINE: float((1 - error_K / whole_K).mean())}

    return score


def scored_by(block_n, scorers, *, seed=0):
    """Return the score of each scorer [m], and in each draw of blocks [m, R]."""
    bootstrap = Bootstrap.over(len(block_n), block_n, seed=seed, num_draws=NUM_DRAWS)
    values = [one(np.ones(len(block_n)))[HEADLINE] for one in scorers]
    draws = np.stack([bootstrap.draws_of([one])[HEADLINE] for one in scorers])
    return np.array(values), draws
