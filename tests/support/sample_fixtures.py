"""Fixtures of the tests of sampling; a test file names this in ``pytest_plugins``."""

import numpy as np
import pytest
from points import annotated_table, random_lonlat
from points_files import write_points

from minortom.io.provenance import Provenance

STRATA = {"Af/tree_cover": 400, "BWh/bare": 300, "Cfa/built_up": 60, "ET/snow": 25, "EF/snow": 1}


@pytest.fixture(scope="module")
def table():
    names = [name for name, size in STRATA.items() for _ in range(size)]
    order = np.random.default_rng(5).permutation(len(names))
    return annotated_table(*random_lonlat(len(names), 5), np.array(names)[order].tolist())


@pytest.fixture
def annotated(tmp_path, table):
    path = tmp_path / "annotated.parquet"
    made_by = Provenance(command="annotate", options={}, licences=("CC BY 4.0, somebody",))
    write_points(table, path, made_by)
    return path
