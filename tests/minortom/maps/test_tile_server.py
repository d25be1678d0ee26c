"""Maps in tiles behind a server: the requests, and faulty servers."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from map_maker import WORLDCOVER_FILE, described, write_tile

from minortom.errors import InputError, RemoteError
from minortom.grid.cells import cells_at
from minortom.maps.manifests import find_manifest
from minortom.maps.tiled_map import TileMap

BUCKET = "esa-worldcover.s3.eu-central-1.amazonaws.com/v200/2021/map"
WORLDCOVER = find_manifest("worldcover")[1]


def of_bucket(folder: Path | None = None):
    return TileMap.of_manifest(WORLDCOVER, folder=folder)


@pytest.fixture
def bucket(web_server, monkeypatch):
    """The bucket with two tiles, behind a mirror; gives the server and the cells of the area."""
    for name in ("N00E006", "N00E009"):
        write_tile(web_server.folder / BUCKET, name)
    monkeypatch.setenv("MINORTOM_MIRROR", web_server.url)
    web_server.cells = cells_at(np.linspace(6.1, 14.9, 80), np.linspace(0.1, 2.9, 80))
    web_server.tile = f"/{BUCKET}/{WORLDCOVER_FILE.replace('{TILE}', 'N00E009')}"
    web_server.local = TileMap.of_folder(web_server.folder / BUCKET)
    return web_server


def counts(tiles, cells):
    return described(tiles, legend="worldcover").counts_in(cells, resolution_m=1200).counts


def test_tiles_of_the_bucket_count_as_those_of_a_folder(bucket):
    found = counts(of_bucket(), bucket.cells)
    np.testing.assert_array_equal(found, counts(bucket.local, bucket.cells))
    assert found.any(axis=1).sum() > 40
    assert not found[-1].any()  # N00E012 does not exist: sea


def test_points_in_tiles_of_the_bucket_take_their_classes(bucket):
    lon_deg, lat_deg = bucket.cells.centres()
    found = described(of_bucket(), legend="worldcover").codes_at(lon_deg, lat_deg)
    local = described(bucket.local, legend="worldcover").codes_at(lon_deg, lat_deg)
    np.testing.assert_array_equal(found, local)


def test_only_the_necessary_blocks_are_requested(bucket):
    size = (bucket.folder / bucket.tile[1:]).stat().st_size
    described(of_bucket(), legend="worldcover").codes_at(np.array([11.99]), np.array([0.01]))
    spans = [r.headers["range"] for r in bucket.asked(bucket.tile) if "range" in r.headers]
    asked = [1 + int(b) - int(a) for a, b in (s.removeprefix("bytes=").split("-") for s in spans)]
    assert sum(asked) < size / 2
    assert {r.path for r in bucket.requests} == {bucket.tile}  # nothing beside it


def test_a_tile_in_the_cache_is_not_requested(bucket, tmp_path):
    here = write_tile(tmp_path / "cache", "N00E009")
    write_tile(tmp_path / "cache", "N00E006", file="another_{TILE}.tif")
    found = counts(of_bucket(tmp_path / "cache"), bucket.cells)
    np.testing.assert_array_equal(found, counts(bucket.local, bucket.cells))
    assert not bucket.asked(bucket.tile)
    assert here.name == bucket.tile.rpartition("/")[2]


def test_the_server_is_asked_once_whether_a_tile_exists(bucket):
    tiles = of_bucket()
    asked = tiles.lattice.touched_by(bucket.cells)
    assert [str(tile.name) for tile in tiles.existing(asked)] == ["N00E006", "N00E009"]
    n = len(bucket.requests)
    assert n == len(asked) == 3
    tiles.existing(asked)
    assert len(bucket.requests) == n


def test_the_hash_changes_with_a_tile_of_the_bucket(bucket):
    before = described(of_bucket(), legend="worldcover").hash_for(bucket.cells)
    assert described(of_bucket(), legend="worldcover").hash_for(bucket.cells) == before
    write_tile(bucket.folder / BUCKET, "N00E009", seed=9)
    assert described(of_bucket(), legend="worldcover").hash_for(bucket.cells) != before


@pytest.mark.usefixtures("bucket")
def test_a_bucket_without_any_of_the_tiles_is_an_error_not_the_sea():
    with pytest.raises(InputError, match=r"found none in .*2021/map/.*\{TILE\}_Map.tif;"):
        counts(of_bucket(), cells_at([50.0], [50.0]))


@pytest.mark.parametrize(
    ("status", "message"),
    [(403, "refuses access .HTTP 403"), (429, "HTTP 429"), (503, "fails repeatedly .HTTP 503")],
)
def test_a_server_that_refuses_is_an_error_that_names_the_url(bucket, status, message):
    bucket.fail("*", status=status)
    with pytest.raises(RemoteError, match=message) as caught:
        counts(of_bucket(), bucket.cells)
    assert "N00E006_Map.tif: " in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "trouble",
    [
        {"status": 503, "times": 2},
        {"status": 429, "times": 1},
        {"cut_after": 3000, "times": 4},  # asking for the size counts as well
        {"cut_after": 0, "times": 4},
    ],
    ids=str,
)
def test_trouble_that_passes_changes_nothing(bucket, trouble):
    tiles = of_bucket()
    tiles.existing(tiles.lattice.touched_by(bucket.cells))
    bucket.fail(bucket.tile, **trouble)
    found = counts(tiles, bucket.cells)
    np.testing.assert_array_equal(found, counts(bucket.local, bucket.cells))


@pytest.mark.parametrize(
    ("trouble", "message"),
    [
        ({"status": 503}, "fails repeatedly .HTTP 503."),
        ({"status": 404}, "the file does not exist .HTTP 404"),
        ({"cut_after": 3000}, "reading blocks of this map failed"),
    ],
    ids=str,
)
def test_trouble_that_lasts_while_reading_is_an_error_that_names_the_url(bucket, trouble, message):
    tiles = of_bucket()
    tiles.existing(tiles.lattice.touched_by(bucket.cells))
    bucket.fail(bucket.tile, **trouble)
    with pytest.raises(RemoteError, match=message) as caught:
        counts(tiles, bucket.cells)
    assert "N00E009_Map.tif: " in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_signature_in_a_url_is_in_no_message(bucket):
    path = write_tile(bucket.folder, "N00E003", values=np.full((300, 300), 77, np.uint8))
    signed = replace(WORLDCOVER, url=f"{bucket.url}/{WORLDCOVER_FILE}?signature=secret")
    tiles = TileMap.of_manifest(signed, folder=None)
    with pytest.raises(InputError, match=f"/{path.name} .* found 77;") as caught:
        counts(tiles, cells_at([4.0], [1.0]))
    assert "secret" not in str(caught.value)
    path.write_text("no map")
    with pytest.raises(RemoteError, match=f"/{path.name}: ") as caught:
        counts(TileMap.of_manifest(signed, folder=None), cells_at([4.0], [1.0]))
    assert "secret" not in str(caught.value)
