from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from geopandas import read_parquet
from geopandas.testing import assert_geodataframe_equal
from map_maker import write_map

import minortom
from minortom.errors import InputError, OutputExistsError
from minortom.grid.cells import cells_at
from minortom.io.memory_tables import table_sha256
from minortom.io.provenance import sha256_of


@pytest.fixture
def maps(tmp_path):
    """Two maps of the globe with nodata here and there."""
    rng = np.random.default_rng(3)
    climate = write_map(tmp_path / "climate.tif", rng.choice(np.uint8([0, 5, 26]), (18, 36)))
    landcover = write_map(tmp_path / "landcover.tif", rng.choice(np.uint8([0, 10, 40]), (18, 36)))
    return {"climate": climate, "landcover": landcover}


@pytest.fixture
def names():
    rng = np.random.default_rng(4)
    points = rng.uniform(-180, 180, 300), rng.uniform(-84, 84, 300)
    return cells_at(*points).names().tolist()


@pytest.fixture
def cells(names, tmp_path):
    (tmp_path / "cells.txt").write_text("\n".join(names))
    return tmp_path / "cells.txt"


@pytest.mark.parametrize("mode", ["center", "fractions"])
def test_the_table_in_memory_is_the_table_of_the_file(maps, tmp_path, mode):
    rng = np.random.default_rng(5)
    fine = rng.choice(np.uint8([0, 10, 40]), (200, 200))
    landcover = write_map(tmp_path / "fine.tif", fine, west=0, north=2, step=0.01)
    table = minortom.cells(bbox=(0, 0, 2, 2)).table
    options = {"landcover": landcover, "climate": maps["climate"], "landcover_mode": mode}
    options |= {"keep_unmapped": True, "workers": 1}
    options |= {} if mode == "center" else {"landcover_resolution": 2000}

    made = minortom.annotate(table, **options)
    written = minortom.annotate(table, **options, out=tmp_path / "a.parquet")

    read = pq.read_table(written.out)
    assert read.equals(made.table)
    assert read.schema.equals(made.table.schema, check_metadata=True)
    assert table_sha256(made.table) == table_sha256(written.table) == sha256_of(written.out)
    assert_geodataframe_equal(made.to_geopandas(), read_parquet(written.out))
    assert_geodataframe_equal(written.to_geopandas(), read_parquet(written.out))


def test_without_out_nothing_is_written(cells, maps, tmp_path):
    before = sorted(tmp_path.iterdir())

    made = minortom.annotate(cells, **maps)

    assert sorted(tmp_path.iterdir()) == before
    assert (made.out, made.status, made.tiles) == (None, "in memory", len(made.table))


def test_the_result_counts_what_the_command_prints(cells, maps, tmp_path):
    made = minortom.annotate(cells, **maps)
    written = minortom.annotate(cells, **maps, out=str(tmp_path / "a.parquet"))
    again = minortom.annotate(cells, **maps, out=str(tmp_path / "a.parquet"))

    assert written.cells_in == written.tiles + sum(written.dropped.values())
    names = {"out": str(tmp_path / "a.parquet"), "status": "written"}
    assert written.as_dict() == made.as_dict() | names
    rest = {"dropped", "unmapped"}
    assert again.as_dict() == {
        name: value for name, value in (written.as_dict() | {"status": "up to date"}).items()
        if name not in rest
    }  # fmt: skip
    assert "in memory" in str(made)
    assert again.table.equals(made.table)


def test_cells_in_memory_give_the_tiles_of_cells_in_a_file(cells, names, maps):
    from_file = minortom.annotate(cells, **maps).table
    table = pa.table({"grid_cell": names})

    for given in (table, table.to_pandas(), [table], [cells, table]):
        assert minortom.annotate(given, **maps).table.equals(from_file)


def test_cells_from_the_api_are_annotated(maps):
    found = minortom.cells(bbox=(0, 0, 20, 20))

    made = minortom.annotate(found.table, **maps, keep_unmapped=True)

    assert made.table["grid_cell"].equals(found.table["grid_cell"])
    assert sorted(made.table["grid_cell"].to_pylist()) == sorted(found.names)


def test_a_table_of_a_file_has_the_provenance_of_the_file(maps, tmp_path):
    file = minortom.cells(bbox=(0, 0, 2, 2), out=tmp_path / "cells.parquet").out

    made = minortom.annotate(file, **maps, keep_unmapped=True).table

    in_memory = minortom.annotate(pq.read_table(file), **maps, keep_unmapped=True).table
    assert in_memory.equals(made, check_metadata=True)


def test_a_box_is_text_numbers_or_a_box(cells, maps):
    tables = [
        minortom.annotate(cells, **maps, bbox=bbox).table
        for bbox in ("-90,0,90,60", (-90, 0, 90, 60), np.array([-90.0, 0, 90, 60]))
    ]

    assert tables[0].equals(tables[1], check_metadata=True)
    assert tables[0].equals(tables[2], check_metadata=True)


def test_a_path_is_a_legend_file_also_without_a_folder(cells, maps, tmp_path, monkeypatch):
    text = "name: mine\nnodata: [0]\nclasses: {10: wood, 30: meadow, 40: field, 80: lake}\n"
    (tmp_path / "corine").write_text(text)
    monkeypatch.chdir(tmp_path)
    found = minortom.annotate(cells, **maps, landcover_legend=Path("corine"))
    assert set(found.table["landcover"].to_pylist()) <= {"wood", "meadow", "field", "lake"}


def test_another_output_is_kept_unless_overwritten(cells, maps, tmp_path):
    out = tmp_path / "a.parquet"
    minortom.annotate(cells, **maps, out=out)

    with pytest.raises(OutputExistsError):
        minortom.annotate(cells, **maps, out=out, keep_unmapped=True)
    found = minortom.annotate(cells, **maps, out=out, keep_unmapped=True, overwrite=True)
    assert found.status == "written"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"climate": 3}, r"climate must be a path \(str or Path\), found 3"),
        ({"out": 3}, "out must be a path"),
        ({"bbox": 3}, "bbox must be 'W,S,E,N', four numbers or a BBox, found 3"),
        ({"workers": "2"}, "workers must be a whole number of at least 1, found '2'"),
        ({"landcover_resolution": "40"}, "landcover_resolution must be a number, found '40'"),
        ({"landcover_resolution": 2000}, "--landcover-resolution needs a map whose pixels are"),
        ({"variable_mode": "mean"}, "--variable-mode needs a continuous raster; give --variable"),
        ({"landcover_mode": "mean"}, "expected --landcover-mode center, majority, fractions"),
        ({"descriptor": [3]}, "descriptor must be a path"),
        ({"descriptor": 3}, "descriptor must be NAME=MAP, or a sequence of these, found 3"),
        ({"manifest": 3}, "manifest must be a path .* or a sequence of these, found 3"),
        ({"keep_unmapped": "no"}, "keep_unmapped must be True or False, found 'no'"),
        (
            {"climate_legend": 3},
            "a legend must be the name of one, such as koppen, or the path of a file, found 3",
        ),
        ({"landcover_mode": ["center"]}, "expected --landcover-mode .* found list"),
        ({"climate_mode": "mode"}, "expected --climate-mode center, majority, fractions, found"),
        (
            {"descriptor": "soil=a.tif", "descriptor_mode": "soil=most"},
            "expected --descriptor-mode soil=center, majority, fractions, found 'most'",
        ),
        (
            {"descriptor": "soil=a.tif", "descriptor_mode": ["soil=center", "soil=center"]},
            r"at most once \(soil\), found 'soil=center'",
        ),
        ({"descriptor_mode": 3}, "descriptor_mode must be NAME=MODE, or a sequence"),
        ({"max_cloud": "20"}, "max_cloud must be a number, found '20'"),
        ({"until": 2020}, "until must be ISO 8601 text, a date or a datetime, found 2020"),
        ({"until": "9999-12-31T23:59-05:00"}, "expected --until in the years 1 to 9999 of UTC"),
        ({"since": date(2020, 1, 1)}, "rules about products need the archives"),
    ],
)
def test_a_wrong_argument_is_an_error_that_says_what_was_expected(cells, maps, arguments, message):
    with pytest.raises(InputError, match=message):
        minortom.annotate(cells, **maps | arguments)


def test_a_list_of_names_is_an_error_that_says_where_names_go(names, maps):
    with pytest.raises(InputError, match=r"does not exist; .*pyarrow\.table"):
        minortom.annotate(names, **maps)
