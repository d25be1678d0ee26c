"""Inputs that a report cannot be made of."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from points_files import write_points
from report_inputs import annotated_table, report_of, written

from minortom.errors import InputError
from minortom.io.provenance import Provenance


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return written(tmp_path_factory.mktemp("input"), annotated_table())


def test_a_selection_from_other_tiles_is_refused(files, tmp_path):
    _, annotated = written(tmp_path / "in", annotated_table(600, places=1))

    with pytest.raises(InputError, match="that are not; give the file"):
        report_of(files[0], annotated, tmp_path / "report")
    assert not (tmp_path / "report").exists()


def test_a_selection_with_other_strata_is_refused(files, tmp_path):
    _, annotated = written(tmp_path / "in", annotated_table(600, seed=1))

    with pytest.raises(InputError, match="with another stratum"):
        report_of(files[0], annotated, tmp_path / "report")


def test_an_annotated_file_is_not_a_selection(files, tmp_path):
    with pytest.raises(InputError, match="must have the column role, found"):
        report_of(files[1], files[1], tmp_path / "report")


def test_a_selection_without_selected_rows_is_refused(files, tmp_path):
    selection = pq.read_table(files[0]).drop_columns(["geometry", "role"])
    selection = selection.append_column("role", pa.array(["reserve"] * len(selection)))
    write_points(selection, tmp_path / "s.parquet", Provenance(command="sample", options={}))

    with pytest.raises(InputError, match="role selected"):
        report_of(tmp_path / "s.parquet", files[1], tmp_path / "report")


def test_tiles_without_a_class_are_refused(files, tmp_path):
    table = annotated_table().set_column(3, "climate", pa.array(["Cfa"] * 599 + [None]))
    write_points(table, tmp_path / "a.parquet", Provenance(command="annotate", options={}))

    with pytest.raises(InputError, match="tiles without climate"):
        report_of(files[0], tmp_path / "a.parquet", tmp_path / "report")


def test_a_cell_twice_is_refused(files, tmp_path):
    selection = pq.read_table(files[0]).drop_columns(["geometry"])
    twice = pa.concat_tables([selection, selection.slice(0, 2)])
    write_points(twice, tmp_path / "s.parquet", Provenance(command="sample", options={}))

    with pytest.raises(InputError, match="found 2 cells more than once"):
        report_of(tmp_path / "s.parquet", files[1], tmp_path / "report")
