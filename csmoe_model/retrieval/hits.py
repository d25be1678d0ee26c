"""Patches that a search finds: the check of their shards, their columns and their pictures."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from csmoe_model.inference.embeddings import PatchVectors, read_vectors
from csmoe_model.retrieval.search_page import Card
from minortom.errors import InputError
from minortom.io.provenance import sha256_of
from minortom.io.up_to_date import stored_provenance
from minortom.plotting.patch_pictures import patch_pictures
from minortom.sensors import MODEL_BANDS
from minortom.shards.layout import DATASET_FILE
from minortom.shards.shard_set import ShardSet

COLUMNS = ("grid_cell", "patch_row", "patch_col", "split", "climate", "landcover", "lat", "lon")
"""Columns of a patch in the result and on the page."""
MAX_HITS = 1000
"""Maximum number of hits on a page: 60 MB of pictures."""
_SHORT = {"grid_cell": "cell", "patch_row": "row", "patch_col": "col"}


def shown_hit(hit: dict[str, Any]) -> dict[str, Any]:
    """Return a hit with short names of its columns, for a terminal."""
    return {_SHORT.get(key, key): value for key, value in hit.items()}


def check_count(k: int) -> None:
    """Check that a page can show a number of hits.

    Raises:
        InputError: If it is too large.
    """
    if k > MAX_HITS:
        raise InputError(
            f"--k must be at most {MAX_HITS:,}, since one page shows all hits, found {k:,}; give "
            "a smaller --k"
        )


def check_shards(embeddings: Path, data: ShardSet) -> None:
    """Check that embeddings were made from some shards.

    Raises:
        InputError: If they were made from others, or have no record.
    """
    if recorded_sha256(embeddings, "shards") != sha256_of(data.folder / DATASET_FILE):
        raise InputError(
            f"expected the shards that {embeddings} was made from, found others in "
            f"{data.folder}; give those shards, or embed these"
        )


def recorded_sha256(embeddings: Path, name: str) -> str:
    """Return the hash of an input that embeddings were made from.

    Raises:
        InputError: If it is not recorded.
    """
    found = input_sha256(embeddings, name)
    if not found:
        raise InputError(
            f"expected the record of `csmoe embed` in the metadata of {embeddings}, found none; "
            "filter and sort the file with a tool that keeps metadata, such as pyarrow"
        )
    return found


def input_sha256(embeddings: Path, name: str) -> str:
    """Return the hash of an input that embeddings were made from; empty where not recorded."""
    inputs = (stored_provenance(embeddings) or {}).get("inputs")
    return str(inputs.get(name, "")) if isinstance(inputs, dict) else ""


def vectors_of(embeddings: Path, sensor: str, data: ShardSet) -> PatchVectors:
    """Read the vectors of one sensor.

    Raises:
        InputError: If there are none, or they cannot be read.
    """
    vectors = read_vectors(embeddings, sensor, data)
    if not len(vectors.samples):
        raise InputError(
            f"expected vectors of {sensor} in {embeddings}, found none; give another --sensor"
        )
    return vectors


def cards_of(data: ShardSet, found: Sequence[tuple[int, float | None]]) -> list[Card]:
    """Return the columns and pictures of patches, by number, with their cosines."""
    rows: list[dict[str, Any]] = (
        data.metadata(COLUMNS).take([number for number, _ in found]).to_pylist()
    )
    pictures = [
        dict(zip(MODEL_BANDS, patch_pictures(data, number), strict=True)) for number, _ in found
    ]
    return [
        Card(columns=row, pictures=of_patch, cosine=cosine)
        for row, of_patch, (_, cosine) in zip(rows, pictures, found, strict=True)
    ]
