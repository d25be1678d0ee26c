import geopandas
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import shapely
from points_files import write_points

from minortom.errors import InputError
from minortom.io.geoparquet import points_wkb
from minortom.io.provenance import KEY, Provenance
from minortom.io.table_columns import read_table

PROVENANCE = Provenance(command="annotate", options={})


@pytest.fixture
def table():
    return pa.table({"grid_cell": ["a", "b"], "lat": [-33.92, 85.0], "lon": [18.42, -180.0]})


def test_wkb_is_what_shapely_writes():
    lon_deg, lat_deg = np.array([18.42, -180.0]), np.array([-33.92, 85.0])

    expected = shapely.to_wkb(shapely.points(lon_deg, lat_deg), byte_order=1)

    assert points_wkb(lon_deg, lat_deg).to_pylist() == list(expected)


def test_geopandas_reads_points_in_longitude_latitude_order(table, tmp_path):
    write_points(table, tmp_path / "points.parquet", PROVENANCE)

    frame = geopandas.read_parquet(tmp_path / "points.parquet")

    assert frame.crs.to_epsg() in (4326, None) or frame.crs.to_authority() == ("OGC", "CRS84")
    assert list(frame.geometry.x) == [18.42, -180.0]
    assert list(frame.geometry.y) == [-33.92, 85.0]
    assert list(frame.total_bounds) == [-180.0, -33.92, 18.42, 85.0]


def test_the_file_holds_its_provenance(table, tmp_path):
    write_points(table, tmp_path / "points.parquet", PROVENANCE)

    stored = pq.read_schema(tmp_path / "points.parquet").metadata[KEY.encode()]

    assert stored.decode() == PROVENANCE.to_json()


def test_the_same_table_gives_the_same_bytes(table, tmp_path):
    for name in ("one", "two"):
        write_points(table, tmp_path / name, PROVENANCE)

    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_a_missing_column_is_named_with_the_columns_found(table, tmp_path):
    pq.write_table(table, tmp_path / "t.parquet")

    with pytest.raises(InputError, match="must have the column stratum, found grid_cell, lat, lon"):
        read_table(tmp_path / "t.parquet", ["lat", "stratum"], made_by="minortom annotate")


@pytest.mark.parametrize("content", [b"", b"grid_cell\n0U_0R\n", b"PAR1" + bytes(64) + b"PAR1"])
def test_a_file_that_is_not_parquet_is_refused_in_one_line(tmp_path, content):
    (tmp_path / "t.parquet").write_bytes(content)

    with pytest.raises(InputError, match="expected a Parquet file, .* cannot read") as error:
        read_table(tmp_path / "t.parquet", None, made_by="minortom annotate")
    assert "\n" not in str(error.value)


def test_a_damaged_page_is_refused_in_one_line(table, tmp_path):
    path = tmp_path / "t.parquet"
    pq.write_table(table, path, compression="zstd", use_dictionary=False)
    content = bytearray(path.read_bytes())
    content[4:40] = bytes(36)
    path.write_bytes(content)

    with pytest.raises(InputError, match="is damaged"):
        read_table(path, None, made_by="minortom annotate")


def test_a_file_without_rows_is_refused(table, tmp_path):
    pq.write_table(table.slice(0, 0), tmp_path / "t.parquet")

    with pytest.raises(InputError, match="has no rows"):
        read_table(tmp_path / "t.parquet", None, made_by="minortom annotate")


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(InputError, match="does not exist; make it with `minortom annotate`"):
        read_table(tmp_path / "t.parquet", None, made_by="minortom annotate")


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("lat", ["45.2", "46"], "column lat must have numbers, found string"),
        ("lon", [[1.0], [2.0]], "column lon must have numbers, found list"),
        ("grid_cell", [1, 2], "column grid_cell must have text, found int64"),
        ("stratum", [["Dfb"], []], "column stratum must have text, found list"),
        ("climate_code", [1.0, 2.0], "column climate_code must have whole numbers, found double"),
        ("grid_cell", ["0U_0R", None], "has tiles without grid_cell"),
    ],
)
def test_a_column_of_another_type_is_refused_in_one_line(table, tmp_path, name, values, message):
    table = table.drop_columns([name]) if name in table.column_names else table
    pq.write_table(table.append_column(name, pa.array(values)), tmp_path / "t.parquet")

    for columns in (None, [name]):
        with pytest.raises(InputError, match=message) as error:
            read_table(tmp_path / "t.parquet", columns, made_by="minortom annotate")
        assert "\n" not in str(error.value)


def test_a_column_that_exists_twice_is_refused(table, tmp_path):
    pq.write_table(table.append_column("lat", table["lat"]), tmp_path / "t.parquet")

    for columns in (None, ["lat"]):
        with pytest.raises(InputError, match="has the column lat more than once"):
            read_table(tmp_path / "t.parquet", columns, made_by="minortom annotate")


@pytest.mark.parametrize(
    ("text", "number"),
    [(pa.large_string(), pa.float32()), (pa.dictionary(pa.int8(), pa.string()), pa.float64()),
     (pa.string(), pa.decimal128(8, 2))],
    ids=["as polars writes it", "as a pandas category", "as a database's decimals"],
)  # fmt: skip
def test_what_other_tools_wrote_is_read_as_the_same_types(table, tmp_path, text, number):
    other = {"grid_cell": text, "lat": number, "lon": number}
    arrays = [table[name].combine_chunks().cast(kind) for name, kind in other.items()]
    pq.write_table(pa.table(arrays, names=list(other)), tmp_path / "t.parquet")

    read = read_table(tmp_path / "t.parquet", None, made_by="minortom annotate")

    assert read.schema.types == [pa.string(), pa.float64(), pa.float64()]
    assert read["grid_cell"].to_pylist() == ["a", "b"]
    assert read["lat"].to_pylist() == pytest.approx([-33.92, 85.0])
