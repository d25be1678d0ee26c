"""Golden selections: the tiles that the sampler chose when its quality was measured.

A change of these tiles needs new measurements (benchmarks/sample.py) and new tables in
docs/sample.md.
"""

import hashlib

import pytest
from points import annotated_table, random_lonlat

from minortom.engine.executors import EngineOptions
from minortom.sampling.options import SampleOptions
from minortom.sampling.selection import select


@pytest.mark.parametrize(
    ("method", "golden"),
    [
        ("genetic", "013d7990242f7b9d"),
        ("random", "7f4b90da7304c577"),
        ("farthest-point", "1ed6c3a3224eeb6c"),
        ("grts", "247bfbb464b620b5"),
        ("k-means", "a2eee0de4db7fc71"),
    ],
)
def test_each_method_chooses_the_tiles_it_was_measured_with(method, golden):
    names = [("A/x", "B/y", "C/z")[i % 3] if i % 7 else "D/w" for i in range(600)]
    table = annotated_table(*random_lonlat(600, 11), names)

    rows = select(
        table, SampleOptions(per_stratum=40, method=method), engine=EngineOptions(workers=1)
    ).rows

    assert hashlib.sha256(" ".join(map(str, rows)).encode()).hexdigest()[:16] == golden
