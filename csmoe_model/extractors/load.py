"""`load_extractor`: any extractor by its reserved name, its folder or its repository."""

from collections.abc import Callable, Mapping
from pathlib import Path

from csmoe_model.checkpoints.hub import CONFIG, find_checkpoint
from csmoe_model.checkpoints.weights import kind_of
from csmoe_model.extractors.band_statistics import BandStatistics
from csmoe_model.extractors.checkpoint import load_encoder
from csmoe_model.extractors.ensemble import Ensemble, listed_files
from csmoe_model.extractors.extractor import Extractor
from csmoe_model.extractors.random_convolutions import RandomConvolutions
from csmoe_model.extractors.specialist import Specialist
from csmoe_model.extractors.stored import StoredExtractor, read_stored
from minortom.api.arguments import path_of
from minortom.errors import InputError

Load = Callable[[str | Path], Extractor]

RESERVED: Mapping[str, Callable[[], Extractor]] = {
    BandStatistics.kind: BandStatistics.of_model_bands,
    RandomConvolutions.kind: RandomConvolutions.unfitted,
}
"""Extractors without training, by reserved name. A folder of such a name is `./name`."""
KINDS: Mapping[str, Callable[[StoredExtractor, Load], Extractor]] = {
    RandomConvolutions.kind: lambda stored, _: RandomConvolutions.read(stored),
    Specialist.kind: lambda stored, _: Specialist.read(stored),
    Ensemble.kind: Ensemble.read,
}
"""Readers of stored extractors, by the `kind` in `config.json`. A reader gets the content of that
file, and this function to load members."""


def load_extractor(checkpoint: str | Path) -> Extractor:
    """Load a feature extractor: a model, or features that need no training.

    Example:
        >>> extractor = csmoe_model.load_extractor("runs/first")
        >>> vectors = extractor({"s2": s2})  # [B, 10, H, W], reflectance × 10,000
        >>> extractor.cost.multiply_adds

    Args:
        checkpoint: Folder of a run, folder of a model or of another extractor, a repository of
            the hub (`user/name`), or a reserved name: `band-statistics` or `random-convolutions`.
            A folder of such a name is `./band-statistics`, or a `Path`.

    Returns:
        The extractor, called with images by sensor. `random-convolutions` is fitted on training
        images before it is called.

    Raises:
        InputError: If the extractor does not exist, is damaged, or is of an unknown kind.
    """
    if isinstance(checkpoint, str) and checkpoint in RESERVED:
        return RESERVED[checkpoint]()
    folder = _folder(checkpoint)
    kind = kind_of(folder / CONFIG)
    if kind is None:
        return load_encoder(folder)
    if kind not in KINDS:
        raise InputError(
            f"expected an extractor of the kind {', '.join(sorted(KINDS))} in {folder}, found "
            f"{kind}; install a newer version, or give another folder"
        )
    return KINDS[kind](read_stored(folder), load_extractor)


def _folder(checkpoint: str | Path) -> Path:
    path = path_of("checkpoint", checkpoint)
    for folder in (path, path / "model"):
        # An extractor of another kind need not have weights of its own.
        if (folder / CONFIG).is_file() and kind_of(folder / CONFIG) is not None:
            return folder
    return find_checkpoint(checkpoint, listed=listed_files)
