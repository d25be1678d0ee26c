"""The tables of a report, against counting by hand."""

import numpy as np
import pyarrow as pa
from report_inputs import annotated_table

from minortom.reporting.comparison import compare
from minortom.reporting.tables import grid_of_strata, table_of_sets
from minortom.sampling.strata import Tiles


def test_table_ii_follows_from_counting_by_hand():
    # Two strata of 6 and 2 tiles on the equator, 1° apart; the first three of each are chosen.
    table = annotated_table(8).set_column(
        7, "stratum", pa.array(["Cfa/tree_cover"] * 6 + ["Dfc/tree_cover"] * 2)
    )
    table = table.set_column(1, "lat", pa.array(np.zeros(8)))
    table = table.set_column(2, "lon", pa.array(np.arange(8.0)))
    table = table.set_column(3, "climate", pa.array(["Cfa"] * 6 + ["Dfc"] * 2))
    table = table.set_column(4, "landcover", pa.array(["tree_cover"] * 8))
    chosen = np.array([1, 1, 1, 0, 0, 0, 1, 1], bool)
    found = compare(table, Tiles.of_table(table), chosen, wanted=np.array([3, 3]), draws=2)
    lines = {r.label: r.values for r in table_of_sets(found)}

    assert lines["Tiles"] == ("8", *["5"] * 5)
    assert lines["Tiles a climate zone"] == ("4", *["2"] * 5)  # 5 tiles / 2 zones, to even
    assert lines["Tiles a land-cover class"] == ("8", *["5"] * 5)
    assert lines["Tiles a combination"][-1] == "3 σ 0"
    assert lines["Distance to the nearest tile"][0] == "111 km"  # a degree
    # All: 8 points on a line, (8 + 1) / 3 degrees; chosen 0, 1, 2, 6, 7: 38 degrees / 10 pairs.
    assert lines["Average distance"] == ("334 km", *lines["Average distance"][1:-1], "423 km")
    # Within the large stratum, chosen 0, 1, 2: pairs of 1, 1 and 2 degrees.
    assert lines["Distance within a stratum"][-1] == "148 km"
    # Tiles 0 to 5 to the nearest of 0, 1, 2: 0, 0, 0, 1, 2, 3 degrees.
    assert lines["Distance to a chosen tile"][-1] == "111 km"


def test_the_grid_of_strata_counts_by_class_in_order_of_code():
    annotated = annotated_table()
    mask = np.arange(len(annotated)) % 3 == 0
    grid = grid_of_strata(annotated, mask)

    assert grid.columns == ("tree_cover", "bare_sparse_vegetation")
    assert [name for name, _ in grid.rows] == ["BWh", "Cfa", "Dfc"]
    strata = np.array(annotated["stratum"].to_pylist())
    for climate, squares in grid.rows:
        for landcover, square in zip(grid.columns, squares, strict=True):
            here = strata == f"{climate}/{landcover}"
            assert square.available == here.sum()
            assert square.chosen == (here & mask).sum()
