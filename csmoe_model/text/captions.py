"""Captions: sentences about patches, and of which patches each sentence is true.

Axes, as name suffixes:
    n  patches    m  captions    q  some captions    A  attributes
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy.sparse import csr_array

from csmoe_model.text.attributes import UNKNOWN, Attribute, Codes, codes_of
from csmoe_model.text.phrases import GENERAL, placeholders
from minortom.errors import InputError
from minortom.io.tables import csv_bytes

IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]


class Meanings(Protocol):
    """The patches of which captions are true."""

    def true_of(self, caption_q: IntArray, patch_n: IntArray) -> BoolArray:
        """Return whether captions, by number, are true of patches, by number [q, n]."""
        ...

    def distinct(self, caption_q: IntArray) -> IntArray:
        """Return the first caption of each meaning among some."""
        ...


@dataclass(frozen=True, kw_only=True, eq=False)
class SaidAttributes:
    """Meanings of captions made from attributes."""

    said_mA: Codes
    """Code of each attribute that a caption says; `UNKNOWN` where it says nothing about it."""
    true_nA: Codes
    """Code of each attribute of a patch."""

    def true_of(self, caption_q: IntArray, patch_n: IntArray) -> BoolArray:
        """Return whether all that a caption says holds for a patch."""
        matches = np.ones((len(caption_q), len(patch_n)), np.bool_)
        for said_m, true_n in zip(self.said_mA.T, self.true_nA.T, strict=True):
            said_q = said_m[caption_q][:, None]
            matches &= (said_q == UNKNOWN) | (said_q == true_n[patch_n])
        return matches

    def distinct(self, caption_q: IntArray) -> IntArray:
        """Return the first of the captions that say the same."""
        _, first = np.unique(self.said_mA[caption_q], axis=0, return_index=True)
        return caption_q[np.sort(first)]


@dataclass(frozen=True, kw_only=True, eq=False)
class SameTexts:
    """Meanings of captions that users wrote: true of each patch that has the same text."""

    text_m: IntArray
    """Number of each caption's text."""
    patch_m: IntArray
    num_patches: int

    @cached_property
    def _has(self) -> csr_array:
        shape = int(self.text_m.max(initial=0)) + 1, self.num_patches
        ones = np.ones(len(self.text_m), np.bool_)
        return csr_array((ones, (self.text_m, self.patch_m)), shape=shape)

    def true_of(self, caption_q: IntArray, patch_n: IntArray) -> BoolArray:
        """Return whether a patch has the text of a caption."""
        found: BoolArray = self._has[self.text_m[caption_q]][:, patch_n].toarray() > 0
        return found

    def distinct(self, caption_q: IntArray) -> IntArray:
        """Return the first of the captions with the same text."""
        _, first = np.unique(self.text_m[caption_q], return_index=True)
        return caption_q[np.sort(first)]


@dataclass(frozen=True, kw_only=True, eq=False)
class Captions:
    """Sentences about patches, sorted by patch."""

    texts: Sequence[str]
    patch_m: IntArray
    """Number of the patch of each caption, ascending."""
    meanings: Meanings

    @cached_property
    def captioned(self) -> IntArray:
        """Numbers of the patches that have a caption."""
        return np.unique(self.patch_m)

    def draw(self, patch_n: IntArray, rng: np.random.Generator) -> IntArray:
        """Return the number of one caption of each of some patches, which have captions."""
        first = np.searchsorted(self.patch_m, patch_n, "left")
        count = np.searchsorted(self.patch_m, patch_n, "right") - first
        return first + np.floor(rng.random(len(patch_n)) * count).astype(np.int64)

    def as_csv(self, table: pa.Table) -> bytes:
        """Return the captions as CSV with the columns cell, row, column and text."""
        rows = table.take(self.patch_m)
        names = {"cell": "grid_cell", "row": "patch_row", "column": "patch_col"}
        columns = {name: rows[column] for name, column in names.items()}
        return csv_bytes(pa.table({**columns, "text": pa.array(self.texts, pa.string())}))


class Writer:
    """Writes sentences from templates, about the attributes that a patch has."""

    def __init__(self, attributes: Sequence[Attribute], templates: Sequence[str]) -> None:
        """Store the templates whose placeholders some attributes can fill."""
        self.attributes = attributes
        self._fills: dict[str, list[int]] = {}
        for number, attribute in enumerate(attributes):
            for name in dict.fromkeys((attribute.placeholder, attribute.name)):
                self._fills.setdefault(name, []).append(number)
        named = [(template, placeholders(template)) for template in templates]
        self.templates = [(t, names) for t, names in named if all(n in self._fills for n in names)]

    def about(self, codes_A: IntArray, rng: np.random.Generator) -> tuple[str, IntArray] | None:
        """Return a sentence that is true of a patch, and what it says [A]; None if there is none.

        Args:
            codes_A: Codes of the patch.
            rng: Draws the template, the attributes and the phrases.
        """
        for place in rng.permutation(len(self.templates)):
            template, names = self.templates[place]
            found = self._filled(template, names, codes_A, rng)
            if found is not None:
                return found
        return None

    def _filled(
        self, template: str, names: Sequence[str], codes_A: IntArray, rng: np.random.Generator
    ) -> tuple[str, IntArray] | None:
        said_A, words = np.full(len(self.attributes), UNKNOWN), {}
        for name in names:
            fits = [a for a in self._fills[name] if codes_A[a] != UNKNOWN and said_A[a] == UNKNOWN]
            if not fits:
                return None
            chosen = fits[int(rng.integers(len(fits)))]
            said_A[chosen] = codes_A[chosen]
            phrases = self.attributes[chosen].phrases[int(codes_A[chosen])]
            words[name] = phrases[int(rng.integers(len(phrases)))]
        return template.format(**words), said_A


def write_captions(
    attributes: Sequence[Attribute], templates: Sequence[str], patch_n: IntArray,
    *, num_patches: int, each: int, rng: np.random.Generator,
) -> Captions:  # fmt: skip
    """Write captions about some patches.

    Args:
        attributes: Attributes of all patches.
        templates: Templates to write with.
        patch_n: Numbers of the patches to write about, ascending.
        num_patches: Number of all patches.
        each: Captions of each patch.
        rng: Draws templates, attributes and phrases.

    Raises:
        InputError: If no template fits any of the patches.
    """
    writer, true_nA = Writer(attributes, templates), codes_of(attributes, num_patches)
    found = [
        (number, *one)
        for number in patch_n.tolist()
        for one in _sentences(writer, true_nA[number], each, rng)
    ]
    if not found:
        raise InputError(
            "captions need columns that describe the patches, such as landcover and climate, or "
            f"templates that say them ({', '.join(GENERAL)}), found none that fit; give "
            "--annotated, --templates or --own-captions"
        )
    numbers, texts, said = zip(*found, strict=True)
    return Captions(
        texts=texts, patch_m=np.array(numbers, np.int64),
        meanings=SaidAttributes(said_mA=np.stack(said), true_nA=true_nA),
    )  # fmt: skip


def _sentences(
    writer: Writer, codes_A: IntArray, count: int, rng: np.random.Generator
) -> Iterator[tuple[str, IntArray]]:
    for _ in range(count):
        found = writer.about(codes_A, rng)
        if found is not None:
            yield found
