"""Fine-tune the pretrained models on few labels, beside their linear probes and random weights.

    python benchmarks/finetune.py out/ [--seeds 0,1,2] [--shots 10,100,400] [--sensor s2]

Labels, models and the distance of more than 100 km between training and test cells are those of
`benchmarks/evaluate.py`; the models are in the cache of `_planet_models.py`. A run of `csmoe
finetune` uses one core. Existing outputs are kept, and a run that was stopped resumes; runs that
are missing are left out of the table with `--no-training`.
"""

import argparse
import os
from pathlib import Path

import numpy as np
from _planet_models import csmoe, pretrained, shards
from _results import store

from csmoe_model.datasets.open_set import open_set
from csmoe_model.evaluation.bootstrap import Bootstrap, interval
from csmoe_model.evaluation.metrics import score
from csmoe_model.probing.pooling import spread
from csmoe_model.probing.predictions import read_predictions

EPOCHS = {10: 20, 100: 8, 400: 4}
"""Passes over the training images, by the number of labels of each class: some minutes a run
on one core. Those of 400 labels were tried on the validation split of seed 0."""
SCORE = "average_accuracy"
FROZEN, UNTRAINED, MODEL = (
    (name, "linear layer") for name in ("frozen model", "untrained model", "model")
)


def tuned(out, seed, shots, sensor):
    """Fine-tune a model, or resume the run; return its folder."""
    folder = out / f"{sensor}-{shots}-seed-{seed}"
    if not (folder / "model").exists():
        begun = (folder / "config.yaml").exists()
        csmoe(
            "finetune", pretrained(f"seed-{seed}"), "--data", "shards", "--root",
            shards("probing"), "--sensor", sensor, "--shots", shots, "--epochs", EPOCHS[shots],
            "--validations", "4", "--seed", seed, "--out", folder, "--no-tensorboard",
            "--save-every", "50", *(["--resume"] if begun else []),
        )  # fmt: skip
    return folder


def pooled(folders, block_n):
    """Return scores and differences of some seeds, with intervals over blocks and seeds.

    Args:
        folders: The runs.
        block_n: Block of ground of each test image.
    """
    tables = [read_predictions(folder / "predictions.parquet") for folder in folders]
    bootstrap = Bootstrap.over(len(tables[0].truth), block_n, seed=0)
    rng = np.random.default_rng(1)

    def row(value_m, draw_mR):
        found = interval(float(np.mean(value_m)), spread(draw_mR, rng))
        return {"value": found.value, "low": found.low, "high": found.high, "each": list(value_m)}

    values = {
        name: np.array([score(table.of[name][0])[SCORE] for table in tables])
        for name in (MODEL, FROZEN, UNTRAINED)
    }
    draws = {
        name: np.stack([bootstrap.draws(table.of[name])[SCORE] for table in tables])
        for name in values
    }
    rows = {name[0]: row(values[name], draws[name]) for name in values}
    for other in (FROZEN, UNTRAINED):
        # Each seed's networks are scored on the same draws of cells.
        rows[f"model minus {other[0]}"] = row(
            values[MODEL] - values[other], draws[MODEL] - draws[other]
        )
    return rows


def main():
    """Print and store the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--seeds", default="0,1,2", help="seeds of the pretraining")
    parser.add_argument("--shots", default="10,100,400", help="training images of each class")
    parser.add_argument("--sensor", default="s2")
    parser.add_argument("--no-training", action="store_true", help="use finished runs only")
    options = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    options.out.mkdir(parents=True, exist_ok=True)
    block_n, found = open_set("shards", shards("probing")).split("test").independent, {}
    for shots in map(int, options.shots.split(",")):
        folders = [
            options.out / f"{options.sensor}-{shots}-seed-{seed}"
            for seed in options.seeds.split(",")
        ]
        if not options.no_training:
            for seed in options.seeds.split(","):
                tuned(options.out, seed, shots, options.sensor)
        done = [folder for folder in folders if (folder / "model").exists()]
        if done:
            found[str(shots)] = {"seeds": len(done), "rows": pooled(done, block_n)}
            print(shots, "labels a class,", len(done), "seeds")
            for name, row in found[str(shots)]["rows"].items():
                text = f"{100 * row['value']:.1f} [{100 * row['low']:.1f}, {100 * row['high']:.1f}]"
                print(f"  {name}: {text}", flush=True)
    counts = {"images": len(block_n), "blocks": len(np.unique(block_n))}
    store("finetune", {"sensor": options.sensor, "score": SCORE, **counts, "shots": found})


if __name__ == "__main__":
    main()
