"""Fine-tuning of pruned models: seconds a step and accuracy, beside the unpruned ones."""

from dataclasses import asdict

import numpy as np
from _planet_models import csmoe, pretrained, shards
from finetune import EPOCHS, MODEL, SCORE

from csmoe_model.evaluation.bootstrap import Bootstrap, interval
from csmoe_model.evaluation.metrics import score
from csmoe_model.probing.pooling import spread
from csmoe_model.probing.predictions import read_predictions
from csmoe_model.runs.csv_log import RunLog
from csmoe_model.training.supervised import COLUMNS

SEEDS, SHOTS, SENSOR, KEEP = (0, 1, 2), (100, 400), "s2", 2


def finetune(out):
    """Fine-tune whole and pruned models on few labels; return their speed and their scores."""
    rows = []
    for shots in SHOTS:
        folders = {
            name: [_tuned(out, name, seed, shots) for seed in SEEDS] for name in ("whole", "half")
        }
        tables = {
            name: [read_predictions(folder / "predictions.parquet") for folder in some]
            for name, some in folders.items()
        }
        first = tables["whole"][0]
        bootstrap = Bootstrap.over(len(first.truth), first.groups, seed=0)
        runs = {name: [table.of[MODEL][0] for table in some] for name, some in tables.items()}
        value = {name: np.array([score(run)[SCORE] for run in some]) for name, some in runs.items()}
        draw = {
            name: np.stack([bootstrap.draws([run])[SCORE] for run in some])
            for name, some in runs.items()
        }
        wide_R = spread(draw["half"] - draw["whole"], np.random.default_rng(0))
        gap = interval(float((value["half"] - value["whole"]).mean()), wide_R)
        speed = {name: np.median([_speed(f) for f in some]) for name, some in folders.items()}
        rows.append(
            {"shots": shots, "score": {name: v.mean() for name, v in value.items()},
             "difference": asdict(gap), "seconds_ratio": speed["whole"] / speed["half"]}
        )  # fmt: skip
    return {"rows": rows, "seeds": len(SEEDS), "keep": KEEP, "sensor": SENSOR}


def _tuned(out, name, seed, shots):
    """Fine-tune a model, or resume the run; return its folder."""
    checkpoint = pretrained(f"seed-{seed}")
    if name == "half":
        small = out / "models" / f"tuned-{seed}"
        small.parent.mkdir(exist_ok=True)
        csmoe(
            "prune", checkpoint, "--shards", shards("pretraining"), "--sensor", SENSOR, "--keep",
            KEEP, "--workers", 1, "--out", small,
        )  # fmt: skip
        checkpoint = small
    folder = out / f"tuned-{name}-{shots}-{seed}"
    if not (folder / "model").exists():
        begun = (folder / "config.yaml").exists()
        csmoe(
            "finetune", checkpoint, "--data", "shards", "--root", shards("probing"), "--sensor",
            SENSOR, "--shots", shots, "--epochs", EPOCHS[shots], "--validations", 4, "--seed",
            seed, "--no-compare", "--no-tensorboard", "--out", folder,
            *(["--resume"] if begun else []),
        )  # fmt: skip
    return folder


def _speed(folder):
    """Return the median of the images per second of a run."""
    rows = RunLog(folder / "log.csv", COLUMNS).rows("train")
    return float(np.median([float(row["images_per_s"]) for row in rows]))
