"""The tables of README and docs are those that the stored results of the benchmarks make."""

import re
import sys

import pytest
from repository import BENCHMARKS, REPOSITORY

sys.path.insert(0, str(BENCHMARKS))

import _tables


@pytest.mark.parametrize("name", _tables.DOCUMENTS)
def test_the_tables_are_those_of_the_stored_results(name):
    text = (REPOSITORY / name).read_text(encoding="utf-8")

    assert "<!-- figures: " in text
    assert _tables.with_tables(text) == text, "run python benchmarks/_tables.py"


def test_each_table_is_shown():
    shown = {
        name
        for document in _tables.DOCUMENTS
        for name in re.findall(r"<!-- figures: ([\w-]+) -->", (REPOSITORY / document).read_text())
    }

    assert shown == set(_tables.TABLES)
