"""Scores of the attributes of held-out cells: what a text model can be asked.

Axes, as name suffixes:
    q  sentences    n  patches
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from csmoe_model.text.attributes import Attribute
from csmoe_model.text.model import TextModel
from csmoe_model.text.phrases import placeholders
from csmoe_model.text.task import average_precisions

IntArray = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class AttributeScore:
    """Retrieval of the values of an attribute by sentences."""

    map: float
    """Mean average precision over the values and their phrases."""
    chance: float
    """Mean share of the patches that have a value: the precision of a random order."""
    values: int
    """Values that some of the patches have, and others have not."""


def sentences_of(attribute: Attribute, templates: Sequence[str]) -> list[list[str]]:
    """Return sentences for each value: each phrase in a template that says nothing else.

    Where no template fits, the sentence is the phrase alone.
    """
    names = {attribute.placeholder, attribute.name}
    fits = [(t, p) for t in templates if len(p := placeholders(t)) == 1 and p[0] in names]
    fits = fits or [(f"{{{attribute.name}}}", [attribute.name])]
    found = []
    for phrases in attribute.phrases:
        filled = []
        for number, phrase in enumerate(phrases):
            template, (name,) = fits[number % len(fits)]
            filled.append(template.format(**{name: phrase}))
        found.append(filled)
    return found


def score_attribute(
    model: TextModel, attribute: Attribute, templates: Sequence[str],
    *, image_nD: NDArray[np.float32], patch_n: IntArray, known: IntArray,
) -> AttributeScore | None:  # fmt: skip
    """Score the search for each value of an attribute; None if no value can be told apart.

    Args:
        model: The text model.
        attribute: The attribute.
        templates: Templates, which should be held-out ones.
        image_nD: Vectors of the patches to search, in the common space.
        patch_n: Numbers of these patches.
        known: Codes that the training patches have; others are left out.
    """
    code_n = attribute.code_n[patch_n]
    precisions, shares = [], []
    for code, sentences in enumerate(sentences_of(attribute, templates)):
        is_true_n = code_n == code
        if code not in known or is_true_n.all() or not is_true_n.any():
            continue
        score_qn = (model.text_vectors(sentences) @ image_nD.T).astype(np.float64)
        is_true_qn = np.tile(is_true_n, (len(sentences), 1))
        precisions.append(float(np.mean(average_precisions(is_true_qn, score_qn))))
        shares.append(float(is_true_n.mean()))
    if not precisions:
        return None
    return AttributeScore(
        map=float(np.mean(precisions)), chance=float(np.mean(shares)), values=len(shares)
    )
