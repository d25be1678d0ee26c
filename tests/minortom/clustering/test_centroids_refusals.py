"""``minortom cluster --centroids``: embeddings that do not fit, and files that are no centroids."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from cluster_calls import CELLS, VALUES, refused, write_fine
from embedding_maker import write_embeddings
from minortom_cli.console import run
from minortom_cli.main import app


@pytest.fixture
def centroids(tmp_path):
    """Write centroids of 3 and 2 clusters of a model, beside embeddings of the same model."""
    write_embeddings(tmp_path / "e.parquet", CELLS, {"s2": VALUES})
    words = ["cluster", str(tmp_path / "e.parquet"), "--k", "3,2", "--out"]
    assert run(app, [*words, str(tmp_path / "first.parquet")]) == 0
    return tmp_path / "first.centroids.parquet"


def of_another_width(folder):
    write_embeddings(folder / "e.parquet", CELLS, {"s2": VALUES[:, :6]})


def of_another_model(folder):
    write_embeddings(folder / "e.parquet", CELLS, {"s2": VALUES}, weights="b" * 64)


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (of_another_width, "expected embeddings of width 8, as the centroids in"),
        (of_another_model, "expected embeddings of the model aaaaaaaaaaaa…"),
    ],
)
def test_embeddings_that_do_not_fit_the_centroids_are_refused(
    centroids, write, message, tmp_path, capsys
):
    write(tmp_path)

    code, line = refused(tmp_path, f"--centroids {centroids}", capsys)

    assert code == 1
    assert message in line


def test_embeddings_of_an_unknown_model_and_the_same_width_are_assigned(centroids, tmp_path):
    write_fine(tmp_path)
    words = ["cluster", str(tmp_path / "e.parquet"), "--centroids", str(centroids)]

    assert run(app, [*words, "--out", str(tmp_path / "out.parquet")]) == 0


def without_record(table):
    return table.replace_schema_metadata(None)


def without_rows(table):
    return table.slice(0, 0)


def without_a_cluster(table):
    return table.slice(1)


def with_a_parent_too_large(table):
    return table.set_column(2, "parent", pa.array([0, 1, 2, None, None], pa.int32()))


def without_a_parent(table):
    return table.set_column(2, "parent", pa.array([0, 1, None, None, None], pa.int32()))


def with_nan(table):
    width = table["vector"].type.list_size
    flat = table["vector"].combine_chunks().flatten().to_numpy().copy()
    flat[3] = np.nan
    column = pa.FixedSizeListArray.from_arrays(pa.array(flat), width)
    return table.set_column(4, "vector", column)


def with_levels_as_text(table):
    return table.set_column(0, "level", pa.array(["1"] * len(table)))


def with_lists_of_any_length(table):
    column = table["vector"].combine_chunks().cast(pa.list_(pa.float32()))
    return table.set_column(4, "vector", column)


def with_another_metric(table):
    (key, record), *_ = table.schema.metadata.items()
    return table.replace_schema_metadata({key: record.replace(b"spherical", b"manhattan")})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (without_record, "found another file"),
        (with_levels_as_text, "found another file"),
        (with_lists_of_any_length, "found another file"),
        (without_rows, "a missing value"),
        (without_a_cluster, "not numbered from 0"),
        (with_a_parent_too_large, "a parent that does not exist"),
        (without_a_parent, "a missing parent"),
        (with_nan, "NaN or infinity"),
        (with_another_metric, "'manhattan' instead of spherical or euclidean"),
    ],
)
def test_a_damaged_file_of_centroids_is_refused(centroids, change, message, tmp_path, capsys):
    pq.write_table(change(pq.read_table(centroids)), centroids)

    code, line = refused(tmp_path, f"--centroids {centroids}", capsys)

    assert code == 1
    assert message in line


@pytest.mark.parametrize("name", ["e.parquet", "absent.parquet"])
def test_centroids_of_others_are_refused(name, tmp_path, capsys):
    write_fine(tmp_path)

    code, line = refused(tmp_path, f"--centroids {tmp_path / name}", capsys)

    assert code == 1
    assert "expected --centroids with a file NAME.centroids.parquet" in line
