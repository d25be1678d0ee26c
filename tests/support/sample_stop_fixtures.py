"""A small annotated file for interrupted runs; a test file names this in ``pytest_plugins``."""

import pytest
from points import annotated_table, random_lonlat
from points_files import write_points

from minortom.io.provenance import Provenance

STRATA = {"Af/x": 90, "BWh/x": 80, "Cfa/x": 70, "Dfb/x": 60, "ET/x": 50}


@pytest.fixture
def tiles_file(tmp_path):
    names = [name for name, size in STRATA.items() for _ in range(size)]
    path = tmp_path / "annotated.parquet"
    table = annotated_table(*random_lonlat(len(names)), names)
    write_points(table, path, Provenance(command="annotate", options={}))
    return path
