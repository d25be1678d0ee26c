import pyarrow as pa
import pytest
from points_files import write_points

from minortom.io.geoparquet import points_table
from minortom.io.provenance import Provenance
from minortom.io.table_result import IN_MEMORY, TableResult

PROVENANCE = Provenance(command="annotate", options={})
POINTS = pa.table({"grid_cell": ["a", "b"], "lat": [-33.92, 85.0], "lon": [18.42, -180.0]})


@pytest.fixture
def written(tmp_path):
    write_points(POINTS, tmp_path / "a.parquet", PROVENANCE)
    return TableResult(out=tmp_path / "a.parquet", status="written")


def test_a_table_in_memory_equals_the_one_read_from_the_file(written):
    made = TableResult(out=None, status=IN_MEMORY, made=points_table(POINTS, PROVENANCE))

    assert made.table.equals(written.table, check_metadata=True)
    assert made.to_geopandas().equals(written.to_geopandas())


def test_the_file_is_read_once_and_only_when_the_table_is_used(written):
    assert "table" not in vars(written)
    first = written.table
    written.out.unlink()
    assert written.table is first


def test_the_table_is_not_in_the_json(written):
    assert written.as_dict() == {"out": str(written.out), "status": "written"}
