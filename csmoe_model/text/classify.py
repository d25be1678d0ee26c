"""`csmoe text classify`: the class of each patch, among classes that are given in words.

Axes, as name suffixes:
    n  patches    K  classes
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from csmoe_model.inference.embeddings import PATCH
from csmoe_model.text.model import load_text_model
from csmoe_model.text.vocabulary import Vocabulary
from minortom.api.arguments import path_of, several
from minortom.api.results import Result
from minortom.errors import InputError
from minortom.io.artefact import artefact
from minortom.io.geoparquet import points_table, write_table
from minortom.io.provenance import Provenance
from minortom.io.up_to_date import check_parquet, now

_WHERE = (*PATCH, "split")
_PLACE = ("lat", "lon")


@dataclass(frozen=True, kw_only=True)
class TextClassifyResult(Result):
    """Result of `csmoe text classify`."""

    status: str
    """`written`, or `up to date`."""
    out: Path
    """GeoParquet file with the classes."""
    patches: int
    classes: tuple[str, ...]


def classify(
    text_model: str | Path,
    embeddings: str | Path,
    *,
    classes: str | Sequence[str],
    out: str | Path,
    overwrite: bool = False,
) -> TextClassifyResult:
    """Write the most probable of some classes for each patch, and the score of each class.

    The scores of a patch add up to 1: the softmax of the cosines with the sentences of the
    classes, times the scale that the training has found.

    Args:
        text_model: Folder of a run of `train`, or its `model` folder.
        embeddings: GeoParquet file from `csmoe embed`, by the extractor of the training.
        classes: Names or sentences of two or more classes; text with commas between them, or a
            sequence.
        out: GeoParquet file to write: cell, row, column, split, `class`, `score_<class>`, position.
        overwrite: Whether to replace an output that was made otherwise.

    Returns:
        The status, the output, the number of patches and the classes.

    Raises:
        InputError: If there are fewer than two different classes, a class has no word that
            describes patches, two classes have the same known words, or the embeddings are not of
            the extractor of the training.
        OutputExistsError: If `out` was made from something else.
    """
    started, out, names = now(), path_of("out", out), _classes(classes)
    check_parquet(out, "the classes of patches")
    model = load_text_model(text_model)
    _check_words(names, model.vocabulary)
    patches = model.read(path_of("embeddings", embeddings))
    provenance = Provenance(
        command="text classify", options={"classes": list(names)},
        inputs={"embeddings": patches.sha256, "text_model": model.sha256},
        licences=patches.licences,
    )  # fmt: skip
    with artefact(
        out, provenance, inputs=[patches.source, path_of("text_model", text_model)],
        overwrite=overwrite, started=started,
    ) as made:  # fmt: skip
        if not made.up_to_date:
            score_nK = model.probabilities(names, patches.vector_nD)
            table = patches.table.select([n for n in _WHERE if n in patches.table.column_names])
            chosen = np.array(names, object)[score_nK.argmax(1)]
            table = table.append_column("class", pa.array(chosen.tolist(), pa.string()))
            for number, name in enumerate(names):
                column = pa.array(score_nK[:, number].astype(np.float32))
                table = table.append_column(f"score_{name}", column)
            for name in _PLACE:
                table = table.append_column(name, patches.table[name])
            write_table(points_table(table.combine_chunks(), provenance), made.path)
    return TextClassifyResult(status=made.status, out=out, patches=len(patches), classes=names)


def _classes(given: str | Sequence[str]) -> tuple[str, ...]:
    """Return the names of the classes.

    Raises:
        InputError: If they are not two or more, each once.
    """
    expected = "two or more names, such as tree cover,cropland"
    names = given.split(",") if isinstance(given, str) else several(
        "classes", given, expected=expected
    )  # fmt: skip
    if not all(isinstance(name, str) for name in names):
        raise InputError(f"classes must be {expected}, found other values; give text")
    found = tuple(name.strip() for name in names if name.strip())
    if len(found) < 2 or len(set(found)) < len(found):
        raise InputError(
            f"--classes must be {expected}, each once, found {', '.join(found) or 'none'}; give "
            "other classes"
        )
    return found


def _check_words(names: Sequence[str], vocabulary: Vocabulary) -> None:
    """Check that each class has known words of its own; note unknown words.

    Raises:
        InputError: If a class has no word that describes patches, or the words of another class.
    """
    name_of: dict[tuple[str, ...], str] = {}
    for name in names:
        read = vocabulary.read_query(name)
        vocabulary.note_unknown(read)
        other = name_of.setdefault(tuple(sorted(read.understood)), name)
        if other != name:
            raise InputError(
                f"expected --classes with different known words, found {other!r} and {name!r}, "
                f"both understood as {' '.join(read.understood)!r}; leave one of them out"
            )
