"""``annotate --table``: tables that cannot be used, and the line that says why."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from annotating import CELLS
from minortom_cli.console import run
from minortom_cli.curate.app import app

pytest_plugins = ("annotate_fixtures",)

GOOD = {"grid_cell": CELLS, "z": [1.0, 2.0, 3.0, 4.0]}
REFUSED = {
    "no column of cells": ({"cell": CELLS}, "", "with the column grid_cell or id, found cell in"),
    "numbers as cells": ({"grid_cell": [1, 2]}, "", "expected names of cells in the column grid"),
    "a column that is not there": (GOOD, ":y", "must have the column y, found grid_cell, z"),
    "a column named twice": (GOOD, ":z,n:z", "with each column once"),
    "no name of a column": (GOOD, ":z,", "expected --table FILE"),
    "another namespace": (GOOD | {"a:z": CELLS}, ":c:z", "must have the column c:z, found grid_"),
    "two columns of one name": (
        {"grid_cell": CELLS, "a:z": [1] * 4, "b:z": [1] * 4}, ":z", "the column z more than once",
    ),
    "a name that is taken": (GOOD | {"stratum": CELLS}, ":stratum", "not the name of another"),
    "lists": (GOOD | {"v": [[1]] * 4}, ":v", "expected numbers, text or booleans in the column v"),
    "a cell outside the grid": (
        {"grid_cell": ["5000U_0R"], "z": [1]}, "", "expected names of cells of the Major TOM",
    ),
    "a cell of the index outside the grid": (
        {"id": ["MT10km_0000U_0000R", "MT10km_0000U_2100R"], "z": [1, 2]}, "",
        "1 of 2 names that are not, first 'MT10km_0000U_2100R'",
    ),
    "an odd name of the index": (
        {"id": ["MT10km_0000U_0000R", "0U_0R"], "z": [1, 2]}, "", "first '0U_0R'",
    ),
    "a row without a cell": ({"grid_cell": [None, "0U_0R"], "z": [1, 2]}, "", "1 rows without"),
    "rows that differ": (
        {"grid_cell": [*CELLS, CELLS[0]], "z": [1, 2, 3, 4, 5]}, "",
        f"found rows of {CELLS[0]} with different values of z; keep one row",
    ),
    "rows of which one has no value": (
        {"grid_cell": [CELLS[0]] * 2, "z": ["a", None]}, "", "with different values of z",
    ),
    "all null": (GOOD | {"y": pa.nulls(4, pa.float64())}, ":z,y", "a value of y for at least one"),
    "no row of the tiles": ({"grid_cell": ["9U_9R"], "z": [1]}, "", "found none of 4 tiles"),
    "no row at all": ({"grid_cell": pa.array([], pa.string()), "z": pa.array([], pa.int8())}, "",
                      "found none of 4"),
    "infinite": (GOOD | {"z": [1, 2, 3, np.inf]}, "", "expected finite numbers in the column z"),
    "nothing to take": ({"grid_cell": CELLS}, "", "expected columns of numbers, text or booleans"),
}  # fmt: skip


@pytest.mark.parametrize(("columns", "suffix", "message"), REFUSED.values(), ids=REFUSED)
def test_tables_that_cannot_be_used_are_one_line(
    arguments, tmp_path, capsys, columns, suffix, message
):
    pq.write_table(pa.table(columns), tmp_path / "t.parquet")
    words = [*arguments, "--keep-unmapped", "--table", f"{tmp_path / 't.parquet'}{suffix}"]
    assert run(app, words) == 1
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not (tmp_path / "a.parquet").exists()
