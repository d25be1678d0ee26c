"""Compare conditioned routing and local-global pairs with a plain pretraining, on the planet.

    python benchmarks/conditioning.py OUT [--steps 1000] [--seeds 0,1,2] [--arms none,sensor,…]

Each arm is `csmoe train` with the shards and the recipe of `_planet_models.py`, apart from the
number of steps and the options of `ARMS`. The runs lie in OUT/runs, the outputs of their
evaluation in OUT/outputs. Repeat the command to resume: a run continues from its last checkpoint,
and what is finished is kept. Several commands with other arms or seeds may share OUT at the same
time. `--write` evaluates what is finished, trains nothing, measures the seconds of a step in turns
and writes benchmarks/results/conditioning.json; benchmarks/_tables.py makes the table of
docs/train.md.
"""

import itertools

import numpy as np
from _arms import (
    BATCH_SIZE,
    DIRECTIONS,
    PROBED,
    arms_parser,
    config_of,
    outputs_of_missing,
    scored,
    train,
    vector_outputs,
)
from _paired import difference
from _planet_models import shards
from _pruning_quality import SENSORS, Patches
from _results import store
from _step_times import seconds_a_step

from csmoe_model.analysis.condition_effects import shared_specificity
from csmoe_model.analysis.expert_usage import measure_usage
from csmoe_model.csmoe import CSMoE
from csmoe_model.extractors.checkpoint import load_encoder
from csmoe_model.nn.cost import pretraining_cost
from csmoe_model.runs.folder import RunFolder

STEPS = 1000
PAIRS = {"local_global": 0.5}
ARMS = {
    "none": {},
    "sensor": {"condition": "sensor"},
    "granularity": {"condition": "granularity", **PAIRS},
    "local-global": PAIRS,
    "all": {"condition": "both", **PAIRS},
}
"""Fields of each arm."""
MEASURES = (*PROBED, *DIRECTIONS)


def trained(out, name, steps):
    """Train the run `ARM-SEED`, or resume it; return its folder."""
    arm, _, seed = name.rpartition("-")
    fields = {**ARMS[arm], "seed": seed, "steps": steps}
    return train(out / "runs" / name, shards("pretraining"), fields)


def evaluate(folder, patches):
    """Return the outputs of the probes, the precision of each query, and the figures of a run."""
    model = CSMoE.from_pretrained(folder)
    vectors = {sensor: patches.vectors(model, sensor) for sensor in SENSORS}
    usage = measure_usage(load_encoder(folder), patches.data, patches.numbers, workers=1)
    rows = RunFolder(folder).log.rows("train")
    return vector_outputs(patches, vectors) | {
        "specificity": shared_specificity(usage, "shared.0"),
        "macs_a_pair": np.array(pretraining_cost(model.config).macs_full),
        "steps": np.array(int(rows[-1]["step"])),
    }


def summary(patches, stored, seeds, seconds):
    """Return a row for each arm: scores, and paired differences from the arm `none`."""
    rows = []
    for arm in ARMS:
        done = [seed for seed in seeds if stored.has(f"{arm}-{seed}")]
        if not done:
            continue
        outputs = [stored.read(f"{arm}-{seed}") for seed in done]
        both = [seed for seed in done if stored.has(f"none-{seed}")]
        row = {
            "arm": arm, "seeds": len(done), "paired_seeds": len(both),
            "steps": int(outputs[0]["steps"]),
            "specificity": [one["specificity"].tolist() for one in outputs],
            "seconds_a_step": seconds[arm],
            "macs_a_pair": int(outputs[0]["macs_a_pair"]), "scores": {},
        }  # fmt: skip
        for measure in MEASURES:
            values, _ = scored(patches, outputs, measure)
            row["scores"][measure] = {"mean": float(values.mean()), "seeds": values.tolist()}
            if arm != "none" and both:
                pair = (
                    scored(patches, [stored.read(f"{one}-{seed}") for seed in both], measure)
                    for one in (arm, "none")
                )
                row["scores"][measure]["difference"] = difference(*pair)
        rows.append(row)
    counts = {name: int((patches.split == name).sum()) for name in ("train", "val", "test")}
    return {"rows": rows, "patches": counts, "batch_size": BATCH_SIZE}


def main():
    """Train and evaluate the arms, or write the results."""
    parser = arms_parser(__doc__, ARMS)
    parser.add_argument("--steps", type=int, default=STEPS, help="steps of each run")
    options = parser.parse_args()
    patches = Patches()

    def make(name):
        return evaluate(trained(options.out, name, options.steps), patches)

    names = [f"{arm}-{seed}" for seed, arm in itertools.product(options.seeds, options.arms)]
    if options.write:
        names = [name for name in names if (options.out / "runs" / name / "model").exists()]
    stored = outputs_of_missing(options.out, names, make)
    if options.write:
        configs = {arm: config_of(of) for arm, of in ARMS.items()}
        seconds = seconds_a_step(options.out, configs)
        store("conditioning", summary(patches, stored, options.seeds, seconds))


if __name__ == "__main__":
    main()
