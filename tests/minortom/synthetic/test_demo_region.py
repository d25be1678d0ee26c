"""The synthetic planet of an area: where its cells and tiles lie, and how it is turned."""

import json

import numpy as np
import pyarrow.parquet as pq
import pytest
from minortom_cli.console import run
from minortom_cli.curate.app import app

import minortom
from minortom.grid.area_cells import cells_of_area
from minortom.grid.bbox import as_bbox
from minortom.synthetic.area import turned_to
from minortom.synthetic.maps import Planet


def write_box(path, west, south, east, north):
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    path.write_text(json.dumps({"type": "Polygon", "coordinates": [ring]}))
    return path


@pytest.fixture
def striped():
    """A planet whose land is one stripe of 2° in the west, and its land cover in halves of it."""
    climate, landcover = np.zeros((900, 1800), np.uint8), np.zeros((1800, 3600), np.uint8)
    climate[:, 100:110], landcover[:, 200:220] = 8, 40  # 160 to 158° W
    return Planet(seed=0, climate=climate, landcover=landcover)


@pytest.mark.parametrize("west", [-160.0, 10.0, 178.9])
def test_the_planet_is_turned_so_that_an_area_is_land(striped, west):
    inner = as_bbox((west + 0.3, 20.0, west + 0.9, 21.0))
    area = cells_of_area(bbox=inner)

    planet = turned_to(striped, area)

    assert all((codes > 0).all() for codes in planet.codes_at(*area.centres()))
    assert (planet.climate > 0).sum() == 9000


def test_no_other_turn_has_more_land():
    """The slow twin: every turn, one by one, of a planet with random land."""
    land = np.random.default_rng(0).random((900, 1800)) < 0.3
    planet = Planet(
        seed=0, climate=land.astype(np.uint8), landcover=land.repeat(2, 0).repeat(2, 1).astype("u1")
    )
    area = cells_of_area(bbox=as_bbox((-3.0, 50.0, -1.0, 51.0)))
    counts = [
        np.count_nonzero(
            Planet(
                seed=0, climate=np.roll(planet.climate, -turn, 1), landcover=planet.landcover
            ).codes_at(*area.centres())[0]
        )
        for turn in range(1800)
    ]

    turned = turned_to(planet, area)

    assert max(counts) == np.count_nonzero(turned.codes_at(*area.centres())[0])
    best = int(np.argmax(counts))
    np.testing.assert_array_equal(turned.climate, np.roll(planet.climate, -best, axis=1))
    twice = turned.climate.repeat(2, axis=0).repeat(2, axis=1)
    np.testing.assert_array_equal(turned.landcover, twice)


def test_cells_and_tiles_lie_in_the_region(tmp_path, capsys):
    area = write_box(tmp_path / "area.geojson", 5.0, 45.0, 6.0, 45.5)  # no land there by itself

    words = ["demo", tmp_path / "planet", "--region", area, "--tiles", 2, "--json"]
    assert run(app, [str(word) for word in words]) == 0

    printed = json.loads(capsys.readouterr().out)
    listed = (tmp_path / "planet" / "cells.txt").read_text().split()
    inside = minortom.cells(region=area).names
    assert printed["cells"] == len(listed) <= len(inside)
    assert set(listed) <= set(inside)
    tiles = pq.read_table(tmp_path / "planet" / "Core-S2L2A" / "metadata.parquet")
    assert set(tiles["grid_cell"].to_pylist()) <= set(listed)
    made = minortom.annotate(
        tmp_path / "planet" / "cells.txt", climate=str(tmp_path / "planet" / "climate.tif"),
        landcover=str(tmp_path / "planet" / "landcover.tif"),
    )  # fmt: skip
    assert made.tiles == len(listed)


def test_a_region_with_fewer_cells_than_tiles_is_one_line(tmp_path, capsys):
    area = write_box(tmp_path / "area.geojson", 5.01, 45.01, 5.02, 45.02)

    words = ["demo", tmp_path / "planet", "--region", area, "--tiles", 2]
    assert run(app, [str(word) for word in words]) == 1

    error = capsys.readouterr().err.strip()
    assert "must have a land cell of 10 km for each of 2 tiles, found 1 on the planet" in error
    assert not (tmp_path / "planet").exists()
