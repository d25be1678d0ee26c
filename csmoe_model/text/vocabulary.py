"""The words that a text model knows.

Axes, as name suffixes:
    q  sentences    w  words of the longest sentence
"""

import difflib
import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from minortom.errors import InputError

_WORD = re.compile(r"[^\W_]+")
_NEAREST = 3
_JOINING = frozenset(("a", "an", "and", "in", "of", "on", "or", "the", "with"))
"""Words that describe nothing, even inside of a phrase such as "snow and ice"."""

_log = logging.getLogger(__name__)


def words_of(sentence: str) -> list[str]:
    """Return the words of a sentence, in lower case."""
    return _WORD.findall(sentence.lower())


@dataclass(frozen=True, kw_only=True)
class Read:
    """A sentence as a text model reads it."""

    understood: tuple[str, ...]
    """Words of the vocabulary, in the order of the sentence."""
    unknown: tuple[str, ...]
    """Words that were left out, without words such as "of"."""


@dataclass(frozen=True, kw_only=True)
class Vocabulary:
    """Words that were trained, and those of them that say something about a patch."""

    words: tuple[str, ...]
    """All words, sorted."""
    descriptive: frozenset[str]
    """Words of phrases; the others, such as "image", come from templates only."""

    @classmethod
    def of(cls, sentences: Sequence[str], phrases: Sequence[str]) -> "Vocabulary":
        """Return the words of sentences; those of phrases are descriptive."""
        words = {word for sentence in dict.fromkeys(sentences) for word in words_of(sentence)}
        said = {word for phrase in phrases for word in words_of(phrase)}
        return cls(words=tuple(sorted(words)), descriptive=frozenset(words & said - _JOINING))

    @cached_property
    def _numbers(self) -> dict[str, int]:
        return {word: number for number, word in enumerate(self.words)}

    def read(self, sentence: str) -> Read:
        """Read a sentence; a word in the plural or singular of a known word is that word."""
        understood: list[str] = []
        unknown: list[str] = []
        for word in words_of(sentence):
            known = next((form for form in _forms(word) if form in self._numbers), None)
            if known is not None:
                understood.append(known)
            elif word not in _JOINING:
                unknown.append(word)
        return Read(understood=tuple(understood), unknown=tuple(dict.fromkeys(unknown)))

    def read_query(self, sentence: str) -> Read:
        """Read a sentence that must have a descriptive word.

        Raises:
            InputError: If it has none.
        """
        read = self.read(sentence)
        if set(read.understood) & self.descriptive:
            return read
        given = words_of(sentence)
        if not given:
            raise InputError(
                f"expected a sentence with words, found {sentence!r}; give one such as "
                f"{' '.join(sorted(self.descriptive)[:2])!r}"
            )
        near = dict.fromkeys(
            one
            for word in given
            for one in difflib.get_close_matches(
                word, sorted(self.descriptive), n=_NEAREST, cutoff=0
            )
        )
        raise InputError(
            f"expected words that describe a patch, found none in {sentence!r}; the nearest by "
            f"spelling are {', '.join(near)}; the file vocabulary.txt of the text model has all"
        )

    def note_unknown(self, read: Read) -> None:
        """Log the words of a sentence that were left out."""
        if read.unknown:
            _log.warning(
                "the text model does not know %s; left out, understood: %s",
                ", ".join(read.unknown), " ".join(read.understood),
            )  # fmt: skip

    def numbers_of(self, sentences: Sequence[str]) -> NDArray[np.int64]:
        """Return the numbers of the known words of sentences, counted from 1 [q, w]; 0 is none."""
        found = [
            [self._numbers[word] + 1 for word in self.read(sentence).understood]
            for sentence in sentences
        ]
        number_qw = np.zeros((len(found), max((len(one) for one in found), default=0)), np.int64)
        for row, one in zip(number_qw, found, strict=True):
            row[: len(one)] = one
        return number_qw


def _forms(word: str) -> tuple[str, ...]:
    return (word, word.removesuffix("s")) if word.endswith("s") else (word, word + "s")
