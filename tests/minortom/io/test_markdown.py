import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_reader import HOSTILE, inlines

from minortom.io.markdown import markdown_code, markdown_text

PLACES = {
    "paragraph": "Before {} after.\n",
    "start": "{}\n",
    "item": "- {}\n",
    "heading": "# {}\n",
    "cell": "| a | b |\n|---|---|\n| {} | 1 |\n",
}


def shown(place, text):
    """Return what a reader sees of a text: its characters, of text alone."""
    before, _, after = PLACES[place].partition("{}")
    tokens = inlines(before + markdown_text(text) + after)
    assert {token.type for token in tokens} <= {"text", "text_special"}, tokens
    contents = "".join(token.content for token in tokens)
    if place == "cell":
        contents = contents.removeprefix("ab").removesuffix("1")
    return contents.removeprefix("Before ").removesuffix(" after.")


@pytest.mark.parametrize("place", PLACES)
@given(st.text(st.sampled_from("ab 1_*`[]()<>#+-=.!|~&;:\\/\"'$\n\t\u2028 @^")))
@example(HOSTILE)
@example("1. list")
@example("&lt; &#60; &copy;")
@example("---")
@example("a\n===")
@example("<!-- a -->")
@example("    code")
@example("[a]: http://a.example 'b'")
@example("\\<b>")
@example("~~~")
@example(":---|")
@example("1 #")
@example("a ##")
def test_a_text_shows_its_characters_and_is_one_line(place, text):
    wanted = " ".join(text.split())
    assert "\n" not in markdown_text(text)
    if wanted:
        assert shown(place, text) == wanted


@pytest.mark.parametrize(
    "text",
    ["Köppen-Geiger (CC-BY-4.0): A. Author (2023), https://example.org/a_b?c=1", "min_distance_km",
     "[5.0, 45.0, 6.0, 46.0]", "cells 1", "50 % & more", "a/b-c_d.e", "91.0", "-0.5", "n + 1"],
)  # fmt: skip
def test_ordinary_text_stays_as_it_is(text):
    assert markdown_text(text) == text


def test_code_is_in_code_font_only_where_it_cannot_end_it():
    assert markdown_code("ab" * 32) == f"`{'ab' * 32}`"
    assert markdown_code("annotate") == "`annotate`"
    for odd in ("`a`", "a|b", "a\nb", "", "<b>", "\\"):
        assert markdown_code(odd) == markdown_text(odd)
