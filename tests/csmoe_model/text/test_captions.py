"""Captions from templates, what they mean, and a user's own."""

import csv

import numpy as np
import pytest
from text_maker import patch_table

from csmoe_model.text.attributes import attributes_of, codes_of
from csmoe_model.text.captions import Writer, write_captions
from csmoe_model.text.own_captions import read_captions
from csmoe_model.text.phrases import Phrases
from csmoe_model.text.vocabulary import words_of
from minortom.errors import InputError

PHRASES = Phrases.read()
TABLE = patch_table(24, each=2)
ATTRIBUTES = attributes_of(TABLE, np.ones(len(TABLE), bool), PHRASES)


def captions(templates=PHRASES.templates, *, attributes=ATTRIBUTES, patches=None, each=6, seed=0):
    patches = np.arange(len(TABLE)) if patches is None else np.array(patches)
    return write_captions(
        attributes, templates, patches, num_patches=len(TABLE), each=each,
        rng=np.random.default_rng(seed),
    )  # fmt: skip


def test_a_caption_says_only_what_is_true_of_its_patch():
    made = captions()
    true = codes_of(ATTRIBUTES, len(TABLE))
    for text, patch, said in zip(made.texts, made.patch_m, made.meanings.said_mA, strict=True):
        mentioned = [a for a in range(len(ATTRIBUTES)) if said[a] >= 0]
        assert mentioned
        for a in mentioned:
            assert said[a] == true[patch, a]
            assert any(phrase in text for phrase in ATTRIBUTES[a].phrases[said[a]]), text


def test_meanings_equal_a_slow_comparison():
    made = captions(each=2)
    said, true = made.meanings.said_mA, made.meanings.true_nA
    some, patches = np.arange(0, 90, 7), np.arange(3, 40, 2)
    slow = [
        [all(s in (-1, t) for s, t in zip(said[m], true[n], strict=True)) for n in patches]
        for m in some
    ]
    found = made.meanings.true_of(some, patches)
    np.testing.assert_array_equal(found, slow)
    assert 0 < found.mean() < 1
    distinct = made.meanings.distinct(np.arange(len(made.texts)))
    assert len(distinct) == len({tuple(row) for row in said.tolist()})


def test_each_template_and_phrase_is_used():
    texts = " | ".join(captions(each=60).texts)
    for phrase in ("forest", "woodland", "arid", "hot desert", "northern", "seen from space"):
        assert phrase in texts


def test_the_same_seed_writes_the_same_captions():
    assert captions(seed=1).texts == captions(seed=1).texts
    assert captions(seed=1).texts != captions(seed=2).texts


def test_a_drawn_caption_belongs_to_its_patch():
    made = captions(patches=[2, 5, 9], each=3)
    patches = np.array([9, 2])
    drawn = [made.draw(patches, np.random.default_rng(n)) for n in range(40)]
    assert {tuple(made.patch_m[one]) for one in drawn} == {(9, 2)}
    assert len({one[0] for one in drawn}) == 3  # all captions of patch 9


def test_templates_without_their_columns_are_left_out():
    writer = Writer(ATTRIBUTES, ("{landcover} in {season}", "{climate} climate"))
    assert [template for template, _ in writer.templates] == ["{climate} climate"]
    with pytest.raises(InputError, match="found none that fit"):
        captions(("{season}",))


def write_csv(path, rows, header=("cell", "row", "column", "text")):
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    return path


def test_written_captions_can_be_read_as_own_ones(tmp_path):
    made = captions(each=3)
    (tmp_path / "c.csv").write_bytes(made.as_csv(TABLE))
    read = read_captions(tmp_path / "c.csv", TABLE)
    assert list(read.texts) == list(made.texts)
    np.testing.assert_array_equal(read.patch_m, made.patch_m)


def test_own_captions_are_true_of_the_patches_with_the_same_words(tmp_path):
    cell = TABLE["grid_cell"].to_pylist()
    rows = [(cell[2], 0, 0, "A lake"), (cell[0], 0, 0, "a forest"), (cell[2], 0, 0, "a forest."),
            ("9U_9L", 0, 0, "elsewhere"), (cell[4], 0, 0, "a town")]  # fmt: skip
    read = read_captions(write_csv(tmp_path / "c.csv", rows), TABLE)
    assert read.texts == ["a forest", "A lake", "a forest.", "a town"]
    assert read.captioned.tolist() == [0, 2, 4]
    found = read.meanings.true_of(np.arange(4), np.array([0, 2, 4]))
    np.testing.assert_array_equal(
        found, [[True, True, False], [False, True, False], [True, True, False],
                [False, False, True]],
    )  # fmt: skip
    assert [words_of(read.texts[m]) for m in read.meanings.distinct(np.arange(4))] == [
        ["a", "forest"], ["a", "lake"], ["a", "town"],
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("rows", "header", "message"),
    [
        ([("a", 0, 0, "x")], ("cell", "row", "col", "text"), "must have the columns cell, row"),
        ([("0U_0R", "x", 0, "lake")], None, "whole numbers .* found 'x' and '0' in row 2"),
        ([("0U_0R", 0, 0, "lake"), ("0U_0R", 0, 0, "!")], None, "expected words .* '!' in row 3"),
        ([("9U_9L", 0, 0, "lake")], None, "expected captions of the patches"),
        ([], None, "expected captions of the patches"),
        ([("0U_0R", 0, 0, "x", "y")], ("cell", "row", "column", "text", "text"), "text more than"),
    ],
)  # fmt: skip
def test_own_captions_that_do_not_fit_are_one_line(tmp_path, rows, header, message):
    path = write_csv(tmp_path / "c.csv", rows, header or ("cell", "row", "column", "text"))
    with pytest.raises(InputError, match=message) as refused:
        read_captions(path, TABLE)
    assert "\n" not in str(refused.value)
