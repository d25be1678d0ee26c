"""Clusters become classes of an annotated file, and strata of a selection."""

from collections import Counter

import numpy as np
import pyarrow.parquet as pq
import pytest
from embedding_maker import cell_names, clumped, write_fragments
from map_maker import write_map

import minortom


@pytest.fixture
def annotated(tmp_path):
    """Annotate 300 cells, of which 60 have no embedding, with both levels of clusters."""
    cells = cell_names(300)
    vectors, _ = clumped(240)
    path = write_fragments(tmp_path / "e.parquet", cells[:240], vectors)
    made = minortom.cluster(path, k=(20, 5), out=tmp_path / "clusters.parquet")
    (tmp_path / "cells.txt").write_text("\n".join(cells))
    codes = np.random.default_rng(0).choice(np.uint8([5, 26]), (18, 36))
    write_map(tmp_path / "climate.tif", codes)
    write_map(tmp_path / "landcover.tif", codes * 0 + 10)
    minortom.annotate(
        tmp_path / "cells.txt", climate=tmp_path / "climate.tif",
        landcover=tmp_path / "landcover.tif", table=f"{made.out}:cluster_1,cluster_2",
        out=tmp_path / "annotated.parquet",
    )  # fmt: skip
    return tmp_path / "annotated.parquet", made


def test_a_cluster_number_is_a_class_and_a_cell_without_embedding_is_unmapped(annotated):
    path, made = annotated
    clusters = dict(
        zip(*(made.table[name].to_pylist() for name in ("grid_cell", "cluster_2")), strict=True)
    )

    rows = pq.read_table(path).to_pylist()

    assert len(rows) == 300
    for row in rows:
        known = clusters.get(row["grid_cell"])
        assert row["cluster_2"] == ("unmapped" if known is None else str(known))


def test_each_cluster_is_a_stratum(annotated, tmp_path):
    path, _ = annotated
    out = tmp_path / "selection.parquet"
    minortom.sample(path, stratify_by="cluster_2", per_stratum=6, method="random", out=out)

    counts = Counter(pq.read_table(out)["cluster_2"].to_pylist())
    assert counts == dict.fromkeys(["0", "1", "2", "3", "4", "unmapped"], 6)
