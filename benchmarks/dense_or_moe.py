"""Compare mixtures of experts with dense layers at equal cost, on the synthetic planet.

    python benchmarks/dense_or_moe.py OUT [--seeds 0,1,2] [--arms moe,dense,…] [--write]

Each arm is `csmoe train` with the shards of `_planet_models.py` and its recipe, for `STEPS` steps,
apart from the fields of `ARMS`. All numbers below were fixed before the first run.

The weights of every epoch are kept. An arm is evaluated at three points: at its end, where all arms
have seen as many pairs; and at the last epoch within the multiply-adds that the cheapest arm has
spent at its end, and within the seconds of the fastest arm. The seconds of a step are measured
first, with the steps of all arms in turns, so that all have the same share of a busy machine.

Repeat the command to resume; several commands may share OUT at the same time. Seeds come one after
the other, so that paired runs are complete early. `--write` trains nothing and writes what is
finished to benchmarks/results/dense_or_moe.json; benchmarks/_tables.py makes the tables of
docs/evidence.md.
"""

import itertools

import numpy as np
from _arms import (
    BATCH_SIZE,
    DIRECTIONS,
    PROBED,
    arms_parser,
    check_budgets,
    config_of,
    outputs_of_missing,
    scored,
    store_of,
    train,
    vector_outputs,
)
from _pair_errors import ERRORS, pair_errors
from _paired import difference, interval_of
from _planet_models import shards
from _pruning_quality import SENSORS, Patches
from _results import store
from _step_times import seconds_a_step

from csmoe_model.csmoe import CSMoE
from csmoe_model.nn.cost import pretraining_cost
from csmoe_model.runs.kept_weights import kept_weights

STEPS = 1500
ARMS = {
    "moe": {},
    "dense": {"num_experts": 0},
    "dense-deeper": {"num_experts": 0, "sensor_layers": 3},
    "fixed": {"slots": "fixed", "logit_scale": 1.0},
    "csmae-head": {"mi_features": "mean", "projector": "off"},
}
"""Fields of each arm. With fixed slots the scale is learned; 1 is its published start."""
POINTS = ("steps", "multiply-adds", "seconds")
"""Costs that all arms have spent equally, one for each point of evaluation."""
POOLINGS = ("cls", "mean")
MEASURES = (
    *ERRORS, *(f"{pooling}-{name}" for pooling in POOLINGS for name in (*PROBED, *DIRECTIONS)),
)  # fmt: skip


def trained(out, name):
    """Train the run `ARM-SEED`, or resume it; return its folder."""
    arm, _, seed = name.rpartition("-")
    fields = {**ARMS[arm], "seed": seed, "steps": STEPS, "keep_every": 1}
    return train(out / "runs" / name, shards("pretraining"), fields)


def steps_at(point, seconds):
    """Return the steps of each arm at a point, of its own `STEPS` at most."""
    cost = {
        "steps": dict.fromkeys(ARMS, 1.0), "seconds": seconds,
        "multiply-adds": {arm: pretraining_cost(config_of(ARMS[arm])).macs_full for arm in ARMS},
    }[point]  # fmt: skip
    return {arm: STEPS * min(cost.values()) / of_arm for arm, of_arm in cost.items()}


def evaluate(folder, arm, patches, seconds):
    """Return the outputs of a run at each point, named `POINT/MEASURE`, and its steps there."""
    kept, found, done = kept_weights(folder), {}, {}
    for point in POINTS:
        wanted = steps_at(point, seconds)[arm]
        within = [one for one in kept if one.steps <= wanted + 1e-6] or kept[:1]
        last = within[-1]
        if last.steps not in done:
            done[last.steps] = outputs_of(CSMoE.from_pretrained(last.folder), patches)
        found |= {f"{point}/{name}": output for name, output in done[last.steps].items()}
        found[f"{point}/spent"] = np.array(last.steps)
    return found | {"budget": np.array([kept[-1].steps, BATCH_SIZE])}


def outputs_of(model, patches):
    """Return the outputs of a model: of the probes, of the retrieval and of each test pair."""
    found = {}
    for pooling in POOLINGS:
        vectors = {sensor: patches.vectors(model, sensor, pooling=pooling) for sensor in SENSORS}
        outputs = vector_outputs(patches, vectors)
        found |= {f"{pooling}-{name}": output for name, output in outputs.items()}
    test = patches.numbers[patches.split == "test"]
    (errors,) = pair_errors([model], patches.data, test, model.origin.statistics)
    return found | errors


def summary(patches, stored, seeds, seconds):
    """Return a row for each arm: scores at each point, and paired differences from `moe`."""
    done = {arm: [s for s in seeds if stored.has(f"{arm}-{s}")] for arm in ARMS}
    budgets = {
        f"{arm}-{seed}": dict(
            zip(("steps", "pairs a step"), stored.read(f"{arm}-{seed}")["budget"].tolist(),
                strict=True)
        )
        for arm in ARMS for seed in done[arm]
    }  # fmt: skip
    check_budgets(budgets)
    rows = []
    for arm in (arm for arm in ARMS if done[arm]):
        cost = pretraining_cost(config_of(ARMS[arm]))
        row = {
            "arm": arm, "seeds": done[arm], "macs_a_pair": cost.macs_full,
            "params": cost.params_trainable, "seconds_a_step": seconds[arm], "points": {},
        }  # fmt: skip
        for point in POINTS:
            spent = {int(stored.read(f"{arm}-{s}")[f"{point}/spent"]) for s in done[arm]}
            row["points"][point] = {"steps": sorted(spent), "scores": {}}
            for measure in MEASURES:
                row["points"][point]["scores"][measure] = _score(
                    patches, stored, done, arm, f"{point}/{measure}"
                )
        rows.append(row)
    return {"rows": rows, "budget": next(iter(budgets.values()))}


def _score(patches, stored, done, arm, measure):
    """Return the score of an arm, and its paired difference from `moe`."""

    def scores_of(one, seeds):
        return scored(patches, [stored.read(f"{one}-{seed}") for seed in seeds], measure)

    found = {"value": interval_of(*scores_of(arm, done[arm]))}
    both = [seed for seed in done[arm] if seed in done["moe"]]
    if arm != "moe" and both:
        found["difference"] = [len(both), *difference(scores_of(arm, both), scores_of("moe", both))]
    return found


def main():
    """Train and evaluate the arms, or write the results."""
    options = arms_parser(__doc__, ARMS).parse_args()
    patches = Patches()
    seconds = seconds_a_step(options.out, {arm: config_of(ARMS[arm]) for arm in ARMS})
    if options.write:
        store("dense_or_moe", summary(patches, store_of(options.out), options.seeds, seconds))
        return

    def make(name):
        return evaluate(trained(options.out, name), name.rpartition("-")[0], patches, seconds)

    names = [f"{arm}-{seed}" for seed, arm in itertools.product(options.seeds, options.arms)]
    outputs_of_missing(options.out, names, make)


if __name__ == "__main__":
    main()
