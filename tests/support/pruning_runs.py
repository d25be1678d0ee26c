"""Calls of `csmoe_model.prune` on the folder of the fixture `work`, and their records."""

import json

from csmoe_model import prune


def pruned(work, out, checkpoint="model", **options):
    """Prune a model of the folder on its shards; by default for Sentinel-2, on six patches."""
    given = {"sensor": "s2", "workers": 1, "calibrate": 6, **options}
    return prune(work / checkpoint, shards=work / "shards", out=out, **given)


def record_of(folder):
    """Return the content of `pruning.json` of a pruned model."""
    return json.loads((folder / "pruning.json").read_text())
