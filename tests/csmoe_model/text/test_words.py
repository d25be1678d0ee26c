"""Phrases and templates of users, and the vocabulary."""

import pytest

from csmoe_model.text.phrases import Phrases, placeholders
from csmoe_model.text.vocabulary import Vocabulary, words_of
from minortom.errors import InputError

WORDS = Vocabulary.of(
    ["a forest in winter", "cropland", "lakes and snow"],
    ["forest", "winter", "cropland", "lakes and snow", "never said"],
)


def test_a_file_of_templates_adds_to_those_of_the_package(tmp_path):
    own = tmp_path / "own.yaml"
    own.write_text(
        "templates: ['look: {landcover}', '{landcover}']\nheld_out: ['see {soil}']\n"
        "phrases:\n  landcover: {cropland: [fields of corn]}\n  soil: {clay: [clay soil]}\n"
    )
    base, more = Phrases.read(), Phrases.read(own)
    assert more.templates == (*base.templates, "look: {landcover}")  # the other one exists
    assert more.held_out == (*base.held_out, "see {soil}")
    assert more.of("landcover", "cropland") == (
        *base.of("landcover", "cropland"), "fields of corn",
    )  # fmt: skip
    assert more.of("soil", "clay") == ("clay soil",)
    assert more.of("soil", "fine_sand") == ("fine sand",)
    more.check(["soil"])


def test_the_phrases_of_the_package_are_those_of_its_legends():
    phrases = Phrases.read()
    phrases.check([])
    assert all(placeholders(template) for template in (*phrases.templates, *phrases.held_out))
    assert not set(phrases.templates) & set(phrases.held_out)
    assert len(phrases.by_value["climate"]) == 30


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("templates: ['{soil} here']", r"found \{soil\} in the template '\{soil\} here'"),
        ("templates: ['{landcover']", "expected text with placeholders"),
        ("templates: ['{landcover.x}']", "is no plain name"),
        ("templates: ['{0}']", "is no plain name"),
        ("templates: ['{landcover!r}']", "is no plain name"),
        ("templates: forest", "templates must be a list"),
        ("phrases: {landcover: [x]}", r"phrases.landcover must be keys and values"),
        ("sentences: []", "expected the keys templates, held_out, phrases .* found sentences"),
        ("- a", "the file must be keys and values"),
        ("a: [", "cannot read"),
    ],
)
def test_a_bad_file_of_templates_is_one_line(tmp_path, text, message):
    (tmp_path / "own.yaml").write_text(text)
    with pytest.raises(InputError, match=message) as refused:
        Phrases.read(tmp_path / "own.yaml").check(["elevation"])
    assert "\n" not in str(refused.value)


def test_words_are_in_lower_case_and_without_signs():
    assert words_of("Tree_cover, 0–500 m; ÉTÉ!") == ["tree", "cover", "0", "500", "m", "été"]


def test_unknown_words_are_left_out_and_the_plural_is_known():
    read = WORDS.read("Forests of a lake and purple unicorns")
    assert read.understood == ("forest", "a", "lakes", "and")
    assert read.unknown == ("purple", "unicorns")
    assert [WORDS.words[n - 1] for n in WORDS.numbers_of(["x", "a forest"])[1]] == ["a", "forest"]
    assert WORDS.numbers_of(["x", "a forest"])[0].tolist() == [0, 0]


def test_words_of_templates_describe_nothing():
    assert WORDS.descriptive == {"forest", "winter", "cropland", "lakes", "snow"}
    assert "never" not in WORDS.words


@pytest.mark.parametrize(
    ("sentence", "message"),
    [
        ("corpland", "nearest by spelling are cropland"),
        ("wintr forset", "nearest by spelling are winter, .*forest"),
        ("in a and", "expected words that describe a patch, found none in 'in a and'"),
        ("", "expected a sentence with words, found ''"),
        (" ?! ", "expected a sentence with words"),
    ],
)
def test_a_query_that_describes_nothing_is_one_line(sentence, message):
    with pytest.raises(InputError, match=message) as refused:
        WORDS.read_query(sentence)
    assert "\n" not in str(refused.value)
    assert WORDS.read_query("an unknown forest").understood == ("forest",)
