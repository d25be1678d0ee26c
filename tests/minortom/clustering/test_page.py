"""The page of clusters: sizes and example cells."""

import numpy as np
import pyarrow as pa
from page_checks import check_in_all_modes, open_page

from minortom.clustering.cell_clusters import CellClusters
from minortom.clustering.levels import Level
from minortom.clustering.page import PageContent, clusters_page, table_rows
from minortom.io.provenance import Provenance

pytest_plugins = ("browser_fixtures",)

# Finest clusters 0 and 2 are in the cluster 1, the finest cluster 1 is in the cluster 0.
FINEST = np.array([0, 0, 0, 0, 1, 1, 2, 0, 1, 1, 1, 0, 2])
DISTANCE = np.array([5, 1, 2, 3, 7, 6, 9, 4, 8, 5, 3, 6, 1.0])
NAMES = [f"{number}U_0R" for number in range(len(FINEST))]


def made_up():
    labels = (FINEST, np.array([1, 0, 1, 0])[FINEST])
    table = pa.table({
        "grid_cell": NAMES, "lat": np.linspace(0, 50, 13), "lon": np.linspace(5, 20, 13),
    })  # fmt: skip
    cells = CellClusters(table=table, labels=labels, distance_c=DISTANCE)
    sizes = [np.bincount(labels[0], minlength=4), np.bincount(labels[1], minlength=2)]
    return cells, sizes


def test_examples_are_typical_of_the_largest_finest_clusters_in_turn():
    cells, sizes = made_up()

    rows = table_rows(cells, sizes)

    assert [(row.number, row.cells, row.finest) for row in rows] == [(1, 8, 2), (0, 5, 1)]
    assert [cell.name for cell in rows[0].examples] == [
        "1U_0R", "12U_0R", "2U_0R", "6U_0R", "3U_0R", "7U_0R",
    ]  # fmt: skip
    assert [cell.name for cell in rows[1].examples] == [
        "10U_0R", "9U_0R", "5U_0R", "4U_0R", "8U_0R",
    ]  # fmt: skip
    assert rows[0].share == 8 / 13


def test_the_page_shows_sizes_and_examples(tmp_path, browser):
    cells, sizes = made_up()
    levels = [Level(centre_kD=np.zeros((len(s), 2)), size_k=s) for s in sizes]
    provenance = Provenance(
        command="cluster", inputs={"embeddings 1": "ab"}, seed=4,
        options={"width": 2, "sensor": "s2", "metric": "spherical", "model": None},
    )  # fmt: skip

    html = clusters_page(PageContent(cells=cells, levels=levels, vectors=13, rows=20), provenance)

    assert "<h1>13 cells in 3 clusters, these in 2 clusters</h1>" in html
    assert "20 embeddings of width 2, sensor s2;" in html
    assert "The embeddings of a cell were averaged." in html
    assert "<td>8</td><td>61.54 %</td>" in html
    assert "1U_0R <small>4.17, 6.25</small>" in html
    assert html.count("data:image/png;base64,iVBOR") == 2
    (tmp_path / "clusters.html").write_text(html, encoding="utf-8")
    open_page(browser, tmp_path / "clusters.html")
    check_in_all_modes(browser)
