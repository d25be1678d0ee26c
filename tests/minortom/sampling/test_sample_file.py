"""Sampling, from file to file."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from geoparquet_checks import failures
from points import annotated_table

from minortom.engine.executors import EngineOptions
from minortom.errors import InputError, OutputExistsError
from minortom.genetic.options import GeneticOptions
from minortom.sampling.options import SampleOptions
from minortom.sampling.selection import select
from minortom.sampling.selection_file import make_selection

pytest_plugins = ["sample_fixtures"]

ONE = EngineOptions(workers=1)


def test_the_file_holds_the_annotated_columns_and_the_role(tmp_path, annotated, table):
    out = tmp_path / "selection.parquet"
    make_selection(annotated, out, options=SampleOptions(per_stratum=30), engine=ONE)
    written = pq.read_table(out)

    more = ["role", "kept", "reserve_rank", "bbox", "geometry"]
    assert failures(out) == []
    assert written.column_names == [*table.column_names, *more]
    assert set(written["role"].to_pylist()) == {"selected"}
    assert written["reserve_rank"].null_count == len(written)
    assert not any(written["kept"].to_pylist())
    assert written["grid_cell"].to_pylist() == [
        cell
        for cell in table["grid_cell"].to_pylist()
        if cell in set(written["grid_cell"].to_pylist())
    ]
    assert "CC BY 4.0, somebody" in pq.read_schema(out).metadata[b"minortom"].decode()


def test_the_bytes_do_not_depend_on_the_number_of_workers(tmp_path, annotated):
    for workers in (1, 3):
        make_selection(
            annotated, tmp_path / f"{workers}.parquet", options=SampleOptions(per_stratum=20),
            engine=EngineOptions(workers=workers),
        )  # fmt: skip

    assert (tmp_path / "1.parquet").read_bytes() == (tmp_path / "3.parquet").read_bytes()


def test_a_list_of_cells_is_kept(tmp_path, annotated, table):
    keep, out = tmp_path / "keep.txt", tmp_path / "selection.parquet"
    cells = table["grid_cell"].to_pylist()[10:14]
    keep.write_text("\n".join(cells))
    summary = make_selection(
        annotated, out, options=SampleOptions(per_stratum=30), keep=keep, engine=ONE
    )
    written = pq.read_table(out)

    assert summary.kept == 4
    assert written.filter(written["kept"])["grid_cell"].to_pylist() == cells


def test_a_kept_cell_that_is_not_annotated_is_an_error_that_names_it(tmp_path, annotated):
    keep = tmp_path / "keep.txt"
    keep.write_text("3U_3R\n900U_5R\n")

    with pytest.raises(InputError, match="900U_5R"):
        make_selection(annotated, tmp_path / "out.parquet", options=SampleOptions(), keep=keep)
    assert not (tmp_path / "out.parquet").exists()


@pytest.mark.parametrize("name", ["s.csv", "s.json", "s.html", "s.tif", "s.png", "s"])
def test_an_output_that_would_be_read_as_another_format_is_refused(tmp_path, annotated, name):
    before = sorted(tmp_path.iterdir())

    with pytest.raises(InputError, match=rf"suffix .parquet for the selection, found .*{name};"):
        make_selection(annotated, tmp_path / name, options=SampleOptions())
    assert sorted(tmp_path.iterdir()) == before


def test_a_selection_is_not_an_annotated_file(tmp_path, annotated):
    out = tmp_path / "selection.parquet"
    make_selection(annotated, out, options=SampleOptions(per_stratum=5, method="random"))

    with pytest.raises(InputError, match="found a selection"):
        make_selection(out, tmp_path / "again.parquet", options=SampleOptions())


def test_a_missing_column_is_an_error(tmp_path, table):
    path = tmp_path / "annotated.parquet"
    pq.write_table(table.drop_columns(["stratum"]), path)

    with pytest.raises(InputError, match="without stratum"):
        make_selection(path, tmp_path / "out.parquet", options=SampleOptions())


@pytest.mark.parametrize("lat", [91.0, np.nan])
def test_a_tile_off_the_globe_is_an_error(lat):
    table = annotated_table([0, 1], [0, 0], ["A/x"] * 2)
    table = table.set_column(1, "lat", pa.array([0, lat]))

    with pytest.raises(InputError, match="found lat .* in row 1 of the annotated tiles"):
        select(table, SampleOptions())


def test_a_tile_without_a_stratum_is_an_error():
    table = annotated_table([0, 1], [0, 0], ["A/x"] * 2)
    table = table.set_column(7, "stratum", pa.array(["A/x", None]))

    with pytest.raises(InputError, match="must have a stratum, found 1 without"):
        select(table, SampleOptions())


@pytest.mark.parametrize(
    "wrong",
    [
        {"per_stratum": 0}, {"per_stratum": 2**63}, {"method": "best"},
        {"genetic": GeneticOptions(
            objective="mean-distance", swap_rounds=0, coverage_weight=0, within_weight=0)},
    ],
)  # fmt: skip
def test_a_wrong_option_is_refused(wrong):
    with pytest.raises(InputError, match="--"):
        SampleOptions(**wrong)


def test_a_repeated_run_is_up_to_date_and_other_options_need_overwrite(tmp_path, annotated):
    out = tmp_path / "selection.parquet"
    options = SampleOptions(per_stratum=5, method="random")
    assert make_selection(annotated, out, options=options).status == "written"
    assert make_selection(annotated, out, options=options).status == "up to date"

    other = SampleOptions(per_stratum=6, method="random")
    with pytest.raises(OutputExistsError):
        make_selection(annotated, out, options=other)
    assert make_selection(annotated, out, options=other, overwrite=True).tiles == 25
