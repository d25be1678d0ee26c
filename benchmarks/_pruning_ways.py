"""Ways to make a pretrained model smaller, for the comparison of `_pruning_quality.py`."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from _planet_models import pretrained, shards
from _pruning_baselines import merged, random_kept, slimmed, with_kept

from csmoe_model.csmoe import CSMoE
from csmoe_model.nn.cost import encoder_cost
from csmoe_model.pruning.calibration import class_vectors, draw_patches, drift
from csmoe_model.pruning.choice import choose_experts
from csmoe_model.pruning.prune import prune
from csmoe_model.pruning.saliency import score_experts
from csmoe_model.pruning.slicing import keep_experts
from minortom.shards.shard_set import ShardSet

CALIBRATE = 256
RECOVER = {"recover": 150, "batch_size": 32}


def pruned(out, seed, sensor, keep):
    """Return the folder of a pruned and recovered model; prune it, or resume, unless it exists."""
    folder = out / "models" / f"{sensor}-{seed}-{keep}"
    folder.parent.mkdir(exist_ok=True)
    prune(
        pretrained(f"seed-{seed}"), shards=shards("pretraining"), sensor=sensor, out=folder,
        keep=keep, calibrate=CALIBRATE, workers=1, **RECOVER,
    )  # fmt: skip
    return folder


@dataclass(frozen=True, kw_only=True)
class SmallerModels:
    """Models of one sensor, smaller than a pretrained one. All is read when first needed."""

    out: Path
    patches: object
    """Patches to probe, of `_pruning_quality.py`."""
    seed: int
    sensor: str
    keep: int
    """Experts in each layer."""

    @cached_property
    def model(self):
        """The unpruned model."""
        return CSMoE.from_pretrained(pretrained(f"seed-{self.seed}"))

    @cached_property
    def drawn(self):
        """Patches that score the experts, and others."""
        data = ShardSet.open(shards("pretraining"))
        return draw_patches(self.model, data, CALIBRATE, seed=0, workers=1)

    @cached_property
    def references(self):
        """Vectors of the unpruned model for both."""
        return [class_vectors(self.model, some, (self.sensor,))[self.sensor] for some in self.drawn]

    def drift_of(self, model, number):
        """Return the drift of a model on the patches that score (0) or on the others (1)."""
        found = class_vectors(model, self.drawn[number], (self.sensor,))[self.sensor]
        return drift(found, self.references[number])

    def outputs(self, make):
        """Make a model; return the outputs of the probes, and the drift on the other patches.

        Nothing is returned where no model is made.
        """
        if (model := make()) is None:
            return {}
        vector_nD = self.patches.vectors(model, self.sensor)
        return {**self.patches.outputs(vector_nD), "drift": np.array(self.drift_of(model, 1))}

    def scores(self, by):
        """Return the scores of the experts by a criterion."""
        return score_experts(self.model, self.drawn[0], (self.sensor,), by=by)

    def kept(self, by):
        """Return the experts that a criterion keeps."""
        return choose_experts(self.scores(by), keep=self.keep)

    def chosen(self, by):
        """Return the model with the experts that a criterion keeps."""
        return keep_experts(self.model, self.kept(by))

    def recovered(self):
        """Return the pruned and recovered model."""
        return CSMoE.from_pretrained(pruned(self.out, self.seed, self.sensor, self.keep))

    def merging(self):
        """Return the model whose experts are merged."""
        usage = self.scores("usage").scores
        return merged(self.model, self.sensor, self.kept("reap"), usage)

    def slimming(self):
        """Return the best slimmer model of equal cost; None without one."""
        smaller = with_kept(self.model.config, self.sensor, self.keep)
        macs = encoder_cost(smaller, sensors=(self.sensor,)).macs_full
        models = [one.model for one in slimmed(self.model, self.sensor, macs, self.drawn[0])]
        return min(models, key=lambda model: self.drift_of(model, 0), default=None)

    def random(self, draw):
        """Return the model with random experts."""
        kept = random_kept(self.model.config, self.sensor, self.keep, draw)
        return keep_experts(self.model, kept)
