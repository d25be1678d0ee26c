"""Run of a text model: from captions to weights, in a folder from which it resumes.

Axes, as name suffixes:
    n  patches    F  width of a feature    D  width of the common space
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from csmoe_model.distributed.device import best_device
from csmoe_model.inference.embeddings import SMALLEST_STD
from csmoe_model.runs.folder import RunFolder
from csmoe_model.text.model import TextModel
from csmoe_model.text.network import HIDDEN, WIDTH, TextNetwork
from csmoe_model.text.prepare import Material
from csmoe_model.text.scoring import score_attribute
from csmoe_model.text.task import TextTask
from csmoe_model.training.supervised import COLUMNS, OnStep, SupervisedResult
from csmoe_model.training.supervised_config import SupervisedConfig
from csmoe_model.training.supervised_run import run_in_folder, train_or_stop
from minortom.api.results import Result
from minortom.io.atomic_write import atomic_folder, write_json
from minortom.io.parse import parse_json
from minortom.io.provenance import KEY, Provenance

_log = logging.getLogger(__name__)

RESULT = "result.json"


@dataclass(frozen=True, kw_only=True)
class TextResult(Result):
    """Result of `csmoe text train`."""

    status: str
    """`trained` or `up to date`."""
    run: Path
    """Folder of the run."""
    sensor: str
    patches: int
    """Patches trained on."""
    words: int
    """Words of the vocabulary."""
    steps: int
    """Steps taken."""
    best_step: int
    """Step whose weights were kept."""
    val_map: float | None
    """Mean average precision of the captions of held-out cells; None if these cells are alike, so
    that each caption is true of all of them."""
    attributes: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """By attribute: the mean average precision of a search for its values in held-out cells
    (`map`), that of a random order (`chance`), and the number of values."""

    def shown(self) -> dict[str, Any]:
        """Return the values, with one line for each attribute."""
        values: dict[str, Any] = self.as_dict()
        for name, one in values.pop("attributes").items():
            values[f"mAP of {name}"] = f"{one['map']:.3f}, chance {one['chance']:.3f}"
        return values


@dataclass(frozen=True, kw_only=True, eq=False)
class TextRun:
    """Training of one text model in one folder."""

    material: Material
    config: SupervisedConfig
    provenance: Provenance
    inputs: Sequence[Path]
    """Files and folders that a new run must not replace."""
    out: Path
    save_every: int
    on_step: OnStep

    def train(self, *, resume: bool, overwrite: bool) -> TextResult:
        """Take the steps that are left and write the model.

        Raises:
            MinorTomError: As `train.train`.
        """
        folder = RunFolder(self.out, columns=COLUMNS, logs_experts=False)
        status = run_in_folder(
            folder, self.provenance, inputs=self.inputs, resume=resume, overwrite=overwrite,
            work=lambda: self._work(folder),
        )  # fmt: skip
        return self._result(status)

    def _work(self, folder: RunFolder) -> None:
        network, material = initial_network(self.material, seed=self.config.seed), self.material
        task = TextTask(train=material.train, val=material.val, config=self.config)
        if not len(task.queries):
            _log.warning(
                "each caption of the %d held-out patches is true of all of them, so that no score "
                "tells how well patches are found; embed more cells", len(task.val),
            )  # fmt: skip
        end = train_or_stop(
            task.supervised(network), folder=folder, save_every=self.save_every,
            on_step=self.on_step,
        )  # fmt: skip
        self._write(folder, network, end, score=end.score if len(task.queries) else None)

    def _write(
        self, folder: RunFolder, network: TextNetwork, end: SupervisedResult,
        *, score: float | None,
    ) -> None:  # fmt: skip
        """Score the attributes; write the result and the model."""
        model = text_model(self.material, network)
        record = {
            "sensor": model.sensor, "patches": len(self.material.train),
            "words": len(model.vocabulary.words), "steps": end.steps, "best_step": end.best_step,
            "val_map": score, "attributes": attribute_scores(self.material, model),
        }  # fmt: skip
        write_json(folder.path / RESULT, {**record, KEY: self.provenance.as_dict()})
        with atomic_folder(folder.model) as temporary:
            model.save(temporary, self.provenance)

    def _result(self, status: str) -> TextResult:
        found: dict[str, Any] = parse_json((self.out / RESULT).read_text(encoding="utf-8"))
        del found[KEY]
        return TextResult(status=status, run=self.out, **found)


def sizes(material: Material) -> dict[str, int]:
    """Return the sizes of the network, for the provenance."""
    return {
        "features": material.patches.vector_nD.shape[1], "hidden": HIDDEN, "width": WIDTH,
        "words": len(material.vocabulary.words),
    }  # fmt: skip


def initial_network(material: Material, *, seed: int) -> TextNetwork:
    """Return the network with random weights and the statistics of the training features."""
    feature_nF = material.patches.vector_nD[material.train.patch_n]
    mean_F, std_F = feature_nF.mean(0, dtype=np.float64), feature_nF.std(0, dtype=np.float64)
    std_F[std_F < SMALLEST_STD] = 1
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = TextNetwork(
            num_words=len(material.vocabulary.words),
            mean_F=torch.from_numpy(mean_F.astype(np.float32)),
            std_F=torch.from_numpy(std_F.astype(np.float32)),
        )
    return network.to(best_device())


def text_model(material: Material, network: TextNetwork) -> TextModel:
    """Return a trained network with its vocabulary."""
    patches = material.patches
    return TextModel(
        network=network.eval(), vocabulary=material.vocabulary, sensor=patches.sensor,
        extractor_sha256=patches.made_by, licences=patches.licences,
    )  # fmt: skip


def attribute_scores(material: Material, model: TextModel) -> dict[str, dict[str, float]]:
    """Return the scores of each attribute on the held-out patches."""
    val_n, train_n = material.val.patch_n, material.train.patch_n
    image_nD = model.image_vectors(material.patches.vector_nD[val_n])
    found = {
        one.name: score_attribute(
            model, one, material.held_out, image_nD=image_nD, patch_n=val_n,
            known=np.unique(one.code_n[train_n]),
        )
        for one in material.attributes
    }  # fmt: skip
    return {name: asdict(one) for name, one in found.items() if one is not None}
