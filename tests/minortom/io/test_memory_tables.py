import re

import geopandas
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from geopandas.testing import assert_geodataframe_equal
from points_files import write_points

from minortom.errors import InputError
from minortom.io.geoparquet import points_table
from minortom.io.memory_tables import (
    in_memory,
    no_table,
    table_provenance,
    table_sha256,
    to_geopandas,
)
from minortom.io.provenance import KEY, Provenance, sha256_of
from minortom.io.table_columns import checked, read_table

PROVENANCE = Provenance(command="annotate", options={"landcover_mode": "center"})
MADE_BY = "minortom annotate"


@pytest.fixture
def points():
    """More rows than one row group has, with a dictionary column, a null and a moment."""
    n = 150_000
    rng = np.random.default_rng(0)
    climate = pa.array(np.array(["Af", "Cfb", "Dfc"])[rng.integers(3, size=n)])
    cloud = pa.array(rng.uniform(size=n), mask=rng.integers(2, size=n) == 0)
    return pa.table(
        {
            "grid_cell": [f"{i}U_0R" for i in range(n)],
            "lat": rng.uniform(-90, 90, n),
            "lon": rng.uniform(-180, 180, n),
            "climate": climate.dictionary_encode(),
            "climate_code": rng.integers(3, size=n).astype(np.uint8),
            "s2_cloud_cover": cloud,
            "s2_timestamp": pa.array(rng.integers(1_600_000_000_000_000, size=n)).cast(
                "timestamp[us]"
            ),
        }
    )


@pytest.fixture
def file(points, tmp_path):
    write_points(points, tmp_path / "points.parquet", PROVENANCE)
    return tmp_path / "points.parquet"


def test_the_table_in_memory_equals_the_table_of_the_file(points, file):
    table, read = points_table(points, PROVENANCE), pq.read_table(file)

    assert read.equals(table)
    assert read.schema.equals(table.schema, check_metadata=True)


def test_the_hash_of_a_table_is_the_hash_of_its_file(points, file):
    assert table_sha256(points_table(points, PROVENANCE)) == sha256_of(file)
    assert table_sha256(pq.read_table(file)) == sha256_of(file)


def test_a_table_is_taken_like_its_file(points, file):
    table = points_table(points, PROVENANCE)

    assert in_memory(table).equals(read_table(file, None, made_by=MADE_BY))
    for path in (file, str(file)):
        assert in_memory(path) is None
    found = checked(table, ["lat"], name="the table", made_by=MADE_BY)
    assert found.column_names == ["lat"]


def test_the_frame_is_what_geopandas_reads_of_the_file(points, file):
    frame = to_geopandas(points_table(points, PROVENANCE))

    assert_geodataframe_equal(frame, geopandas.read_parquet(file))


def test_a_frame_becomes_the_table_that_it_was_made_of(points, file):
    table = points_table(points, PROVENANCE)

    back = in_memory(to_geopandas(table))

    assert back.equals(table)
    assert table_sha256(back) == sha256_of(file)
    assert table_provenance(back)["options"] == {"landcover_mode": "center"}


def test_a_frame_in_another_system_comes_back_in_degrees(points):
    table = points_table(points.slice(0, 100), PROVENANCE)

    back = in_memory(to_geopandas(table).to_crs(6933))

    geometries = geopandas.GeoSeries.from_wkb(back["geometry"].to_numpy())
    np.testing.assert_allclose(geometries.x, table["lon"], atol=1e-6)
    np.testing.assert_allclose(geometries.y, table["lat"], atol=1e-6)


def test_a_plain_data_frame_is_a_table_without_geometry(points):
    frame = points.select(["grid_cell", "lat", "lon"]).to_pandas()

    table = in_memory(frame)

    assert table.schema.names == ["grid_cell", "lat", "lon"]
    assert table.schema.field("grid_cell").type == pa.string()
    assert table_provenance(table) is None


@pytest.mark.parametrize("source", [3, None, ["annotated.parquet"], {"lat": [1.0]}])
def test_another_type_is_refused_with_what_was_expected(source):
    wanted = f"must be a path, a pyarrow.Table or a GeoDataFrame, found {type(source).__name__}"
    assert in_memory(source) is None
    assert re.search(wanted, str(no_table("cells", source, made_by=MADE_BY)))


def test_a_table_in_memory_is_checked_like_a_file(points):
    with pytest.raises(InputError, match="the table must have the column stratum, found grid_cell"):
        checked(points, ["stratum"], name="the table", made_by=MADE_BY)
    with pytest.raises(InputError, match="the table has no rows"):
        checked(points.slice(0, 0), None, name="the table", made_by=MADE_BY)
    with pytest.raises(InputError, match="the column lat must have numbers, found string"):
        checked(pa.table({"lat": ["a"]}), None, name="the table", made_by=MADE_BY)


def test_a_frame_without_an_active_geometry_is_a_plain_table():
    frame = geopandas.GeoDataFrame({"grid_cell": ["5U_1R"]})

    assert in_memory(frame).column_names == ["grid_cell"]


def test_a_column_of_several_types_is_an_error():
    frame = pa.table({"grid_cell": ["a", "b"]}).to_pandas()
    frame["mixed"] = [1, "a"]

    with pytest.raises(InputError, match="one type in each column.*column mixed"):
        in_memory(frame)


def test_a_result_in_place_of_its_table_is_an_error_that_names_the_table(points):
    class SampleResult:
        table = points

    error = no_table("annotated", SampleResult(), made_by=MADE_BY)

    assert isinstance(error, InputError)
    assert "found SampleResult; give the .table of this" in str(error)


def test_named_levels_of_an_index_are_columns(points):
    frame = points.to_pandas()

    assert in_memory(frame.set_index("grid_cell")).equals(in_memory(frame))
    assert in_memory(frame[frame.lat > 0]).column_names == list(frame)


@pytest.mark.parametrize("twice", ["columns", "index and columns"])
def test_a_repeated_column_of_a_frame_is_an_error(twice):
    frame = pa.table({"lat": [1.0], "lon": [2.0]}).to_pandas()
    frame.columns = ["lat", "lat"] if twice == "columns" else ["lat", "lon"]
    frame = frame if twice == "columns" else frame.set_index("lat", drop=False)

    with pytest.raises(InputError, match="each column once, found lat more than once"):
        in_memory(frame)


def test_a_second_column_of_geometries_is_an_error_that_names_it():
    frame = geopandas.GeoDataFrame({"lat": [1.0]}, geometry=geopandas.points_from_xy([2], [1]))
    frame["box"] = frame.geometry

    with pytest.raises(InputError, match="plain values.*column box"):
        in_memory(frame)


def test_a_record_that_is_no_json_is_no_provenance():
    assert table_provenance(pa.table({"lat": [1.0]}, metadata={KEY: "{"})) is None
