"""Results of a benchmark as a file, which the tables of README and docs are made of."""

import json
import os
import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

RESULTS = Path(__file__).parent / "results"
PACKAGES = ("numba", "numpy", "pymoo", "scikit-learn", "scipy", "torch")


def store(name, found):
    """Write the results of a benchmark, with the machine, the versions and the commit."""
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=RESULTS.parent, capture_output=True,
        text=True, check=False,
    ).stdout.strip()  # fmt: skip
    record = {
        "date": datetime.now(UTC).date().isoformat(),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "versions": {"python": platform.python_version()} | {p: version(p) for p in PACKAGES},
        "commit": commit,
    }
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.json").write_text(json.dumps(record | found, indent=1) + "\n")


def stored(name):
    """Return the results of a benchmark."""
    return json.loads((RESULTS / f"{name}.json").read_text())


def measured(name, make, *, how):
    """Return a table with its source, or a sentence where its results are not stored yet.

    Args:
        name: Name of the results and of the benchmark.
        make: Returns the table.
        how: What the benchmark does, for the sentence.
    """
    if not (RESULTS / f"{name}.json").exists():
        return f"Not measured yet; `python benchmarks/{name}.py OUT` {how}."
    return f"{make()}\n\n{source(name)}"


def spanned(values, form=".1f"):
    """Return a share with its interval, in percent or points."""
    middle, low, high = (f"{100 * value:{form}}" for value in values)
    return f"{middle} [{low}, {high}]"


def table(head, rows):
    """Return a Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def source(name, *, script=None):
    """Return the sentence that says what measured a table.

    Args:
        name: Name of the result.
        script: Name of the script that wrote it, where it differs.
    """
    found = stored(name)
    return (
        f"Measured by `benchmarks/{script or name}.py` on {found['date']} ({found['machine']}, "
        f"Python {found['versions']['python']}, commit {found['commit']})."
    )
