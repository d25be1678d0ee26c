"""Where the files of this repository are that tests read beside the packages."""

from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
BENCHMARKS = REPOSITORY / "benchmarks"
DOCS = REPOSITORY / "docs"
GOLDEN = REPOSITORY / "tests" / "golden"
