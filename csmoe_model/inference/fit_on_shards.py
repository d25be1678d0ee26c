"""Fit of an extractor on the training split of shards, for their embeddings."""

from pathlib import Path

import numpy as np

from csmoe_model.checkpoints.hub import CONFIG
from csmoe_model.datasets.base import LabelledSplit
from csmoe_model.datasets.shards import ShardImages, shard_bands
from csmoe_model.extractors.extractor import Extractor
from csmoe_model.extractors.random_convolutions import RandomConvolutions
from minortom.errors import InputError
from minortom.io.artefact import artefact
from minortom.io.provenance import Provenance, licences_in, sha256_of
from minortom.shards.layout import DATASET_FILE
from minortom.shards.shard_set import ShardSet

SEED = 0
"""Seed of the fit."""


def fitted_on(extractor: Extractor, data: ShardSet) -> Extractor:
    """Return an extractor, fitted on the patches of the split `train` if it has to be fitted.

    Raises:
        InputError: If it has to be fitted and there are no such patches.
    """
    if not extractor.needs_fit:
        return extractor
    split = data.metadata(["split"])["split"].to_numpy(zero_copy_only=False).astype(str)
    members = np.flatnonzero(split == "train")
    if not len(members):
        raise InputError(
            f"{extractor.name} is fitted on the split train, found no patch of it in "
            f"{data.folder}; select tiles with `minortom sample --split`, or give a folder of "
            "filters that were fitted on other shards"
        )
    train = LabelledSplit(
        images=ShardImages(data, members), labels=np.zeros(len(members), np.int64)
    )  # fmt: skip
    return extractor.fitted(train, sensors=extractor.sensors, bands=shard_bands(data), seed=SEED)


def filters_beside(out: Path) -> Path:
    """Return the folder of the filters that the vectors in a file were computed with."""
    return out.with_name(f"{out.stem}.extractor")


def keep_filters(extractor: Extractor, data: ShardSet, out: Path, *, overwrite: bool) -> None:
    """Write the filters that were fitted on shards beside their vectors.

    Args:
        extractor: The extractor; one that was loaded from a folder is not written again.
        data: The shards.
        out: File of the vectors.
        overwrite: Whether to replace other filters.

    Raises:
        OutputExistsError: If other filters lie there.
    """
    if not isinstance(extractor, RandomConvolutions) or extractor.folder is not None:
        return
    provenance = Provenance(
        command="embed", options={**extractor.record, "filters": extractor.num_filters}, seed=SEED,
        inputs={"shards": sha256_of(data.folder / DATASET_FILE)},
        licences=licences_in(data.provenance),
    )  # fmt: skip
    folder = filters_beside(out)
    with artefact(
        folder, provenance, inputs=[data.folder], overwrite=overwrite, record=CONFIG
    ) as made:
        if not made.up_to_date:
            extractor.save(made.path, provenance)
