"""``minortom.sample``: tables in memory in the place of files."""

import inspect
import json
import subprocess
import sys

import geopandas
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from geopandas.testing import assert_geodataframe_equal

import minortom
from minortom.errors import InputError
from minortom.io.geoparquet import points_table
from minortom.io.provenance import Provenance

pytest_plugins = ["sample_fixtures"]

MADE_BY = Provenance(command="annotate", options={}, licences=("CC BY 4.0, somebody",))


@pytest.fixture
def in_memory(table):
    return points_table(table, MADE_BY)


def test_a_selection_in_memory_equals_the_file(tmp_path, annotated, in_memory):
    out = tmp_path / "selection.parquet"
    options = {"per_stratum": 20, "reserves": 2, "split": (0.6, 0.2, 0.2), "workers": 1}
    written = minortom.sample(annotated, out=out, **options)
    made = minortom.sample(in_memory, **options)

    assert made.table.equals(pq.read_table(out))
    assert made.table.schema.equals(pq.read_table(out).schema, check_metadata=True)
    assert written.table.equals(made.table)
    expected = written.as_dict() | {"out": None, "status": "in memory"}
    assert made.as_dict() == expected
    assert_geodataframe_equal(made.to_geopandas(), geopandas.read_parquet(out))


def test_nothing_is_written_without_out(tmp_path, monkeypatch, in_memory):
    monkeypatch.chdir(tmp_path)
    minortom.sample(in_memory, per_stratum=20, workers=1)

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", ["table", "frame"])
def test_a_table_and_its_file_give_the_same_bytes(tmp_path, annotated, in_memory, kind):
    source = in_memory
    if kind == "frame":
        source = geopandas.read_parquet(annotated)
        source.attrs["minortom"] = MADE_BY.to_json()
    for name, given in (("file", annotated), ("memory", source)):
        minortom.sample(given, out=tmp_path / f"{name}.parquet", per_stratum=20, workers=1)

    first, second = ((tmp_path / f"{name}.parquet").read_bytes() for name in ("file", "memory"))
    assert first == second
    again = minortom.sample(source, out=tmp_path / "file.parquet", per_stratum=20, workers=1)
    assert again.status == "up to date"
    assert again.table.equals(pq.read_table(tmp_path / "memory.parquet"))


def test_kept_cells_and_quotas_in_memory_equal_their_files(tmp_path, annotated, table):
    names = sorted(table["grid_cell"].to_pylist()[10:14])
    (tmp_path / "keep.txt").write_text("".join(f"{name}\n" for name in names))
    (tmp_path / "quota.csv").write_text("stratum,tiles\nAf/tree_cover,9\nBWh/bare,4\n")
    quota = {"Af/tree_cover": 9, "BWh/bare": 4}
    same = {"method": "random", "per_stratum": 5, "seed": 3, "out": tmp_path / "s.parquet"}
    first = minortom.sample(
        annotated, keep=tmp_path / "keep.txt", quota=str(tmp_path / "quota.csv"), **same
    )

    assert (first.tiles, first.kept) == (9 + 4 + 5 + 5 + 1, 4)
    for keep, numbers in (
        (names, quota),
        (pa.table({"grid_cell": names}), pa.table({"stratum": list(quota), "tiles": [9, 4]})),
    ):
        assert minortom.sample(annotated, keep=keep, quota=numbers, **same).status == "up to date"


def test_parsed_values_are_taken_like_the_text_of_the_command_line(annotated):
    options = {"method": "random", "per_stratum": 20, "seed": 1}
    text = minortom.sample(
        annotated, split="0.6,0.2,0.2", stratify_by="climate,landcover", **options
    )
    parsed = minortom.sample(
        annotated, split=[0.6, 0.2, 0.2], stratify_by=["climate", "landcover"], **options
    )

    assert text.table.equals(parsed.table)


def test_numpy_numbers_are_stored_as_plain_numbers(annotated):
    plain = minortom.sample(
        annotated, per_stratum=9, coverage_weight=0.5, generations=2, population=2, seed=2,
        workers=1,
    )  # fmt: skip
    numpy = minortom.sample(
        annotated, per_stratum=np.int64(9), coverage_weight=np.float32(0.5),
        generations=np.int32(2), population=2, seed=np.uint8(2), workers=1,
    )  # fmt: skip

    assert numpy.table.schema.equals(plain.table.schema, check_metadata=True)
    assert numpy.table.equals(plain.table)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"per_stratum": "100"},
         "per_stratum must be a whole number of at least 1, found '100'"),
        ({"seed": 1.5}, "seed must be a whole number of at least 0, found 1.5"),
        ({"time_budget": "long"}, "time_budget must be a number, found 'long'"),
        ({"method": "best"},
         "method must be one of genetic, random, farthest-point, grts, k-means, found 'best'"),
        ({"split": (0.5, 0.5)}, "split must be three shares"),
        ({"stratify_by": 3}, "--stratify-by must be names of columns"),
        ({"quota": 100}, "quota must be a path, a table with stratum and tiles, or a mapping"),
        ({"quota": {"Af/tree_cover": "many"}}, "the table quota: tiles must be whole numbers"),
        ({"keep": 3}, "keep must be a path, a table with grid_cell, or names of cells, found 3"),
        ({"keep": [1]}, "keep must be a path, a table with grid_cell, or names of cells"),
        ({"keep": []}, "keep must name at least one cell"),
        ({"keep": ["3U_9999R"]}, "of the Major TOM 10 km grid"),
        ({"method": np.array(["random", "grts"])}, "method must be one of genetic"),
        ({"mutation_rate": np.array([1, 2])}, "mutation_rate must be a number, found ndarray"),
        ({"engine": "spark"}, "engine must be one of local, dask, found 'spark'"),
        ({"engine": np.array([1, 2])}, "engine must be one of local, dask, found ndarray"),
        ({"allocation": pa.table({"a": [1]})}, "allocation must be one of"),
        ({"keep": np.array("5U_1R")}, "keep must be a path, a table with grid_cell, or names"),
        ({"overwrite": "no", "out": "s.parquet"}, "overwrite must be True or False, found 'no'"),
        ({"out": ""}, "--out . has no file name"),
        ({"out": "~/s.parquet"}, "--out ~/s.parquet starts with ~; give the whole path"),
        ({"out": 5}, "out must be a path (str or Path), found 5"),
        ({"annotated": 5},
         "annotated must be a path, a pyarrow.Table or a GeoDataFrame, found int"),
    ],
)  # fmt: skip
def test_a_wrong_argument_is_an_error_that_says_what_was_expected(annotated, wrong, message):
    arguments = {"annotated": annotated, "workers": 1} | wrong

    with pytest.raises(InputError) as error:
        minortom.sample(arguments.pop("annotated"), **arguments)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_a_result_prints_its_numbers_and_not_its_table(annotated):
    result = minortom.sample(annotated, per_stratum=9, method="random")

    assert str(result).splitlines()[4].split() == ["tiles", "37"]
    assert json.loads(json.dumps(result.as_dict()))["tiles"] == 37
    assert "split" not in result.as_dict()
    assert "pyarrow" not in repr(result)


def test_the_time_budget_counts_from_the_call_and_includes_the_imports():
    code = (
        "import sys, minortom; minortom.sample; "
        "print([m for m in ('numpy', 'pyarrow', 'numba', 'pymoo') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout == "[]\n"
    source = inspect.getsource(minortom.sample)
    assert source.index("datetime.now(UTC)") < source.index("import EngineOptions")
