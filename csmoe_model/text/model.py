"""A trained text model: its network, its vocabulary, and the features that it was trained on.

Axes, as name suffixes:
    n  patches    q  sentences    F  width of a feature    D  width of the common space
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from csmoe_model.checkpoints.hub import CONFIG
from csmoe_model.checkpoints.weights import read_json, write_tensors
from csmoe_model.distributed.device import best_device
from csmoe_model.extractors.stored import tensors_sha256
from csmoe_model.text.network import TextNetwork
from csmoe_model.text.patches import Patches
from csmoe_model.text.vocabulary import Vocabulary
from minortom.api.arguments import path_of
from minortom.errors import InputError
from minortom.io.atomic_write import write_json, write_text
from minortom.io.provenance import KEY, Provenance, licences_in
from minortom.io.schema import PROVENANCE, count, list_of, record, text

KIND = "text"
WEIGHTS = "text.safetensors"
WORDS = "vocabulary.txt"
"""File with one word per line, in the order of their vectors."""
_MODEL = "model"
"""Folder of the text model in that of its run."""
_CONFIG = record(
    kind=text, sensor=text, features=count, extractor_sha256=text, descriptive=list_of(text),
    **{KEY: PROVENANCE},
)  # fmt: skip
_ADVICE = "copy the whole folder of the text model again"
_CHUNK = 65536
"""Patches encoded at once."""

Vectors = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True, eq=False)
class TextModel:
    """A network that compares patches with sentences."""

    network: TextNetwork
    vocabulary: Vocabulary
    sensor: str
    """Sensor of the vectors that it was trained on: `s2`, `s1` or `both`."""
    extractor_sha256: str
    """Hash of the extractor that made these vectors."""
    licences: tuple[str, ...] = ()

    def image_vectors(self, feature_nF: Vectors) -> Vectors:
        """Return the unit vectors of frozen features [n, D]."""
        device, parts = self.network.bias.device, []
        for start in range(0, len(feature_nF), _CHUNK):
            chunk = torch.from_numpy(np.ascontiguousarray(feature_nF[start : start + _CHUNK]))
            with torch.inference_mode():
                parts.append(self.network.encode_images(chunk.to(device)).cpu().numpy())
        return np.concatenate(parts)

    def text_vectors(self, sentences: Sequence[str]) -> Vectors:
        """Return the unit vectors of sentences [q, D]; unknown words are left out."""
        number_qw = torch.from_numpy(self.vocabulary.numbers_of(sentences))
        with torch.inference_mode():
            found: Vectors = (
                self.network.encode_text(number_qw.to(self.network.bias.device)).cpu().numpy()
            )
        return found

    def probabilities(self, sentences: Sequence[str], feature_nF: Vectors) -> NDArray[np.float64]:
        """Return the probability of each sentence among them for each patch [n, q]."""
        cosine_nq = self.image_vectors(feature_nF) @ self.text_vectors(sentences).T
        logit_nq = cosine_nq.astype(np.float64) * float(self.network.log_scale.detach().exp())
        power_nq = np.exp(logit_nq - logit_nq.max(1, keepdims=True))
        found: NDArray[np.float64] = power_nq / power_nq.sum(1, keepdims=True)
        return found

    @property
    def sha256(self) -> str:
        """Hash of the weights and the vocabulary."""
        words = "\n".join(self.vocabulary.words)
        weights = tensors_sha256(self.network.state_dict())
        return hashlib.sha256(f"{weights}\n{words}".encode()).hexdigest()

    def read(self, embeddings: Path) -> Patches:
        """Read the patches of embeddings of the same extractor and sensor.

        Raises:
            InputError: If the embeddings cannot be read, or are of another extractor or width.
        """
        patches = Patches.read(
            embeddings, self.sensor,  # type: ignore[arg-type]  # checked
            advice="give embeddings of that sensor, by the extractor of the text model",
        )  # fmt: skip
        found, wanted = patches.vector_nD.shape[1], len(self.network.mean_F)
        if found != wanted:
            raise InputError(
                f"expected vectors of {wanted} values, on which the text model was trained, found "
                f"{found} in {embeddings}; embed with the extractor of its training"
            )
        if patches.made_by != self.extractor_sha256:
            raise InputError(
                f"expected vectors of the extractor on whose vectors the text model was trained, "
                f"found those of another one in {embeddings}; embed with that extractor, or train "
                "a text model on these"
            )
        return patches

    def save(self, folder: Path, provenance: Provenance) -> None:
        """Write the weights, the vocabulary and `config.json` into an existing folder."""
        write_tensors(folder, self.network.state_dict(), name=WEIGHTS)
        write_text(folder / WORDS, "".join(f"{word}\n" for word in self.vocabulary.words))
        write_json(
            folder / CONFIG,
            {
                KEY: provenance.as_dict(), "kind": KIND, "sensor": self.sensor,
                "features": len(self.network.mean_F), "extractor_sha256": self.extractor_sha256,
                "descriptive": sorted(self.vocabulary.descriptive),
            },
        )  # fmt: skip


def load_text_model(text_model: str | Path) -> TextModel:
    """Load the text model of a run of `csmoe text train`, or of its `model` folder.

    Raises:
        InputError: If a file is missing or damaged, or it is another kind of model.
    """
    folder = path_of("text_model", text_model)
    folder = folder / _MODEL if (folder / _MODEL / CONFIG).is_file() else folder
    if not (folder / WORDS).is_file():
        raise InputError(
            f"expected a folder of `csmoe text train`, found no {WORDS} in {folder}; train a text "
            "model, or resume an unfinished run"
        )
    config = read_json(folder / CONFIG, _CONFIG, advice=_ADVICE)
    try:
        words = tuple((folder / WORDS).read_text(encoding="utf-8").split())
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read {folder / WORDS} ({error}); {_ADVICE}") from None
    empty = torch.empty(config["features"])
    network = TextNetwork(num_words=len(words), mean_F=empty, std_F=empty)
    _load_weights(network, folder)
    return TextModel(
        network=network.to(best_device()).eval(), sensor=config["sensor"],
        vocabulary=Vocabulary(words=words, descriptive=frozenset(config["descriptive"])),
        extractor_sha256=config["extractor_sha256"], licences=licences_in(config[KEY]),
    )  # fmt: skip


def _load_weights(network: TextNetwork, folder: Path) -> None:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        network.load_state_dict(load_file(folder / WEIGHTS))
    except (OSError, SafetensorError, RuntimeError) as error:
        found = " ".join(str(error).split())[:200]
        raise InputError(
            f"{folder / WEIGHTS} must hold the weights of its {CONFIG} and {WORDS}, found another "
            f"content ({found}); {_ADVICE}"
        ) from None
