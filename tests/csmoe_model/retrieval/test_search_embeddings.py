"""`csmoe search` in embeddings that another tool has changed."""

import re

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from searching import (
    nearest_by_hand,
    one_line,
    patch_name,
    place,
    printed,
    search,
    stay_by_hand,
)


def rewritten(folder, tmp_path, change):
    """Return a folder with the shards, and embeddings that another tool has changed."""
    copy = tmp_path / "changed"
    copy.mkdir()
    (copy / "shards").symlink_to(folder / "shards")
    (copy / "model").symlink_to(folder / "model")
    pq.write_table(
        change(pq.read_table(folder / "e.parquet")), copy / "e.parquet", row_group_size=5
    )
    return copy


def hits_of(folder, capsys, tmp_path, *more):
    assert search(folder, tmp_path / f"{folder.name}.html", *more, "--json") == 0
    return printed(capsys)["hits"]


def in_another_order(table):
    return table.take(np.random.default_rng(0).permutation(len(table)))


def of_one_sensor(table):
    return table.filter(pc.equal(table["sensor"], "s2"))


def with_other_types(table):
    table = table.set_column(1, "patch_row", table["patch_row"].cast(pa.float64()))
    table = table.set_column(0, "grid_cell", table["grid_cell"].dictionary_encode())
    place = table.column_names.index("sensor")
    return table.set_column(place, "sensor", table["sensor"].cast(pa.string_view()))


@pytest.mark.parametrize("change", [in_another_order, of_one_sensor, with_other_types])
def test_embeddings_in_another_order_or_form_give_the_same_hits(folder, tmp_path, capsys, change):
    more = ["--like", patch_name(folder, 5), "--k", 8]
    wanted = hits_of(folder, capsys, tmp_path, *more)
    assert hits_of(rewritten(folder, tmp_path, change), capsys, tmp_path, *more) == wanted


def test_a_damaged_vector_is_one_line(folder, tmp_path, capsys):
    copy = rewritten(folder, tmp_path, lambda table: table)
    path = copy / "e.parquet"
    groups = pq.read_metadata(path).row_group(1)
    columns = (groups.column(n) for n in range(groups.num_columns))
    (page,) = (c.data_page_offset for c in columns if c.path_in_schema.startswith("vector"))
    content = bytearray(path.read_bytes())
    content[page : page + 8] = b"\xff" * 8
    path.write_bytes(content)
    assert search(copy, tmp_path / "hits.html", "--like", patch_name(folder, 5)) == 1
    assert re.search(r"e\.parquet is damaged \(.+\); get or make it", one_line(capsys))


def test_the_hits_among_some_patches_equal_those_of_a_full_sort(folder, tmp_path, capsys):
    """Every second patch is left out, and the rest is reversed."""
    rows = np.arange(72).reshape(24, 3)[::-2].ravel()
    kept = rewritten(folder, tmp_path, lambda table: table.take(rows))
    more = ["--like", patch_name(folder, 5), "--k", 4, "--include-own-cell"]
    found = hits_of(kept, capsys, tmp_path, *more)
    row = list(range(23, -1, -2)).index(5)
    wanted = nearest_by_hand(kept / "e.parquet", row, "s2", "s2")[:4]
    names = [patch_name(folder, 23 - 2 * n) for n in wanted]
    assert ["{}:{}:{}".format(*place(hit)) for hit in found] == names


@pytest.mark.parametrize("index", ["exact", "ivf"])
@pytest.mark.parametrize(
    "left_out", [{}, {"include_own_cell": True}, {"exclude_km": 0}, {"exclude_km": 9.5}]
)
def test_all_patches_but_those_left_out_are_found(
    folder, tmp_path, capsys, monkeypatch, index, left_out
):
    monkeypatch.setattr("csmoe_model.retrieval.nearest._POINTS_A_CELL", 4)  # 6 cells of `ivf`
    options = [f"--{name.replace('_', '-')}" for name in left_out]
    options += [km for km in left_out.values() if km is not True]
    words = ["--like", patch_name(folder, 5), "--k", 24, "--index", index, *options]
    stay = stay_by_hand(folder / "shards", 5, **left_out)
    wanted = [n for n in nearest_by_hand(folder / "e.parquet", 5, "s2", "s2") if n in stay]
    found = hits_of(folder, capsys, tmp_path, *words)
    assert ["{}:{}:{}".format(*place(hit)) for hit in found] == [
        patch_name(folder, n) for n in wanted
    ]
    assert len(found) == {(): 20, ("include_own_cell",): 23}.get(tuple(left_out), len(wanted))


@pytest.mark.parametrize(
    ("more", "status", "message"),
    [
        (["--exclude-km", -1], 1, "--exclude-km must be a distance of at least 0 km, found -1"),
        (["--exclude-km", "nan"], 1, "--exclude-km must be a distance of at least 0 km, found nan"),
        (["--exclude-km", 5, "--include-own-cell"], 2, "expected one of --exclude-km and"),
        (["--exclude-km", 30_000], 1, "found none for 1U_1R:0:1; give shards of more cells, or a"),
    ],
)
def test_distances_that_leave_nothing_or_contradict_are_one_line(
    folder, tmp_path, capsys, more, status, message
):
    words = ["--like", patch_name(folder, 5), *more]
    assert search(folder, tmp_path / "h.html", *words) == status
    assert message in one_line(capsys)
    assert not (tmp_path / "h.html").exists()


def set_row(table, column, value, *, row=3):
    values = table[column].to_pylist()
    values[row] = value
    place = table.schema.get_field_index(column)
    return table.set_column(place, column, pa.array(values, table[column].type))


def without_a_vector(table):
    changed = set_row(table, "vector", None)
    try:
        pq.write_table(changed, pa.BufferOutputStream())
    except pa.ArrowNotImplementedError as error:  # that of the lowest version
        pytest.skip(f"this pyarrow cannot write the file: {error}")
    return changed


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: set_row(t, "vector", [np.nan] * 32), "finite numbers in the vectors"),
        (lambda t: set_row(t, "vector", [0.0] * 31 + [np.inf]), "finite numbers in the vectors"),
        (lambda t: set_row(t, "vector", [0.0] * 31 + [None]), "finite numbers in the vectors"),
        (without_a_vector, "found rows without vector"),
        (lambda t: set_row(t, "sensor", None), "found rows without sensor"),
        (lambda t: set_row(t, "patch_col", None), "found rows without patch_col"),
        (lambda t: set_row(t, "grid_cell", None), "tiles without grid_cell"),
        (lambda t: set_row(t, "grid_cell", "9U_9R"), "found 9U_9R:"),
        (lambda t: set_row(t, "patch_row", 77), ":77:"),
        (lambda t: set_row(t, "patch_row", -1), ":-1:"),
        (lambda t: pa.concat_tables([t, t[3:4]]), "expected one vector of s2 for each patch"),
        (lambda t: t.drop_columns("patch_row"), "must have the column patch_row"),
        (lambda t: t.drop_columns("vector"), "expected vectors of one length"),
        (lambda t: t.replace_schema_metadata(None), "expected the record of `csmoe embed`"),
        (lambda t: t.filter(pc.equal(t["sensor"], "s1")), "expected vectors of s2"),
        (lambda t: t[:15], "must be a patch with a vector of s2"),
        (
            lambda t: t.set_column(1, "patch_row", pa.array([0.5] * len(t))),
            "expected names of cells and whole numbers",
        ),
    ],
)  # fmt: skip
def test_embeddings_that_do_not_fit_the_shards_are_one_line(
    folder, tmp_path, capsys, change, message
):
    changed = rewritten(folder, tmp_path, change)
    assert search(changed, tmp_path / "h.html", "--like", patch_name(folder, 5)) == 1
    assert message in one_line(capsys)
    assert not (tmp_path / "h.html").exists()
