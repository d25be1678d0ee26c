"""The tables of README and docs are those that the stored results of the benchmarks make."""

import re
import sys

import pytest
from repository import BENCHMARKS, REPOSITORY

sys.path.insert(0, str(BENCHMARKS))

import _bars
import _tables
from _results import stored


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


@pytest.mark.parametrize("name", _bars.BARS)
def test_the_stored_results_meet_the_requirements_for_the_default(name):
    methods = stored("sample")["sets"][name]["methods"]

    assert [measure for measure, *_, holds in _bars.verdicts(name, methods) if not holds] == []
    worse = {**methods, "genetic": methods["random"]}
    failing = {measure for measure, *_, holds in _bars.verdicts(name, worse) if not holds}
    assert {"nn_km", "cover_km", "within_km"} <= failing
