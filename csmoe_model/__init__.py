"""CSMoE: a cross-sensor masked autoencoder with soft mixture-of-experts layers.

The names below are the Python API. Each is imported when it is first used, so that
``import csmoe_model`` loads neither numpy nor torch.
"""

import os
from typing import TYPE_CHECKING

from minortom.api.lazy import lazy_names

if TYPE_CHECKING:
    from csmoe_model import ensembles as ensembles
    from csmoe_model import specialists as specialists
    from csmoe_model import text as text
    from csmoe_model.analysis import plot as plot
    from csmoe_model.analysis.inspect import inspect as inspect
    from csmoe_model.csmoe import CSMoE as CSMoE
    from csmoe_model.data.patch_dataset import PatchDataset as PatchDataset
    from csmoe_model.datasets.base import LabelledSet as LabelledSet
    from csmoe_model.datasets.base import LabelledSplit as LabelledSplit
    from csmoe_model.extractors.info import info as info
    from csmoe_model.extractors.load import load_extractor as load_extractor
    from csmoe_model.finetuning.finetune import finetune as finetune
    from csmoe_model.finetuning.predict import predict as predict
    from csmoe_model.inference.embed import embed as embed
    from csmoe_model.inference.export_encoder import export as export
    from csmoe_model.probing.compare import compare as compare
    from csmoe_model.probing.probe import probe as probe
    from csmoe_model.pruning.choice import choose_experts as choose_experts
    from csmoe_model.pruning.prune import prune as prune
    from csmoe_model.pruning.saliency import measure_saliency as measure_saliency
    from csmoe_model.pruning.slicing import keep_experts as keep_experts
    from csmoe_model.recipes import recipe as recipe
    from csmoe_model.retrieval.retrieve import retrieve as retrieve
    from csmoe_model.retrieval.search import search as search
    from csmoe_model.training.train import train as train

__all__ = [
    "CSMoE",
    "LabelledSet",
    "LabelledSplit",
    "PatchDataset",
    "choose_experts",
    "compare",
    "embed",
    "ensembles",
    "export",
    "finetune",
    "info",
    "inspect",
    "keep_experts",
    "load_extractor",
    "measure_saliency",
    "plot",
    "predict",
    "probe",
    "prune",
    "recipe",
    "retrieve",
    "search",
    "specialists",
    "text",
    "train",
]

# Set before torch is imported. OpenMP threads that spin while they wait make a training step up to
# 20 times slower when another process needs a core. Sleeping threads cost an idle machine nothing.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "CSMoE": "csmoe_model.csmoe",
        "LabelledSet": "csmoe_model.datasets.base",
        "LabelledSplit": "csmoe_model.datasets.base",
        "PatchDataset": "csmoe_model.data.patch_dataset",
        "choose_experts": "csmoe_model.pruning.choice",
        "compare": "csmoe_model.probing.compare",
        "embed": "csmoe_model.inference.embed",
        "ensembles": "csmoe_model.ensembles",
        "export": "csmoe_model.inference.export_encoder",
        "finetune": "csmoe_model.finetuning.finetune",
        "info": "csmoe_model.extractors.info",
        "inspect": "csmoe_model.analysis.inspect",
        "keep_experts": "csmoe_model.pruning.slicing",
        "load_extractor": "csmoe_model.extractors.load",
        "measure_saliency": "csmoe_model.pruning.saliency",
        "plot": "csmoe_model.analysis.plot",
        "predict": "csmoe_model.finetuning.predict",
        "probe": "csmoe_model.probing.probe",
        "prune": "csmoe_model.pruning.prune",
        "recipe": "csmoe_model.recipes",
        "retrieve": "csmoe_model.retrieval.retrieve",
        "search": "csmoe_model.retrieval.search",
        "specialists": "csmoe_model.specialists",
        "text": "csmoe_model.text",
        "train": "csmoe_model.training.train",
    },
)
