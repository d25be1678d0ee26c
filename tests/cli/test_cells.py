import json
from pathlib import Path

import geopandas
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from map_maker import write_map
from minortom_cli.console import run
from minortom_cli.curate.app import app

from minortom.grid.area_cells import cells_of_area
from minortom.grid.bbox import BBox
from minortom.grid.cell_lists import read_cells
from minortom.grid.cells import whole_grid
from minortom.io.up_to_date import stored_provenance

# Of row 0 the cells from 0 to 0.27 degrees, of row 5 none: a cell is 0.0898 degrees high.
TRIANGLE = {
    "type": "Polygon",
    "coordinates": [[[0.01, 0.01], [0.2, 0.01], [0.01, 0.1], [0.01, 0.01]]],
}
IN_TRIANGLE = ["0U_0R", "0U_1R", "0U_2R", "1U_0R"]


@pytest.fixture
def aoi(tmp_path):
    path = tmp_path / "aoi.geojson"
    path.write_text(json.dumps(TRIANGLE))
    return str(path)


def test_names_go_to_stdout_a_line_each_from_south_to_north(aoi, capsys):
    assert run(app, ["cells", "--region", aoi]) == 0
    assert capsys.readouterr().out.splitlines() == IN_TRIANGLE


def test_json_is_a_list_of_names(aoi, capsys):
    assert run(app, ["cells", "--region", aoi, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == IN_TRIANGLE


def test_a_box_alone_serves_and_with_a_region_both_are_overlapped(aoi, capsys):
    assert run(app, ["cells", "--bbox", "0.1,0.01,0.2,0.05"]) == 0
    assert capsys.readouterr().out.splitlines() == ["0U_1R", "0U_2R"]
    assert run(app, ["cells", "--bbox", "-5,0.01,0.05,0.5", "--region", aoi]) == 0
    assert capsys.readouterr().out.splitlines() == ["0U_0R", "1U_0R"]


@pytest.mark.parametrize("name", ["cells.txt", "cells.csv", "cells.parquet"])
def test_each_kind_of_file_is_a_list_of_cells_again(aoi, tmp_path, capsys, name):
    out = str(tmp_path / name)
    assert run(app, ["cells", "--region", aoi, "--out", out, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"out": out, "status": "written", "cells": 4}
    assert read_cells([out]).names().tolist() == IN_TRIANGLE
    assert run(app, ["cells", "--region", aoi, "--out", out]) == 0
    assert "up to date" in capsys.readouterr().out
    before = (tmp_path / name).read_bytes()
    wider = ["cells", "--bbox", "0,0,1,1", "--out", out]
    assert run(app, wider) == 1
    assert "give --overwrite or another --out" in capsys.readouterr().err
    assert (tmp_path / name).read_bytes() == before
    assert run(app, [*wider, "--overwrite"]) == 0
    assert len(read_cells([out])) == 144
    assert json.loads((tmp_path / f"{name}.run.json").read_text())["summary"]["cells"] == 144


def test_a_parquet_file_has_outlines_and_provenance(aoi, tmp_path):
    out = tmp_path / "cells.parquet"
    assert run(app, ["cells", "--region", aoi, "--out", str(out)]) == 0
    frame = geopandas.read_parquet(out)
    assert list(frame.columns) == ["grid_cell", "lat", "lon", "geometry"]
    assert frame.geometry[0].bounds == pytest.approx((0, 0, 360 / 4008, 180 / 2004))
    assert frame.lat[0] == pytest.approx(90 / 2004)
    assert stored_provenance(out)["inputs"].keys() == {"region"}


def test_annotate_takes_them(aoi, tmp_path, capsys):
    write_map(tmp_path / "climate.tif", np.ones((2, 4), np.uint8))
    out = str(tmp_path / "cells.parquet")
    run(app, ["cells", "--region", aoi, "--out", out])
    maps = [
        "--climate",
        str(tmp_path / "climate.tif"),
        "--landcover",
        str(tmp_path / "climate.tif"),
    ]
    legends = ["--landcover-legend", "koppen", "--out", str(tmp_path / "a.parquet")]
    capsys.readouterr()
    assert run(app, ["annotate", out, *maps, *legends, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["tiles"] == 4


def test_a_layer_of_a_file_with_several_is_chosen_by_name(aoi, tmp_path, capsys):
    path, out = tmp_path / "a.gpkg", tmp_path / "cells.parquet"
    frame = geopandas.read_file(aoi)
    frame.to_file(path, layer="near")
    frame.translate(10).to_file(path, layer="far")

    assert run(app, ["cells", "--region", str(path)]) == 1
    assert "choose one by --region-layer NAME" in capsys.readouterr().err
    chosen = ["--region", str(path), "--region-layer", "near"]
    assert run(app, ["cells", *chosen, "--out", str(out)]) == 0
    assert read_cells([str(out)]).names().tolist() == IN_TRIANGLE
    assert stored_provenance(out)["options"]["region_layer"] == "near"
    capsys.readouterr()
    assert run(app, ["cells", "--region-layer", "near", "--bbox", "0,0,1,1"]) == 2
    assert capsys.readouterr().err.startswith("error: expected --region beside --region-layer")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "expected --region or --bbox"),
        (["--region", "nowhere.gpkg"], "the region nowhere.gpkg does not exist"),
        (["--bbox", "0,86,1,87"], "no cell overlaps the box [0.0, 86.0, 1.0, 87.0]"),
    ],
)
def test_a_users_mistake_is_one_line_and_1(arguments, message, capsys):
    assert run(app, ["cells", *arguments]) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("error: ") and printed.err.count("\n") == 1
    assert message in printed.err


def test_an_impossible_box_is_wrong_usage(capsys):
    assert run(app, ["cells", "--bbox", "181,0,1,1"]) == 2
    message = " ".join(capsys.readouterr().err.replace("│", "").split())
    assert "for the west edge of the box, found 181.0" in message


@pytest.mark.parametrize("bbox", ["-20,-85.5,20,-84", "170,84,-170,90", "10,-0.01,12,0.01"])
def test_a_box_gives_the_cells_of_the_whole_grid_that_it_touches(bbox):
    grid, box = whole_grid(), BBox.parse(bbox)
    wanted = grid.take(box.touches_boxes(*grid.bounds_deg())).names().tolist()
    assert cells_of_area(bbox=box).names().tolist() == wanted


def test_the_region_is_not_overwritten(aoi, capsys):
    assert run(app, ["cells", "--region", aoi, "--out", aoi, "--overwrite"]) == 1
    assert "is the input " in capsys.readouterr().err
    assert json.loads(Path(aoi).read_text()) == TRIANGLE


def test_cells_of_a_region_in_a_geoparquet_file_are_those_of_that_file(aoi, tmp_path, capsys):
    out = str(tmp_path / "cells.parquet")
    run(app, ["cells", "--region", aoi, "--out", out])
    capsys.readouterr()
    assert run(app, ["cells", "--region", out]) == 0
    assert capsys.readouterr().out.splitlines() == IN_TRIANGLE
    assert pq.read_schema(out).field("grid_cell").type == pa.string()
