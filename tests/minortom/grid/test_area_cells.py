import json

import numpy as np
import pytest
import shapely

import minortom
from minortom.errors import InputError
from minortom.grid.cell_lists import cell_sources, read_cells
from minortom.grid.cells import whole_grid
from minortom.io.memory_tables import table_sha256
from minortom.io.provenance import sha256_of
from minortom.io.table_columns import read_table


def test_the_cells_of_a_box_come_without_a_file():
    found = minortom.cells(bbox=(0.1, 0.01, 0.2, 0.05))

    assert found.names == found.as_dict() == ["0U_1R", "0U_2R"]
    assert str(found) == "0U_1R\n0U_2R"
    assert (found.out, found.status) == (None, "in memory")


def test_the_table_in_memory_is_the_table_of_the_file(tmp_path):
    found = minortom.cells(bbox="179,-1,-179,1")
    written = minortom.cells(bbox="179,-1,-179,1", out=str(tmp_path / "cells.parquet"))

    read = read_table(written.out, None, made_by="minortom cells")
    assert read.equals(found.table, check_metadata=True)
    assert table_sha256(found.table) == table_sha256(written.table) == sha256_of(written.out)
    west, south, east, north = found.cells.bounds_deg()
    frame = found.to_geopandas().set_index("grid_cell").loc[found.names]
    outlines = frame.geometry.to_numpy()
    np.testing.assert_allclose(shapely.area(outlines), (east - west) * (north - south))


def test_the_result_of_a_file_prints_its_summary(tmp_path):
    out = tmp_path / "cells.csv"
    written = minortom.cells(bbox="0,0,1,1", out=out)

    assert written.as_dict() == {"out": str(out), "status": "written", "cells": 144}
    assert "cells   144" in str(written)
    assert sorted(written.table["grid_cell"].to_pylist()) == sorted(written.names)
    assert minortom.cells(bbox="0,0,1,1", out=out).status == "up to date"


def test_annotate_takes_the_table():
    table = minortom.cells(bbox="0,0,1,1").table
    assert len(read_cells(cell_sources(table))) == 144


def test_a_region_is_a_path_as_text_or_path(tmp_path):
    ring = [[0.01, 0.01], [0.2, 0.01], [0.01, 0.1], [0.01, 0.01]]
    path = tmp_path / "aoi.geojson"
    path.write_text(json.dumps({"type": "Polygon", "coordinates": [ring]}))

    wanted = ["0U_0R", "0U_1R", "0U_2R", "1U_0R"]
    assert minortom.cells(region=path).names == minortom.cells(region=str(path)).names == wanted


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "expected --region or --bbox, found neither"),
        ({"region": 3}, r"region must be a path \(str or Path\), found 3"),
        ({"bbox": (1, 2)}, "bbox must be 'W,S,E,N', four numbers or a BBox"),
        ({"bbox": (0, 0, 1, 1), "out": 3}, "out must be a path"),
    ],
)
def test_a_wrong_type_is_an_error_that_says_what_was_expected(arguments, message):
    with pytest.raises(InputError, match=message):
        minortom.cells(**arguments)


def test_the_whole_grid_has_the_cells_of_the_whole_globe():
    found = minortom.cells(bbox=(-180, -90, 180, 90))

    assert len(found.cells) == len(whole_grid())
