"""The benchmark of the loader runs, at a small size."""

import re
import subprocess
import sys

import pytest
from repository import BENCHMARKS

SCRIPT = BENCHMARKS / "loader.py"


@pytest.mark.parametrize("options", [["--cold"], ["--codec", "blosc2"]], ids=["cold", "blosc2"])
def test_it_tells_pairs_a_second_and_ratios_for_each_number_of_threads(tmp_path, options):
    size = ["--pairs", "24", "--batch-size", "4", "--rounds", "1", "--folder", tmp_path]
    told = subprocess.run(
        [sys.executable, SCRIPT, *size, *options], check=True, capture_output=True, text=True
    ).stdout
    assert "24 pairs of 216.0 kB" in told
    found = re.findall(
        r"(\d) threads: +([\d,]+) pairs/s, ([\d.]+) x preadv, ([\d.]+) x memcpy", told
    )
    assert [threads for threads, *_ in found] == ["1", "2"]
    assert all(float(speed.replace(",", "")) > 0 for _, speed, *_ in found)
