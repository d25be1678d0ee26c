"""Maps in tiles: the tile of a point, and the tiles in a folder."""

import hashlib

import numpy as np
import pytest
import rasterio
from map_maker import WORLDCOVER_FILE, described, write_map, write_tile, write_vrt

from minortom.errors import InputError
from minortom.grid.cells import Cells, cells_at
from minortom.maps.class_table import NO_CLASS
from minortom.maps.manifests import find_manifest
from minortom.maps.tile_lattice import Lattice, TileName
from minortom.maps.tiled_map import TileMap

WORLDCOVER = find_manifest("worldcover")[1]


def names(tiles):
    return [str(tile) for tile in tiles]


def hexdigits(cells, tiles):
    return described(tiles, legend="worldcover").hash_for(cells)


@pytest.mark.parametrize(
    ("name", "lat_deg", "lon_deg"),
    [("N39W075", 39, -75), ("S03E000", -3, 0), ("N00E177", 0, 177), ("S90W180", -90, -180)],
)
def test_a_tile_is_named_by_its_south_west_corner(name, lat_deg, lon_deg):
    assert str(TileName(lat_deg, lon_deg)) == name
    assert TileName.in_text(f"ESA_2021_{name}_Map.tif") == (TileName(lat_deg, lon_deg), (9, 16))
    assert TileName.in_text("ESA_2021_Map.tif") is None


def test_cells_touch_the_tiles_that_their_boxes_overlap():
    lattice = Lattice(3)
    corner = cells_at([0.001, -0.001, 179.99, 1.5], [0.001, -0.001, 50.0, 1.5])
    assert names(lattice.touched_by(corner.take(np.array([3])))) == ["N00E000"]
    assert names(lattice.touched_by(corner.take(np.array([0, 1])))) == ["S03W003", "N00E000"]
    row_of_odd_columns = Cells(row=np.array([1001]), col=np.array([3]))  # over the antimeridian
    west, _, east, _ = row_of_odd_columns.bounds_deg()
    touched = lattice.touched_by(row_of_odd_columns)
    assert touched[0].lon_deg == -180
    assert {t.lon_deg for t in touched} == {
        (lon + 180) % 360 - 180 for lon in range(int(west[0] // 3) * 3, int(np.ceil(east[0])), 3)
    }
    assert {t.lat_deg for t in touched} == {87}


def test_the_one_cell_round_the_south_pole_touches_all_tiles_there():
    pole = Cells(row=np.array([-1002]), col=np.array([0]))
    assert len(Lattice(3).touched_by(pole)) == 120


def test_a_row_of_cells_round_the_globe_touches_all_tiles_there_in_order():
    equator = Cells(row=np.zeros(4008, int), col=np.arange(4008) - 2004)
    touched = Lattice(3).touched_by(equator)
    assert touched == [TileName(0, lon) for lon in range(-180, 180, 3)]


def test_points_take_the_classes_that_one_raster_of_all_tiles_gives(tmp_path):
    tiles = [
        write_tile(tmp_path / "t", name, side_px=384, factors=())
        for name in ("N00E000", "N00W003", "S03E000", "S03W003")
    ]
    whole = described(write_vrt(tmp_path / "whole.vrt", tiles), legend="worldcover")
    split = described(TileMap.of_folder(tmp_path / "t"), legend="worldcover")
    rng = np.random.default_rng(2)
    # On the edges of tiles and of pixels, too: with 128 pixels to a degree these are exact.
    lon_deg = np.concatenate([rng.uniform(-3, 3, 500), rng.integers(-384, 384, 500) / 128])
    lat_deg = np.concatenate([rng.uniform(-3, 3, 500), rng.integers(-383, 385, 500) / 128])
    lon_deg[-40:], lat_deg[-20:] = 0, 0

    found = split.codes_at(lon_deg, lat_deg)

    np.testing.assert_array_equal(found, whole.codes_at(lon_deg, lat_deg))
    assert (found > 0).mean() > 0.5


def test_both_ends_of_the_world_belong_to_its_tiles(tmp_path):
    for name, code in (("N00E177", 10), ("N00W180", 20)):
        write_tile(tmp_path, name, values=np.full((60, 60), code, np.uint8), factors=())
    split = described(TileMap.of_folder(tmp_path), legend="worldcover")
    found = split.codes_at(np.array([180.0, -180.0, 179.999, 181.0]), np.ones(4))
    assert found.tolist() == [10, 20, 10, 20]


def test_the_south_pole_belongs_to_its_tile(tmp_path):
    write_tile(tmp_path, "S90E000", values=np.full((60, 60), 70, np.uint8), factors=())
    split = described(TileMap.of_folder(tmp_path), legend="worldcover")
    assert split.codes_at(np.array([1.0]), np.array([-90.0])).tolist() == [70]


def test_a_missing_tile_has_no_class_and_is_not_opened(tmp_path):
    write_tile(tmp_path, "N00E000", values=np.full((60, 60), 40, np.uint8), factors=())
    (tmp_path / WORLDCOVER_FILE.replace("{TILE}", "N30E030")).write_text("never opened")
    told = []
    found = described(TileMap.of_folder(tmp_path), legend="worldcover").codes_at(
        np.array([1.0, 100.0, 2.0]), np.array([1.0, 1.0, 2.0]),
        on_progress=lambda *seen: told.append(seen),
    )  # fmt: skip
    assert found.tolist() == [40, NO_CLASS, 40]
    assert told == [(3, 3)]


def test_no_points_and_no_cells_need_no_tile(tmp_path):
    write_tile(tmp_path, "N00E000", side_px=60, factors=())
    split = described(TileMap.of_folder(tmp_path), legend="worldcover")
    assert split.codes_at(np.empty(0), np.empty(0)).tolist() == []


def test_a_folder_without_any_of_the_tiles_is_an_error(tmp_path):
    write_tile(tmp_path, "N00E000", side_px=60, factors=())
    split = described(TileMap.of_folder(tmp_path), legend="worldcover")
    with pytest.raises(InputError, match=r"expected tiles of the area such as N48E006"):
        split.codes_at(np.array([8.0, 20.0]), np.array([50.0, 60.0]))


def test_a_folder_without_tiles_is_an_error(tmp_path):
    write_map(tmp_path / "landcover.tif", np.uint8([[1]]))
    with pytest.raises(InputError, match=r"expected tiles such as ESA_World.* found no tile in"):
        TileMap.of_folder(tmp_path)


def test_two_years_in_a_folder_are_an_error(tmp_path):
    write_tile(tmp_path, "N00E000", side_px=60, factors=())
    write_tile(
        tmp_path,
        "N00E003",
        side_px=60,
        factors=(),
        file=WORLDCOVER_FILE.replace("2021_v200", "2020_v100"),
    )
    with pytest.raises(
        InputError, match=r"tiles of one map in .*, found .*2020_v100.* and .*2021_v200"
    ) as caught:
        TileMap.of_folder(tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("asked", ["points", "cells"])
def test_a_tile_that_lies_elsewhere_than_its_name_says_is_an_error(tmp_path, asked):
    write_tile(tmp_path, "N00E000", factors=())
    write_tile(tmp_path, "N03E003", factors=())
    moved = tmp_path / WORLDCOVER_FILE.replace("{TILE}", "N00E003")
    (tmp_path / WORLDCOVER_FILE.replace("{TILE}", "N03E003")).rename(moved)
    split = described(TileMap.of_folder(tmp_path), legend="worldcover")
    with pytest.raises(InputError, match=r"of the tile N00E003 in .*, found 3, 3, 6, 6"):
        if asked == "points":
            split.codes_at(np.array([1.0, 4.0]), np.array([1.0, 1.0]))
        else:
            split.counts_in(cells_at([1.0, 4.0], [1.0, 1.0]), resolution_m=10)


def test_tiles_of_another_lattice_are_an_error(tmp_path):
    write_tile(tmp_path, "N00E000", side_px=60, factors=())
    write_tile(tmp_path, "N01E003", side_px=60, factors=())
    with pytest.raises(InputError, match=r"on a lattice of 3 degrees such as .* found .*N01E003"):
        TileMap.of_folder(tmp_path)


def test_tiles_of_fractions_of_a_degree_are_an_error(tmp_path):
    path = tmp_path / "a_N00E000.tif"
    write_map(path, np.uint8([[10, 20]]), west=0, north=1, step=1.25)
    with pytest.raises(InputError, match=r"expected tiles of whole degrees .* 2\.5 .* wide"):
        TileMap.of_folder(tmp_path)


def test_tiles_may_be_of_another_size(tmp_path):
    for name in ("N05E010", "N05E015"):
        write_tile(tmp_path, name, side_deg=5, side_px=500, factors=(), file="x_{TILE}.tif")
    tiles = TileMap.of_folder(tmp_path)
    assert tiles.lattice.side_deg == 5
    assert names(tiles.lattice.touched_by(cells_at([15.0, 12.0], [9.0, 7.0])))[:1] == ["N05E010"]


def test_the_hash_is_of_the_tiles_that_the_cells_touch(tmp_path):
    for name in ("N00E000", "N00E003"):
        write_tile(tmp_path, name, side_px=300, factors=())
    cells = cells_at([1.0], [1.0])
    both = cells_at([1.0, 4.0], [1.0, 1.0])
    before = hexdigits(cells, TileMap.of_folder(tmp_path))
    before_both = hexdigits(both, TileMap.of_folder(tmp_path))
    write_tile(tmp_path, "N00E003", side_px=300, factors=(), seed=9)
    assert hexdigits(cells, TileMap.of_folder(tmp_path)) == before
    assert hexdigits(both, TileMap.of_folder(tmp_path)) != before_both
    assert len(before) == 64


def test_the_hash_of_a_virtual_raster_is_of_its_files_too(tmp_path):
    tile = write_tile(tmp_path, "N00E000", side_px=300, factors=())
    whole = write_vrt(tmp_path / "whole.vrt", [tile])
    cells = cells_at([1.0], [1.0])
    before = hexdigits(cells, whole)
    write_tile(tmp_path, "N00E000", side_px=300, factors=(), seed=9)
    assert hexdigits(cells, whole) != before


def test_overviews_beside_a_map_belong_to_its_hash_and_statistics_do_not(tmp_path):
    path = write_map(tmp_path / "a.tif", np.full((64, 64), 10, np.uint8), nodata=0)
    cells = cells_at([1.0], [1.0])
    before = hexdigits(cells, path)
    assert before == hashlib.sha256(path.read_bytes()).hexdigest()
    (tmp_path / "a.tif.aux.xml").write_text("<PAMDataset></PAMDataset>")
    assert hexdigits(cells, path) == before
    with rasterio.Env(TIFF_USE_OVR=True), rasterio.open(path, "r+") as target:
        target.build_overviews([2], rasterio.enums.Resampling.mode)
    assert (tmp_path / "a.tif.ovr").exists()
    assert hexdigits(cells, path) != before


def test_a_tile_that_was_cut_short_is_an_error_that_names_it(tmp_path):
    path = write_tile(tmp_path, "N00E000")
    path.write_bytes(path.read_bytes()[:100_000])
    split = described(TileMap.of_folder(tmp_path), legend="worldcover")
    with pytest.raises(InputError, match=r"cannot read the map .*N00E000_Map\.tif"):
        split.counts_in(cells_at([1.0], [1.0]), resolution_m=10)


def test_the_credit_of_tiles_is_the_manifest_s(tmp_path):
    write_tile(tmp_path, "N00E000", side_px=60, factors=())
    split = described(TileMap.of_folder(tmp_path), legend="worldcover")
    assert split.credit() == WORLDCOVER.credit()
    of_bucket = TileMap.of_manifest(WORLDCOVER, folder=None)
    assert described(of_bucket, legend="worldcover").credit() == WORLDCOVER.credit()


def test_a_manifest_of_one_file_has_no_tiles():
    with pytest.raises(InputError, match="expected a manifest of tiles, found koppen-geiger-2023"):
        TileMap.of_manifest(find_manifest("koppen")[1], folder=None)
