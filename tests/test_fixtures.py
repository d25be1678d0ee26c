"""Fixtures that test files share."""

import re
from collections import Counter
from pathlib import Path

SUPPORT = Path(__file__).parent / "support"


def test_shared_fixtures_have_names_of_their_own_and_are_asked_for():
    # pytest makes the fixtures of every file in `pytest_plugins` known to all tests, so that one
    # of the same name, or one that is used by itself, would reach the tests of others.
    texts = [path.read_text(encoding="utf-8") for path in SUPPORT.glob("*.py")]
    names = Counter(
        name for text in texts for name in re.findall(r"@pytest\.fixture.*\ndef (\w+)", text)
    )
    assert names["shards"] == 1
    assert [name for name, count in names.items() if count > 1] == []
    assert [text for text in texts if "autouse=True" in text] == []
