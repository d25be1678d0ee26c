"""Bad input of `minortom cluster`: one line, and nothing left behind."""

import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from embedding_maker import cell_names, clumped, write_embeddings, write_fragments
from error_lines import one_line
from minortom_cli.console import run
from minortom_cli.main import app

CELLS = cell_names(30)
VALUES, _ = clumped(30)


def changed(row, value):
    values = [*VALUES]
    values[row] = value
    return values


def write_nan(folder):
    write_fragments(folder / "e.parquet", CELLS, changed(7, [np.nan] * 8))


def write_zeros(folder):
    write_fragments(folder / "e.parquet", CELLS, changed(7, [0.0] * 8))


def write_opposite(folder):
    write_fragments(folder / "e.parquet", [*CELLS, CELLS[3]], [*VALUES, -VALUES[3]])


def write_null(folder):
    write_fragments(folder / "e.parquet", CELLS, changed(7, None))


def write_widths(folder):
    write_fragments(folder / "e.parquet", CELLS, changed(7, [1.0] * 9))


def write_files_of_two_widths(folder):
    (folder / "e.parquet").mkdir()
    write_fragments(folder / "e.parquet" / "1.parquet", CELLS, VALUES)
    write_fragments(folder / "e.parquet" / "2.parquet", CELLS, VALUES[:, :4])


def write_other_cell(folder):
    write_fragments(folder / "e.parquet", ["5000U_1R", *CELLS[1:]], VALUES)


def write_no_cell(folder):
    write_fragments(folder / "e.parquet", [None, *CELLS[1:]], VALUES)


def write_text(folder):
    pq.write_table(pa.table({"grid_cell": CELLS, "embedding": CELLS}), folder / "e.parquet")


def write_no_column(folder):
    pq.write_table(pa.table({"grid_cell": CELLS, "lat": [0.0] * 30}), folder / "e.parquet")


def write_two_columns(folder):
    column = pa.array(VALUES.tolist())
    table = pa.table({"grid_cell": CELLS, "embedding": column, "vector": column})
    pq.write_table(table, folder / "e.parquet")


def write_no_rows(folder):
    write_fragments(folder / "e.parquet", CELLS[:0], VALUES[:0], kind=pa.list_(pa.float32()))


def write_noise(folder):
    (folder / "e.parquet").write_bytes(b"PAR1 but not really")


def write_empty_folder(folder):
    (folder / "e.parquet").mkdir()


def write_nothing(folder):
    del folder


def write_s2_and_s1(folder):
    write_embeddings(folder / "e.parquet", CELLS, {"s2": VALUES, "s1": VALUES})


def write_two_models(folder):
    (folder / "e.parquet").mkdir()
    for name in "ab":
        path = folder / "e.parquet" / f"{name}.parquet"
        write_embeddings(path, CELLS, {"s2": VALUES}, weights=name * 64)


def write_mixed(folder):
    (folder / "e.parquet").mkdir()
    write_fragments(folder / "e.parquet" / "1.parquet", CELLS, VALUES)
    write_embeddings(folder / "e.parquet" / "2.parquet", CELLS, {"s2": VALUES})


def write_fine(folder):
    write_fragments(folder / "e.parquet", CELLS, VALUES)


def write_repeated(folder):
    write_fragments(folder / "e.parquet", CELLS, np.repeat(VALUES[:3], 10, axis=0))


CASES = [
    (write_nan, "--k 3", f"found NaN or infinity for {CELLS[7]}"),
    (write_zeros, "--k 3", f"found zeros alone for {CELLS[7]}"),
    (write_opposite, "--k 3", f"the embeddings of {CELLS[3]} cancel out"),
    (write_null, "--k 3", f"found none for {CELLS[7]}"),
    (write_widths, "--k 3", f"found 8 and 9 (cell {CELLS[7]}"),
    (write_files_of_two_widths, "--k 3", "embeddings of one width, found 8 in"),
    (write_other_cell, "--k 3", "found 1 of 30 names that are not, first '5000U_1R'"),
    (write_no_cell, "--k 3", "rows without grid_cell"),
    (write_text, "--k 3", "lists of numbers in the column embedding"),
    (write_no_column, "--k 3", "found the columns grid_cell, lat"),
    (write_two_columns, "--k 3", "found the columns grid_cell, embedding, vector"),
    (write_no_rows, "--k 3", "found no rows"),
    (write_noise, "--k 3", "cannot read"),
    (write_empty_folder, "--k 3", "expected Parquet files in the folder"),
    (write_nothing, "--k 3", "found no file"),
    (write_s2_and_s1, "--k 3", "expected --sensor with one of s1, s2"),
    (write_s2_and_s1, "--k 3 --sensor both", "expected --sensor with one of s1, s2"),
    (write_fine, "--k 3 --sensor s2", "--sensor s2 needs the column sensor"),
    (write_two_models, "--k 3", "embeddings of one model, found those of two"),
    (write_mixed, "--k 3", "the column sensor in all files or in none"),
    (write_fine, "--k 31", "as many clusters as cells with embeddings, 30, found --k 31"),
    (write_fine, "--k 31 --rows vote", "as many clusters as rows with embeddings, 30"),
    (write_repeated, "--k 4", "at least 4 different embeddings"),
    (write_fine, "--k 3,5", "found 3,5, which does not descend"),
    (write_fine, "--k 3,3", "found 3,3, which does not descend"),
    (write_fine, "--k many", "such as 5000,200, found 'many'"),
    (write_fine, "--k 3,0", "k must be a whole number of at least 1, found 0"),
    (write_fine, "--k 3 --out {folder}/out.csv", "with the suffix .parquet, found out.csv"),
]


def call(folder, options, capsys):
    words = ["cluster", str(folder / "e.parquet"), *options.format(folder=folder).split()]
    words += [] if "--out" in words else ["--out", str(folder / "out.parquet")]
    before = {*folder.rglob("*")}
    code = run(app, words)
    assert {*folder.rglob("*")} == before
    return code, one_line(capsys.readouterr().err)


@pytest.mark.parametrize(
    ("write", "options", "message"), CASES, ids=[f"{c[0].__name__} {c[1]}" for c in CASES]
)
def test_a_bad_input_is_one_line_and_leaves_nothing(write, options, message, tmp_path, capsys):
    write(tmp_path)

    code, line = call(tmp_path, options, capsys)

    assert code == 1
    assert message in line


@pytest.mark.parametrize("metric", ["euclidean"])
def test_zeros_have_a_place_though_no_direction(metric, tmp_path):
    write_zeros(tmp_path)
    words = ["cluster", str(tmp_path / "e.parquet"), "--k", "3", "--metric", metric]

    assert run(app, [*words, "--out", str(tmp_path / "out.parquet")]) == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("", "expected --k with numbers of clusters"),
        ("--centroids {folder}/c.parquet --k 3", "--k makes new clusters"),
        ("--centroids {folder}/c.parquet --metric spherical", "--metric makes new clusters"),
        ("--centroids {folder}/c.parquet --iterations 3", "--iterations makes new clusters"),
        (
            "--centroids {folder}/c.parquet --vectors-per-cluster 3",
            "--vectors-per-cluster makes new clusters",
        ),
    ],
)
def test_missing_and_contradictory_options_are_wrong_usage(options, message, tmp_path, capsys):
    write_fine(tmp_path)

    code, line = call(tmp_path, options, capsys)

    assert code == 2
    assert message in line


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

    code, line = call(tmp_path, f"--centroids {centroids}", capsys)

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

    code, line = call(tmp_path, f"--centroids {centroids}", capsys)

    assert code == 1
    assert message in line


@pytest.mark.parametrize("name", ["e.parquet", "absent.parquet"])
def test_centroids_of_others_are_refused(name, tmp_path, capsys):
    write_fine(tmp_path)

    code, line = call(tmp_path, f"--centroids {tmp_path / name}", capsys)

    assert code == 1
    assert "expected --centroids with a file NAME.centroids.parquet" in line


def test_without_faiss_one_line_says_how_to_install_it(monkeypatch, tmp_path, capsys):
    monkeypatch.setitem(sys.modules, "faiss", None)

    code, line = call(tmp_path, "--k 3", capsys)

    assert code == 1
    assert line == (
        "error: minortom cluster needs the package faiss, which is not installed; run "
        "`pip install 'minortom[cluster]'`"
    )
