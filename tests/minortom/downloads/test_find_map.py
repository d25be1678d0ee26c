import numpy as np
import pytest
from map_maker import write_map
from map_server import map_bytes, serve_tile, serve_zip, write_manifest

from minortom.downloads.fetch import fetch_map
from minortom.downloads.find_map import find_map
from minortom.downloads.open_map import MapChoice, open_map
from minortom.errors import InputError
from minortom.grid.bbox import BBox
from minortom.maps.manifests import load_manifest
from minortom.maps.tile_lattice import TileName
from minortom.maps.tiled_map import TileMap


def test_the_path_of_a_raster_is_its_source(tmp_path, monkeypatch):
    path = write_map(tmp_path / "map.tif", np.ones((2, 4), np.uint8))
    found = find_map(str(path))
    assert (found.source, found.manifest) == (path, None)
    monkeypatch.chdir(tmp_path)
    assert find_map("map.tif").source.name == "map.tif"


def test_a_folder_is_a_tiled_map(web_server):
    serve_tile(web_server, "N00E006")
    found = find_map(str(web_server.folder / "tiles"))
    assert isinstance(found.source, TileMap)
    assert list(found.source.files) == [TileName(0, 6)]


def test_a_manifest_of_one_file_is_fetched_once_and_then_needs_no_network(tmp_path, web_server):
    checksum = serve_zip(web_server, {"a.tif": map_bytes(tmp_path)})
    path = write_manifest(
        tmp_path / "my.yaml", f"{web_server.url}/maps.zip", checksum=checksum, member="a.tif"
    )
    for _ in range(2):
        found = find_map(str(path))
        assert found.source == tmp_path / "cache" / "maps" / "zones" / "a.tif"
        assert (found.manifest, found.manifest_path) == (load_manifest(path), path)
        web_server.fail("*", status=403)
    assert len(web_server.requests) == 1


def test_tiles_are_read_from_the_cache_and_known_sea_is_not_requested(tmp_path, web_server):
    url = f"{web_server.url}/tiles/map_{{TILE}}_v1.tif"
    path = write_manifest(tmp_path / "my.yaml", url, lattice_deg=3)
    serve_tile(web_server, "N00E006")
    fetch_map(load_manifest(path), bbox=BBox.parse("6.1,0.1,11.9,2.9"))
    web_server.requests.clear()
    tiles = find_map(str(path)).source.existing([TileName(0, 6), TileName(0, 9)])
    assert [tile.place for tile in tiles] == [
        str(tmp_path / "cache" / "maps" / "zones" / "map_N00E006_v1.tif")
    ]
    assert web_server.requests == []


def test_a_tile_that_is_not_in_the_cache_is_read_over_the_network(tmp_path, web_server):
    url = f"{web_server.url}/tiles/map_{{TILE}}_v1.tif"
    path = write_manifest(tmp_path / "my.yaml", url, lattice_deg=3)
    served = serve_tile(web_server, "N00E006")
    (tile,) = find_map(str(path)).source.existing([TileName(0, 6)])
    assert tile.place == web_server.url + served
    assert not list((tmp_path / "cache").rglob("*.tif"))


def test_a_tile_that_changed_in_the_cache_is_an_error(tmp_path, web_server):
    url = f"{web_server.url}/tiles/map_{{TILE}}_v1.tif"
    path = write_manifest(tmp_path / "my.yaml", url, lattice_deg=3)
    serve_tile(web_server, "N00E006")
    folder = fetch_map(load_manifest(path), bbox=BBox.parse("6,0,9,3")).folder
    (folder / "map_N00E006_v1.tif").write_bytes(b"other")
    with pytest.raises(InputError, match="it has changed and is not used"):
        find_map(str(path))


def test_a_map_that_comes_with_a_legend_takes_no_other(tmp_path, web_server):
    path = write_manifest(tmp_path / "my.yaml", f"{web_server.url}/map_{{TILE}}.tif", lattice_deg=3)
    assert open_map(MapChoice(map=str(path)), default_legend="koppen").legend == "zones"
    with pytest.raises(
        InputError, match="has the legend zones, found the legend igbp; leave the legend"
    ):
        open_map(MapChoice(map=str(path), legend="igbp"), default_legend="koppen")


def test_a_name_is_looked_up_at_its_source_behind_the_mirror(web_server, monkeypatch):
    monkeypatch.setenv("MINORTOM_MIRROR", web_server.url)
    found = find_map("worldcover-2021")
    assert found.manifest_path.name == "worldcover-2021.yaml"
    with pytest.raises(InputError, match="expected tiles of the area"):
        found.source.existing([TileName(0, 6)])
    (request,) = web_server.requests
    assert request.path == (
        "/esa-worldcover.s3.eu-central-1.amazonaws.com/v200/2021/map/"
        "ESA_WorldCover_10m_2021_v200_N00E006_Map.tif"
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "corine",
            r"name of a data set \(corine-clc, .*, koppen-geiger-2023, mcd12c1-v006, nlcd, w",
        ),
        (
            "./corine.tif",
            "expected a raster file, a folder of tiles or a manifest, but corine.tif does not",
        ),
        ("mcd12c1-v006", "cannot be downloaded by minortom: a year's HDF file each, behind a NASA"),
        ("https://a/b.tif?key=SECRET", "found the URL https://a/b.tif; write a manifest"),
    ],
)
@pytest.mark.usefixtures("web_server")  # for its empty cache
def test_text_that_is_not_a_map_is_one_line(text, message):
    with pytest.raises(InputError, match=message) as caught:
        find_map(text)
    assert "SECRET" not in str(caught.value)
