"""Measure `csmoe prune`: exactness, dead experts, fidelity, speed, and quality on the planet.

    python benchmarks/pruning.py OUT [--parts exactness,planted,…]

The models are those of `evaluate.py`, and one of them with eight experts. Every part writes its
figures to OUT when it is done; an interrupted benchmark resumes. `--write` joins them to the files
of `RESULTS`: those whose parts are all done.
"""

import argparse
import json
import statistics
import sys
import time
from pathlib import Path

import numpy as np
import torch
from _planet_models import pretrained, shards
from _pruning_baselines import (
    merged,
    planted,
    random_kept,
    slimmed,
    with_kept,
)
from _pruning_finetune import finetune
from _pruning_quality import all_patches, quality
from _results import store
from scipy.stats import spearmanr

from csmoe_model.csmoe import CSMoE
from csmoe_model.experts.kept_experts import SHARED
from csmoe_model.nn.cost import encoder_cost
from csmoe_model.pruning.calibration import class_vectors, draw_patches, drift
from csmoe_model.pruning.choice import choose_experts
from csmoe_model.pruning.saliency import score_experts
from csmoe_model.pruning.slicing import keep_experts
from csmoe_model.recipes import recipe
from minortom.shards.shard_set import ShardSet

sys.path.append(str(Path(__file__).parent.parent / "tests" / "support"))
from masked_twin import masked_tokens

CRITERIA = ("reap", "usage", "norm", "ablation", "greedy")
SENSORS = ("s2", "s1")
CALIBRATE = 256
RANDOM_DRAWS = PLANTINGS = 5
BIG = "experts-8-seed-0"
"""The model with eight experts."""
BATCHES = (1, 8)
"""Images in a batch whose time is measured."""
MODELS = ("seed-0", BIG)
"""Models on which sliced and masked layers are compared."""


def load(name):
    """Return a model and its patches: to score on, and others."""
    model = CSMoE.from_pretrained(pretrained(name))
    data = ShardSet.open(shards("pretraining"))
    return model, *draw_patches(model, data, CALIBRATE, seed=0, workers=1)


def exactness():
    """Compare sliced models with the whole one, whose other experts are masked."""
    rows = []
    for name in MODELS:
        model, _, others = load(name)
        images = next(iter(others.batches(torch.device("cpu"))))
        for sensor in SENSORS:
            for keep in (model.config.num_experts // 2, 1):
                kept = random_kept(model.config, sensor, keep, 0)
                smaller = keep_experts(model, kept)
                with torch.no_grad():
                    found = smaller.backbone.tokens(sensor, images[sensor])
                    wanted = masked_tokens(model, sensor, images[sensor], kept)
                rows.append(
                    {"model": name, "sensor": sensor, "keep": keep,
                     "largest_difference": (found - wanted).abs().max().item()}
                )  # fmt: skip
    return {"rows": rows}


def dead_experts():
    """Count how many of the planted dead experts have the lowest score of their layer."""
    rows = []
    model, scored, _ = load(BIG)
    for unread in (False, True):
        for by in ("reap", "usage", "norm", "ablation"):
            found = total = 0
            for seed in range(PLANTINGS):
                dead_model, dead = planted(model, "s2", seed, unread=unread)
                saliency = score_experts(dead_model, scored, ("s2",), by=by)
                for layer, number in dead.items():
                    scores = saliency.scores[layer]
                    found += min(range(len(scores)), key=scores.__getitem__) == number
                    total += 1
            rows.append({"unread": unread, "by": by, "found": found, "planted": total})
    return {"rows": rows}


def fidelity():
    """Measure the drift of the model with eight experts by every way of making it smaller."""
    model, scored, others = load(BIG)
    rows, agreement = [], {}
    for sensor in SENSORS:
        saliency = {by: score_experts(model, scored, (sensor,), by=by) for by in CRITERIA}
        agreement[sensor] = {
            by: statistics.mean(
                spearmanr(saliency[by].scores[layer], saliency["ablation"].scores[layer]).statistic
                for layer in saliency[by].scores
            ) for by in ("reap", "usage", "norm")
        }  # fmt: skip
        reference = class_vectors(model, others, (sensor,))[sensor]

        def of(smaller, sensor=sensor, reference=reference):
            return drift(class_vectors(smaller, others, (sensor,))[sensor], reference)

        whole = encoder_cost(model.config, sensors=(sensor,))
        experts = model.config.num_experts
        for keep in sorted({3 * experts // 4, experts // 2, experts // 4}, reverse=True):
            cost = encoder_cost(with_kept(model.config, sensor, keep), sensors=(sensor,))
            kept = {by: choose_experts(saliency[by], keep=keep) for by in CRITERIA}
            found = {by: of(keep_experts(model, kept[by])) for by in CRITERIA}
            usage = saliency["usage"].scores
            found["merging"] = of(merged(model, sensor, kept["reap"], usage))
            found["random"] = [
                of(keep_experts(model, random_kept(model.config, sensor, keep, draw)))
                for draw in range(RANDOM_DRAWS)
            ]
            slim = [of(one.model) for one in slimmed(model, sensor, cost.macs_full, scored)]
            found["slimming"] = min(slim) if slim else None
            rows.append(
                {"sensor": sensor, "keep": keep, "macs": cost.macs_full / whole.macs_full,
                 "params": cost.params_trainable / whole.params_trainable, "drift": found}
            )  # fmt: skip
            print(rows[-1], flush=True)
    return {"patches": len(others), "experts": experts, "rows": rows,
            "spearman_with_ablation": agreement}  # fmt: skip


def speed():
    """Time the whole and the pruned path of the recipe csmoe-b16, in turns, on two threads."""
    torch.set_num_threads(2)
    torch.manual_seed(0)
    model = CSMoE(recipe("csmoe-b16"), encoder_of=("s2",)).eval()
    kept = dict.fromkeys(model.config.layers("s2", SHARED), (0, 1, 2, 3))
    models = {"whole": model, "half": keep_experts(model, kept)}
    rows = []
    for batch in BATCHES:
        image_BCHW = torch.randn(batch, 10, 224, 224)
        seconds = {name: [] for name in models}
        for turn in range(8):
            for name, one in models.items():
                start = time.perf_counter()
                with torch.inference_mode():
                    one.encode(s2=image_BCHW)
                if turn:  # the first turn warms up caches and allocators
                    seconds[name].append(time.perf_counter() - start)
        medians = {name: statistics.median(values) for name, values in seconds.items()}
        rows.append({"batch": batch, **medians, "ratio": medians["whole"] / medians["half"]})
    macs = {name: encoder_cost(one.config).macs_full for name, one in models.items()}
    return {"rows": rows, "macs": macs}


PARTS = {
    "exactness": exactness, "planted": dead_experts, "fidelity": fidelity, "speed": speed,
    "finetune": finetune, "quality": quality, "all-patches": all_patches,
}  # fmt: skip

WITH_FILES = ("finetune", "quality", "all-patches")
"""Parts that keep models and outputs in OUT: those over several pretraining seeds."""
RESULTS = {
    "pruning": [name for name in PARTS if name not in WITH_FILES], "pruning_quality": WITH_FILES,
}  # fmt: skip
"""Parts of each file in benchmarks/results."""


def main():
    """Run the parts that are missing, and print their figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--parts", default=",".join(PARTS))
    parser.add_argument("--write", action="store_true", help="write benchmarks/results/*.json")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    np.set_printoptions(precision=4)
    for name in options.parts.split(","):
        file = options.out / f"{name}.json"
        if not file.exists():
            found = PARTS[name](options.out) if name in WITH_FILES else PARTS[name]()
            file.write_text(json.dumps(found, indent=1))
        print(name, file.read_text(), flush=True)
    for result, parts in RESULTS.items() if options.write else ():
        files = {name: options.out / f"{name}.json" for name in parts}
        if all(file.exists() for file in files.values()):
            store(result, {name: json.loads(file.read_text()) for name, file in files.items()})


if __name__ == "__main__":
    main()
