"""Gathering of vectors by cell, held to dictionaries."""

from collections import defaultdict

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from embedding_maker import cell_names, clumped, write_embeddings, write_fragments

from minortom.clustering.cell_clusters import cell_clusters
from minortom.clustering.cell_vectors import CellVectors, Gathering
from minortom.clustering.embedding_files import open_embeddings
from minortom.clustering.embedding_rows import read_batches
from minortom.clustering.levels import Assigned, Level
from minortom.grid.cells import cells_from_names


def ignore(_):
    pass


@pytest.fixture
def fragments(tmp_path):
    """Rows of cells that are scattered over two files of a folder; (folder, cells, vectors)."""
    rng = np.random.default_rng(5)
    names = cell_names(40)
    cells = [names[i] for i in rng.integers(40, size=300)]
    vectors, _ = clumped(300, spread=1.0)
    (tmp_path / "folder").mkdir()
    write_fragments(tmp_path / "folder" / "part_1.parquet", cells[:170], vectors[:170])
    write_fragments(tmp_path / "folder" / "part_2.parquet", cells[170:], vectors[170:])
    return tmp_path / "folder", cells, vectors


def gathered(source, work, *, metric="euclidean", rows="mean", sensor=None):
    work.mkdir(exist_ok=True)
    embeddings = open_embeddings([source], sensor)
    found = Gathering(metric=metric, rows=rows).open(embeddings, work, on_rows=ignore)
    with found.vectors as file:
        return found, file.read(0, len(file))


@pytest.mark.parametrize("metric", ["euclidean", "spherical"])
def test_the_vectors_of_a_cell_are_averaged(fragments, tmp_path, metric):
    folder, cells, vectors = fragments
    by_cell = defaultdict(list)
    for cell, vector in zip(cells, vectors.astype(float), strict=True):
        by_cell[cell].append(vector / np.linalg.norm(vector) if metric == "spherical" else vector)
    means = {cell: np.mean(rows, axis=0) for cell, rows in by_cell.items()}
    if metric == "spherical":
        means = {cell: mean / np.linalg.norm(mean) for cell, mean in means.items()}

    found, values = gathered(folder, tmp_path / "work", metric=metric)

    assert found.cells.names().tolist() == list(means)  # in the order in which they occur
    np.testing.assert_allclose(values, np.array([*means.values()]), atol=1e-5)
    assert found.rows == 300


@pytest.mark.parametrize(
    "kind",
    [pa.large_list(pa.float64()), pa.list_(pa.float32(), 8), pa.list_(pa.decimal128(20, 9))],
    ids=str,
)
def test_a_vector_is_a_list_of_numbers_of_any_type(kind, tmp_path):
    vectors, _ = clumped(6)
    path = write_fragments(tmp_path / "e.parquet", cell_names(6), vectors, kind=kind)
    _, values = gathered(path, tmp_path / "work")  # in the order in which the cells occur
    np.testing.assert_allclose(values, vectors, rtol=1e-6, atol=1e-8)


def test_with_votes_each_row_stays_a_vector(fragments, tmp_path):
    folder, cells, vectors = fragments
    found, values = gathered(folder, tmp_path / "work", rows="vote")

    np.testing.assert_array_equal(values, vectors)
    assert found.cells.names()[found.cell_n].tolist() == cells


def test_vectors_are_not_read_again_in_a_folder_that_has_them(fragments, tmp_path):
    folder, *_ = fragments
    _, first = gathered(folder, tmp_path / "work")
    embeddings = open_embeddings([folder], None)
    for part in folder.iterdir():
        part.unlink()

    again = Gathering(metric="euclidean", rows="mean").open(
        embeddings, tmp_path / "work", on_rows=ignore
    )
    with again.vectors as file:
        np.testing.assert_array_equal(file.read(0, len(file)), first)


@pytest.mark.parametrize("sensor", ["s2", "s1", "both", None])
def test_the_rows_of_one_sensor_are_read(tmp_path, sensor):
    values = {name: clumped(30, seed=i)[0] for i, name in enumerate(("s2", "s1", "both"))}
    path = write_embeddings(tmp_path / "e.parquet", cell_names(30), values)

    found, stored = gathered(path, tmp_path / "work", sensor=sensor)

    np.testing.assert_allclose(stored, values[sensor or "both"], rtol=1e-6)
    assert found.rows == 30


def test_the_only_sensor_needs_no_option(tmp_path):
    values = {"s1": clumped(30)[0]}
    path = write_embeddings(tmp_path / "e.parquet", cell_names(30), values)

    assert open_embeddings([path], None).sensor == "s1"


def test_reading_does_not_hold_the_row_groups_of_a_file_in_memory(tmp_path):
    vectors, _ = clumped(20_000, width=256)
    column = pa.FixedSizeListArray.from_arrays(pa.array(vectors.reshape(-1)), 256)
    table = pa.table({"grid_cell": cell_names(20_000), "embedding": column})
    path = tmp_path / "e.parquet"
    pq.write_table(table, path, row_group_size=1000, compression="none", use_dictionary=False)
    embeddings, size = open_embeddings([path], None), path.stat().st_size
    del table, column
    before = pa.total_allocated_bytes()

    held = [pa.total_allocated_bytes() - before for _ in read_batches(embeddings, unit=False)]

    assert len(held) > 3
    assert max(held) < 0.8 * size  # three batches; with all row groups it would be twice the size


def test_a_cell_has_the_cluster_of_most_of_its_rows_and_of_two_the_larger():
    names = ["0U_0R", "1U_0R", "2U_0R"]
    votes = {"0U_0R": [2, 1, 2], "1U_0R": [3, 1, 3, 1], "2U_0R": [0]}
    distance = {"0U_0R": [0.5, 0.1, 0.4], "1U_0R": [9, 3, 9, 2], "2U_0R": [7]}
    gathered = CellVectors(
        vectors=None, cells=cells_from_names(names), rows=8,
        cell_n=np.repeat([0, 1, 2], [3, 4, 1]),
    )  # fmt: skip
    assigned = Assigned(
        label_n=np.concatenate([votes[name] for name in names]),
        distance_n=np.concatenate([distance[name] for name in names]),
    )
    levels = [
        Level(centre_kD=np.zeros((4, 2)), size_k=np.arange(4), parent_k=np.array([1, 1, 0, 0])),
        Level(centre_kD=np.zeros((2, 2)), size_k=np.arange(2)),
    ]

    found = cell_clusters(gathered, assigned, levels)

    rows = {row["grid_cell"]: row for row in found.table.to_pylist()}
    assert {name: row["cluster_1"] for name, row in rows.items()} == {
        "0U_0R": 2, "1U_0R": 1, "2U_0R": 0,
    }  # fmt: skip
    assert {name: row["cluster_2"] for name, row in rows.items()} == {
        "0U_0R": 0, "1U_0R": 1, "2U_0R": 1,
    }  # fmt: skip
    nearest = dict(zip(found.table["grid_cell"].to_pylist(), found.distance_c, strict=True))
    assert nearest == {"0U_0R": 0.4, "1U_0R": 2, "2U_0R": 7}
