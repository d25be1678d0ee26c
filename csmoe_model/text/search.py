"""`csmoe text search`: find the patches that fit a sentence, and show them on a page.

Axes, as name suffixes:
    n  patches    D  width of the common space
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from csmoe_model.inference.embeddings import PatchNumbers
from csmoe_model.retrieval.hits import cards_of, check_count, check_shards, shown_hit
from csmoe_model.retrieval.search_page import Card, Sentence, search_page
from csmoe_model.text.model import TextModel, load_text_model
from csmoe_model.text.patches import Patches
from minortom.api.arguments import path_of, shown, whole_number
from minortom.api.results import Result
from minortom.errors import InputError
from minortom.io.artefact import artefact
from minortom.io.provenance import Provenance
from minortom.io.up_to_date import check_page, now
from minortom.shards.shard_set import ShardSet


@dataclass(frozen=True, kw_only=True)
class TextSearchResult(Result):
    """Result of `csmoe text search`."""

    status: str
    """`written`, or `up to date`."""
    out: Path
    """The page."""
    understood: tuple[str, ...]
    """Words of the sentence that the text model knows."""
    unknown: tuple[str, ...]
    """Words that were left out."""
    hits: Sequence[Mapping[str, Any]]
    """Columns of each patch and its cosine, best first."""

    def shown(self) -> list[dict[str, Any]]:
        """Return the hits, one row each."""
        return [shown_hit(dict(hit)) for hit in self.hits]


def search(
    text_model: str | Path,
    embeddings: str | Path,
    sentence: str,
    *,
    shards: str | Path,
    html: str | Path,
    k: int = 10,
    overwrite: bool = False,
) -> TextSearchResult:
    """Find the patches that fit a sentence best; write a page that needs no network.

    The sentence is the mean of its words. Words that are not in the vocabulary are left out, with
    a note.

    Args:
        text_model: Folder of a run of `train`, or its `model` folder.
        embeddings: GeoParquet file from `csmoe embed`, by the extractor of the training.
        sentence: Words that describe patches, such as `cropland in a dry climate`.
        shards: Folder of the shards that the embeddings were made from.
        html: Page to write; its name ends in `.html`.
        k: Patches to find, at most 1,000.
        overwrite: Whether to replace an output that was made otherwise.

    Returns:
        The words that were understood, and the hits, best first.

    Raises:
        InputError: If no word of the sentence describes patches, or the embeddings are not of
            the extractor of the training or not of the shards.
        OutputExistsError: If `html` was made from something else.
    """
    started, out = now(), path_of("html", html)
    k = whole_number("k", k, minimum=1)
    check_count(k)
    check_page(out, option="--html")
    model, query = load_text_model(text_model), text_of("sentence", sentence)
    read = model.vocabulary.read_query(query)
    model.vocabulary.note_unknown(read)
    patches = model.read(path_of("embeddings", embeddings))
    data = ShardSet.open(path_of("shards", shards))
    check_shards(patches.source, data)
    provenance = Provenance(
        command="text search", options={"sentence": query, "k": k},
        inputs={"embeddings": patches.sha256, "text_model": model.sha256},
        licences=patches.licences,
    )  # fmt: skip
    with artefact(
        out, provenance, inputs=[patches.source, data.folder, path_of("text_model", text_model)],
        overwrite=overwrite, started=started,
    ) as made:  # fmt: skip
        hits = _hits(model, patches, data, query, k)
        if not made.up_to_date:
            asked = Sentence(text=query, understood=read.understood, unknown=read.unknown)
            page = search_page(
                asked, hits, sensors=(model.sensor, model.sensor), provenance=provenance
            )
            made.path.write_text(page, encoding="utf-8")
    return TextSearchResult(
        status=made.status, out=out, understood=read.understood, unknown=read.unknown,
        hits=[hit.values() for hit in hits],
    )  # fmt: skip


def text_of(name: str, value: object) -> str:
    """Return an argument that must be text.

    Raises:
        InputError: If it is something else.
    """
    if isinstance(value, str):
        return value
    raise InputError(f"{name} must be text, found {shown(value)}")


def _hits(model: TextModel, patches: Patches, data: ShardSet, sentence: str, k: int) -> list[Card]:
    """Return the patches with the largest cosines."""
    cosine_n = model.image_vectors(patches.vector_nD) @ model.text_vectors([sentence])[0]
    best = np.argsort(-cosine_n, kind="stable")[:k]
    samples = PatchNumbers(data).samples_of(patches.table.take(best), patches.source)
    return cards_of(data, list(zip(samples.tolist(), cosine_n[best].tolist(), strict=True)))
