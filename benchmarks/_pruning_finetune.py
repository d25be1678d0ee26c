"""Fine-tuning of pruned models: seconds a step and accuracy, beside the unpruned ones."""

import statistics
import time

import numpy as np
import torch
from _paired import difference
from _planet_models import csmoe, pretrained, shards
from _pruning_ways import pruned
from finetune import EPOCHS, MODEL, SCORE, tuned

from csmoe_model.csmoe import CSMoE
from csmoe_model.evaluation.bootstrap import Bootstrap
from csmoe_model.evaluation.metrics import score
from csmoe_model.finetuning.network import FineTuned
from csmoe_model.probing.predictions import read_predictions
from minortom.sensors import MODEL_BANDS

SEEDS, SHOTS, SENSOR, KEEP = (0, 1, 2), (400, 100), "s2", 2
BATCH, CLASSES, TURNS, STEPS = 32, 9, 8, 4
"""Images of a step, and outputs; turns of the two networks, and steps of each turn."""


def finetune(out):
    """Fine-tune whole and pruned models on few labels; return their speed and their scores.

    The unpruned runs are those of `benchmarks/finetune.py OUT/tuned`.
    """
    rows = [_compared(out, shots) for shots in SHOTS]
    return {
        "rows": rows, "seeds": len(SEEDS), "keep": KEEP, "sensor": SENSOR, "speed": step_speed(out)
    }  # fmt: skip


def step_speed(out):
    """Return the seconds of a training step of the whole and the pruned network, in turns."""
    whole = CSMoE.from_pretrained(pretrained("seed-0"))
    encoders = {
        "whole": CSMoE(whole.config, encoder_of=(SENSOR,)),
        "half": CSMoE.from_pretrained(pruned(out, 0, SENSOR, KEEP)),
    }
    channels, side = len(MODEL_BANDS[SENSOR]), whole.config.image_size
    image_BCHW, label_B = torch.randn(BATCH, channels, side, side), torch.arange(BATCH) % CLASSES
    seconds, train = {name: [] for name in encoders}, {}
    for name, encoder in encoders.items():
        head = torch.nn.Linear(whole.config.width, CLASSES)
        network = FineTuned(encoder, head, sensors=(SENSOR,), pooling="cls").train()
        train[name] = network, torch.optim.AdamW(network.parameters(), lr=1e-5)
    for turn in range(TURNS):
        for name, (network, optimiser) in train.items():
            start = time.perf_counter()
            for _ in range(STEPS):
                optimiser.zero_grad()
                logits_BK = network({SENSOR: image_BCHW})
                torch.nn.functional.cross_entropy(logits_BK, label_B).backward()
                optimiser.step()
            if turn:  # the first turn warms up
                seconds[name].append((time.perf_counter() - start) / STEPS)
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    return {**medians, "ratio": medians["half"] / medians["whole"]}


def _compared(out, shots):
    """Return the scores of both, and their difference over cells and seeds."""
    folders = {
        "whole": [tuned(out / "tuned", seed, shots, SENSOR) for seed in SEEDS],
        "half": [_tuned_half(out, seed, shots) for seed in SEEDS],
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
    gap = difference(*((value[name], draw[name]) for name in ("half", "whole")))
    scores = {name: v.mean() for name, v in value.items()}
    return {
        "shots": shots,
        "score": scores,
        "difference": dict(zip(("value", "low", "high"), gap, strict=True)),
    }


def _tuned_half(out, seed, shots):
    """Fine-tune a pruned model, or resume the run; return its folder."""
    folder = out / "tuned" / f"half-{shots}-seed-{seed}"
    if not (folder / "model").exists():
        begun = (folder / "config.yaml").exists()
        csmoe(
            "finetune", pruned(out, seed, SENSOR, KEEP), "--data", "shards", "--root",
            shards("probing"), "--sensor", SENSOR, "--shots", shots, "--epochs", EPOCHS[shots],
            "--validations", 4, "--seed", seed, "--no-compare", "--no-tensorboard", "--save-every",
            50, "--out", folder, *(["--resume"] if begun else []),
        )  # fmt: skip
    return folder
