"""Compare conditioned routing and local-global pairs with a plain pretraining, on the planet.

    python benchmarks/conditioning.py OUT [--steps 1000] [--seeds 0,1,2] [--arms none,sensor,…]

Each arm is `csmoe train` with the shards and the recipe of `_planet_models.py`, apart from the
number of steps and the options of `ARMS`. The runs lie in OUT/runs, the outputs of their
evaluation in OUT/outputs. Repeat the command to resume: a run continues from its last checkpoint,
and what is finished is kept. Several commands with other arms or seeds may share OUT at the same
time. `--write` evaluates what is finished, trains nothing, and writes
benchmarks/results/conditioning.json; benchmarks/_tables.py makes the table of docs/train.md.
"""

import argparse
import itertools
import statistics
from pathlib import Path

import numpy as np
from _planet_models import RECIPE, csmoe, shards
from _pruning_quality import HEADLINE, PROBES, SENSORS, Patches, Store
from _results import store

from csmoe_model.analysis.condition_effects import shared_specificity
from csmoe_model.analysis.expert_usage import measure_usage
from csmoe_model.csmoe import CSMoE
from csmoe_model.evaluation.bootstrap import NUM_DRAWS, Bootstrap, interval
from csmoe_model.evaluation.metrics import scorer
from csmoe_model.extractors.checkpoint import load_encoder
from csmoe_model.nn.cost import pretraining_cost
from csmoe_model.probing.pooling import spread
from csmoe_model.retrieval.metrics import as_sets, retrieved
from csmoe_model.retrieval.nearest import nearest
from csmoe_model.runs.folder import RunFolder

STEPS = 1000
PAIRS = ["--local-global", "0.5"]
ARMS = {
    "none": [],
    "sensor": ["--condition", "sensor"],
    "granularity": ["--condition", "granularity", *PAIRS],
    "local-global": PAIRS,
    "all": ["--condition", "both", *PAIRS],
}
"""Further options of each arm."""
DIRECTIONS = {"s2-s1": ("s2", "s1"), "s1-s2": ("s1", "s2")}
"""Sensors of the query and of the archive."""
RETRIEVED = 10
MEASURES = (*(f"{probe}-{sensor}" for probe, sensor in itertools.product(PROBES, SENSORS)),
            *DIRECTIONS)  # fmt: skip


def train(out, arm, seed, steps):
    """Train one run, or resume it; return its folder."""
    folder = out / "runs" / f"{arm}-{seed}"
    if (folder / "model").exists():
        return folder
    how = [*RECIPE, *ARMS[arm], "--steps", str(steps), "--seed", str(seed)]
    csmoe(
        "train", shards("pretraining"), "--out", folder, "--no-tensorboard", "--save-every", "50",
        "--workers", "1", *(["--resume"] if (folder / "config.yaml").exists() else how),
    )  # fmt: skip
    return folder


def evaluate(folder, patches):
    """Return the outputs of the probes, the precision of each query, and the figures of a run."""
    model, found = CSMoE.from_pretrained(folder), {}
    vectors = {sensor: patches.vectors(model, sensor) for sensor in SENSORS}
    for sensor, vector_nD in vectors.items():
        outputs = patches.outputs(vector_nD)
        found |= {f"{probe}-{sensor}": output for probe, output in outputs.items()}
    query, archive = (patches.split == name for name in ("val", "test"))
    labels = as_sets(patches.labels, "multiclass", len(patches.classes))
    for name, (asked, searched) in DIRECTIONS.items():
        number_qk, _ = nearest(vectors[asked][query], vectors[searched][archive], RETRIEVED)
        found[name] = retrieved(labels[query], labels[archive], number_qk).precision_q
    usage = measure_usage(load_encoder(folder), patches.data, patches.numbers, workers=1)
    rows = RunFolder(folder).log.rows("train")
    seconds = statistics.median(1 / float(row["pairs_per_s"]) for row in rows)
    return found | {
        "specificity": shared_specificity(usage, "shared.0"),
        "seconds_a_pair": np.array(seconds),
        "macs_a_pair": np.array(pretraining_cost(model.config).macs_full),
        "steps": np.array(int(rows[-1]["step"])),
    }


def scored(patches, outputs, measure):
    """Return the score of each run [m], and in each draw of cells [m, R]."""
    split = "val" if measure in DIRECTIONS else "test"
    cells = patches.cells[patches.split == split]
    bootstrap = Bootstrap.over(len(cells), cells, seed=0, num_draws=NUM_DRAWS)

    def scorer_of(output):
        if measure in DIRECTIONS:  # with one label an image, F1 is the precision
            return lambda weight_q: {HEADLINE: float(np.average(output, weights=weight_q))}
        return scorer(patches.predictions(output))

    scorers = [scorer_of(output[measure]) for output in outputs]
    values = [one(np.ones(len(cells)))[HEADLINE] for one in scorers]
    draws = np.stack([bootstrap.draws_of([one])[HEADLINE] for one in scorers])
    return np.array(values), draws


def summary(patches, stored, seeds):
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
            "seconds_a_pair": statistics.median(float(one["seconds_a_pair"]) for one in outputs),
            "macs_a_pair": int(outputs[0]["macs_a_pair"]), "scores": {},
        }  # fmt: skip
        for measure in MEASURES:
            values, _ = scored(patches, outputs, measure)
            row["scores"][measure] = {"mean": float(values.mean()), "seeds": values.tolist()}
            if arm != "none" and both:
                row["scores"][measure]["difference"] = difference(
                    patches, stored, arm, both, measure
                )
        rows.append(row)
    counts = {name: int((patches.split == name).sum()) for name in ("train", "val", "test")}
    return {"rows": rows, "patches": counts, "batch_size": 64}


def difference(patches, stored, arm, seeds, measure):
    """Return the mean difference from the arm `none`, with its interval over cells and seeds."""
    (value_m, draw_mR), (base_m, base_mR) = (
        scored(patches, [stored.read(f"{name}-{seed}") for seed in seeds], measure)
        for name in (arm, "none")
    )
    wide_R = spread(draw_mR - base_mR, np.random.default_rng(0))
    gap = interval(float((value_m - base_m).mean()), wide_R)
    return [gap.value, gap.low, gap.high]


def main():
    """Train and evaluate the arms, or write the results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--steps", type=int, default=STEPS, help="steps of each run")
    parser.add_argument("--seeds", default="0,1,2", help="seeds of the pretraining")
    parser.add_argument("--arms", default=",".join(ARMS), help="arms to train")
    parser.add_argument("--write", action="store_true", help="write the results of what is there")
    options = parser.parse_args()
    arms, seeds = options.arms.split(","), [int(seed) for seed in options.seeds.split(",")]
    if unknown := [arm for arm in arms if arm not in ARMS]:
        parser.error(f"expected arms of {', '.join(ARMS)}, found {', '.join(unknown)}")
    options.out.mkdir(parents=True, exist_ok=True)
    patches, stored = Patches(), Store(options.out / "outputs")
    for seed, arm in itertools.product(seeds, arms):
        name, folder = f"{arm}-{seed}", options.out / "runs" / f"{arm}-{seed}"
        if not options.write and not stored.has(name):
            folder = train(options.out, arm, seed, options.steps)
        if (folder / "model").exists():
            stored.get(name, lambda folder=folder: evaluate(folder, patches))
    found = summary(patches, stored, seeds)
    for row in found["rows"]:
        print(row["arm"], row["seeds"], {k: f"{v['mean']:.3f}" for k, v in row["scores"].items()})
    if options.write:
        store("conditioning", found)


if __name__ == "__main__":
    main()
