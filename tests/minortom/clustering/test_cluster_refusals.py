"""Bad input of `minortom cluster`: one line, and nothing left behind."""

import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from cluster_calls import CELLS, VALUES, refused, write_fine
from embedding_maker import write_embeddings, write_fragments
from minortom_cli.console import run
from minortom_cli.main import app


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
    (write_fine, "--k 3 --out {folder}/out.csv", "suffix .parquet for the clusters of cells"),
]


@pytest.mark.parametrize(
    ("write", "options", "message"), CASES, ids=[f"{c[0].__name__} {c[1]}" for c in CASES]
)
def test_a_bad_input_is_one_line_and_leaves_nothing(write, options, message, tmp_path, capsys):
    write(tmp_path)

    code, line = refused(tmp_path, options, capsys)

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

    code, line = refused(tmp_path, options, capsys)

    assert code == 2
    assert message in line


def test_without_faiss_one_line_says_how_to_install_it(monkeypatch, tmp_path, capsys):
    monkeypatch.setitem(sys.modules, "faiss", None)

    code, line = refused(tmp_path, "--k 3", capsys)

    assert code == 1
    assert line == (
        "error: minortom cluster needs the package faiss, which is not installed; run "
        "`pip install 'minortom[cluster]'`"
    )
