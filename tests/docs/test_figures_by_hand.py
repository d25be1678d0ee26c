"""Figures of README and docs are written by a benchmark, or nothing was measured."""

import re

import pytest
import yaml
from repository import DOCS, REPOSITORY

PAGES = [REPOSITORY / "README.md", *sorted(DOCS.glob("*.md"))]
BY_HAND = yaml.safe_load((REPOSITORY / "tests/docs/figures_by_hand.yaml").read_text("utf-8"))
REASONS = {"definition", "arithmetic"}
NOT_TEXT = re.compile(
    r"<!-- figures: .*?<!-- end of figures -->|^```.*?^```|`[^`\n]*`", re.DOTALL | re.MULTILINE
)
"""Tables that a benchmark writes, examples, and code."""
_NUMBER = r"\d[\d,]*(?:\.\d+)?"
_UNITS = (
    r"%|×(?! ?\d)|seconds?\b|s\b|ms\b|minutes?\b|hours?\b|[KMG]B\b|[KMG]iB\b|points\b|TFLOP"
    r"|(?:pairs|patches|images) a second"
)
FIGURE = re.compile(rf"(?<![\w.,–-])[+−-]?{_NUMBER}(?: ?(?:–|to|and|/) ?{_NUMBER})? ?(?:{_UNITS})")
"""A number, or a range, with a unit of something that is usually measured."""


def figures_of(text):
    """Return the figures of a page outside of its written tables."""
    return set(FIGURE.findall(" ".join(NOT_TEXT.sub("`code`", text).split())))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_each_figure_is_written_by_a_benchmark_or_has_a_reason(page):
    known = BY_HAND.get(page.stem, {})
    named = {figure for figures in known.values() for figure in figures}
    found = figures_of(page.read_text(encoding="utf-8"))

    assert set(known) <= REASONS
    assert found - named == set(), "write them by a benchmark, or name them in figures_by_hand.yaml"
    assert named - found == set(), "delete them from figures_by_hand.yaml"


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("It takes 12 s and 1.5 GB.", {"12 s", "1.5 GB"}),
        ("between 1.2 to 1.4 s, −2.7 points", {"1.2 to 1.4 s", "−2.7 points"}),
        ("a patch of 120 px, 2 × 3 blocks, version 1.2", set()),
        ("`--split 5 %` and\n```\n40 s\n```\n", set()),
        ("<!-- figures: x -->\n9 s\n<!-- end of figures -->\n78.7 % of them", {"78.7 %"}),
    ],
)
def test_figures_are_numbers_with_units_outside_of_code_and_tables(text, wanted):
    assert figures_of(text) == wanted
