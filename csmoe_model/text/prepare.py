"""Preparation of a text training: from columns and phrases, or a user's file, to captions.

Axes, as name suffixes:
    n  patches
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from csmoe_model.text.attributes import Attribute, attributes_of
from csmoe_model.text.captions import Captions, IntArray, write_captions
from csmoe_model.text.own_captions import read_captions
from csmoe_model.text.patches import Patches
from csmoe_model.text.phrases import Phrases
from csmoe_model.text.split import Split
from csmoe_model.text.task import CaptionedPatches
from csmoe_model.text.vocabulary import Vocabulary
from minortom.errors import InputError

_EACH = 8
"""Captions written about each training patch; a batch has one of them."""
_WRITE = 4
"""Stream of random numbers of the captions."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Material:
    """Patches with captions to train and to validate on."""

    patches: Patches
    train: CaptionedPatches
    val: CaptionedPatches
    vocabulary: Vocabulary
    attributes: Sequence[Attribute] = field(default=(), repr=False)
    """Attributes that the captions say; none for a user's own captions."""
    held_out: Sequence[str] = ()
    """Templates of the sentences to validate with."""

    @classmethod
    def from_columns(cls, patches: Patches, phrases: Phrases, *, seed: int) -> "Material":
        """Write captions about the columns of patches.

        Args:
            patches: The patches.
            phrases: Templates and phrases.
            seed: Draws the held-out cells where no split names them, and the captions.

        Raises:
            InputError: If a template has an unknown placeholder, or none fits the columns.
        """
        phrases.check(patches.table.column_names)
        split = Split.of(patches, seed=seed)
        is_train_n = np.zeros(len(patches), np.bool_)
        is_train_n[split.train_n] = True
        attributes = attributes_of(patches.table, is_train_n, phrases)
        written = [
            write_captions(
                attributes, templates, patch_n, num_patches=len(patches), each=each,
                rng=np.random.default_rng([seed, _WRITE, number]),
            )
            for number, (templates, patch_n, each) in enumerate(
                ((phrases.templates, split.train_n, _EACH), (phrases.held_out, split.val_n, 1))
            )
        ]  # fmt: skip
        said = [phrase for one in attributes for of_value in one.phrases for phrase in of_value]
        return cls._of(
            patches, written[0], written[1], split,
            vocabulary=Vocabulary.of(written[0].texts, said), attributes=attributes,
            held_out=phrases.held_out,
        )  # fmt: skip

    @classmethod
    def from_file(cls, patches: Patches, path: Path, *, seed: int) -> "Material":
        """Read a user's own captions, of which all words are descriptive.

        Raises:
            InputError: If the file does not fit.
        """
        split, captions = Split.of(patches, seed=seed), read_captions(path, patches.table)
        texts = [
            text
            for text, is_train in zip(
                captions.texts, np.isin(captions.patch_m, split.train_n), strict=True
            )
            if is_train
        ]
        return cls._of(patches, captions, captions, split, vocabulary=Vocabulary.of(texts, texts))

    @classmethod
    def _of(
        cls, patches: Patches, train: Captions, val: Captions, split: Split,
        *, vocabulary: Vocabulary, attributes: Sequence[Attribute] = (),
        held_out: Sequence[str] = (),
    ) -> "Material":  # fmt: skip
        def captioned(captions: Captions, patch_n: IntArray, name: str) -> CaptionedPatches:
            known = np.intersect1d(captions.captioned, patch_n)
            if not len(known):
                raise InputError(
                    f"expected captions of {name} cells of {patches.source}, found none; add "
                    "captions, or embed more cells"
                )
            return CaptionedPatches(
                feature_nF=patches.vector_nD, captions=captions, patch_n=known,
                vocabulary=vocabulary,
            )  # fmt: skip

        return cls(
            patches=patches, train=captioned(train, split.train_n, "training"),
            val=captioned(val, split.val_n, "held-out"), vocabulary=vocabulary,
            attributes=attributes, held_out=held_out,
        )  # fmt: skip

    def as_csv(self) -> bytes:
        """Return all captions of the training and the held-out patches as CSV."""
        parts = [self.train.captions.as_csv(self.patches.table)]
        if self.val.captions is not self.train.captions:
            parts.append(self.val.captions.as_csv(self.patches.table).partition(b"\n")[2])
        return b"".join(parts)
