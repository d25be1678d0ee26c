"""Paths of files of the repository that tests read."""

from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
BENCHMARKS = REPOSITORY / "benchmarks"
DOCS = REPOSITORY / "docs"
GOLDEN = REPOSITORY / "tests" / "golden"
