import geopandas
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import minortom
from minortom.errors import InputError

POINTS = pa.table({"lat": [-33.92, 48.86], "lon": [18.42, 2.35], "id": [7, 8]})


def test_the_cell_of_a_point_has_a_name_a_centre_and_edges():
    found = minortom.locate(lat=-33.92, lon=18.42)

    assert found.name == found.as_dict()["grid_cell"] == "378D_170R"
    assert found.cell["west"] < 18.42 < found.cell["east"]
    assert "378D_170R" in str(found)


def test_points_in_memory_get_their_cells():
    found = minortom.locate(points=POINTS)

    assert found.names == ["378D_170R", "543U_17R"]
    assert found.table.column_names == ["lat", "lon", "id", "grid_cell"]
    assert found.as_dict()[0] == {"lat": -33.92, "lon": 18.42, "grid_cell": "378D_170R"}
    assert str(found).splitlines()[:2] == ["lat,lon,id,grid_cell", "-33.92,18.42,7,378D_170R"]


def test_the_text_of_points_has_their_links_unchanged():
    photos = ["https://site/photo?id=42", "https://site/photo?id=43"]

    found = minortom.locate(points=POINTS.append_column("photo", [photos]))

    assert [line.split(",")[3] for line in str(found).splitlines()[1:]] == photos


def test_the_table_in_memory_is_the_table_of_the_file(tmp_path):
    pq.write_table(POINTS, tmp_path / "points.parquet")
    points = str(tmp_path / "points.parquet")
    found = minortom.locate(points=points)
    written = minortom.locate(points=points, out=tmp_path / "out.parquet")

    read = pq.read_table(written.out)
    assert read.equals(found.table, check_metadata=True)
    assert written.as_dict() == {
        "out": str(written.out), "status": "written", "points": 2, "cells": 2,
    }  # fmt: skip


def test_a_geodataframe_is_a_table_of_points(tmp_path):
    frame = geopandas.GeoDataFrame(
        POINTS.to_pandas(), geometry=geopandas.points_from_xy(POINTS["lon"], POINTS["lat"])
    )

    found = minortom.locate(points=frame, out=str(tmp_path / "out.parquet"))

    assert found.names == ["378D_170R", "543U_17R"]
    assert pq.read_table(found.out)["grid_cell"].to_pylist() == found.names


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"lat": "1", "lon": 2.0}, "lat must be a number, found '1'"),
        ({"points": 3}, r"points must be a path \(str or Path\), found 3"),
        ({"points": POINTS, "lat": 1.0}, "expected --lat and --lon, or --points"),
        ({"points": POINTS.drop_columns(["lat"])}, "expected one column lat in the table, found"),
        (
            {"points": pa.table({"lat": [91.0], "lon": [0.0]})},
            "the table: .* the latitude 91.0",
        ),
    ],
)
def test_an_unusable_argument_is_an_error_that_says_what_was_expected(arguments, message):
    with pytest.raises(InputError, match=message):
        minortom.locate(**arguments)
