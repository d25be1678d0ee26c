"""Maps in tiles: which of them are fetched, and what is kept of them."""

import signal
import subprocess
import sys
import time

import pytest
from map_server import serve_tile, tiled

from minortom.downloads.fetch import fetch_map
from minortom.downloads.tiles import absent_tiles, tiles_of_area
from minortom.errors import InputError, RemoteError
from minortom.grid.bbox import BBox
from minortom.maps.manifests import named_manifest

BOX = BBox.parse("6.1,0.1,11.9,2.9")  # N00E006 and N00E009


def test_only_tiles_that_the_box_touches_are_fetched_and_sea_is_counted(tmp_path, web_server):
    paths = [serve_tile(web_server, corner) for corner in ("N00E006", "N00E012", "N03E006")]
    summary = fetch_map(tiled(tmp_path, web_server), bbox=BOX)
    assert (summary.files, summary.fetched, summary.absent) == (1, 1, 1)
    assert {r.path for r in web_server.requests} == {paths[0], "/tiles/map_N00E009_v1.tif"}
    assert [p.name for p in summary.folder.glob("*.tif")] == ["map_N00E006_v1.tif"]


def test_missing_tiles_are_recorded_and_existing_tiles_are_kept(tmp_path, web_server):
    serve_tile(web_server, "N00E006")
    manifest = tiled(tmp_path, web_server)
    fetch_map(manifest, bbox=BOX)
    web_server.requests.clear()
    summary = fetch_map(manifest, bbox=BOX)
    assert (summary.files, summary.fetched, summary.absent) == (1, 0, 1)
    assert web_server.requests == []
    assert [str(tile) for tile in absent_tiles(manifest)] == ["N00E009"]
    assert len((summary.folder / "absent.txt").read_text().splitlines()) == 1


def test_a_tile_missing_on_a_mirror_is_requested_from_its_original(
    tmp_path, web_server, monkeypatch
):
    host = web_server.url.removeprefix("http://")
    (web_server.folder / "mirror").mkdir()
    (web_server.folder / "mirror" / host).symlink_to(web_server.folder)
    serve_tile(web_server, "N00E006")
    manifest = tiled(tmp_path, web_server)
    monkeypatch.setenv("MINORTOM_MIRROR", f"{web_server.url}/mirror")
    assert fetch_map(manifest, bbox=BOX).absent == 1
    assert len(absent_tiles(manifest)) == 1
    monkeypatch.delenv("MINORTOM_MIRROR")
    assert absent_tiles(manifest) == frozenset()
    serve_tile(web_server, "N00E009")
    assert fetch_map(manifest, bbox=BOX).files == 2


def test_an_interrupted_download_of_tiles_is_resumed(tmp_path, web_server):
    first, second = (serve_tile(web_server, corner) for corner in ("N00E006", "N00E009"))
    manifest = tiled(tmp_path, web_server)
    web_server.fail(second, status=403, times=1)
    with pytest.raises(RemoteError, match="map_N00E009_v1.tif.*403"):
        fetch_map(manifest, bbox=BOX, workers=1)
    folder = tmp_path / "cache" / "maps" / "zones"
    assert not [p for p in folder.iterdir() if p.name.startswith(".")]
    assert fetch_map(manifest, bbox=BOX).fetched == 1
    assert len(web_server.asked(first)) == 1


def test_a_cut_connection_and_an_overloaded_server_are_retried(tmp_path, web_server):
    path = serve_tile(web_server, "N00E006")
    web_server.fail(path, status=503, times=1)
    web_server.fail(path, cut_after=20, times=1)
    folder = fetch_map(tiled(tmp_path, web_server), bbox=BOX).folder
    assert (folder / path.rpartition("/")[2]).read_bytes() == (
        web_server.folder / path[1:]
    ).read_bytes()


def test_a_tile_that_changed_in_the_cache_is_not_used_and_not_deleted(tmp_path, web_server):
    serve_tile(web_server, "N00E006")
    manifest = tiled(tmp_path, web_server)
    path = fetch_map(manifest, bbox=BOX).folder / "map_N00E006_v1.tif"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(InputError, match="N00E006_v1.tif must have the SHA-256 .* it has changed"):
        fetch_map(manifest, bbox=BOX)
    assert path.exists()


def test_a_tile_put_there_by_hand_is_used_and_its_hash_is_written(tmp_path, web_server):
    path = serve_tile(web_server, "N00E006")
    folder = tmp_path / "cache" / "maps" / "zones"
    folder.mkdir(parents=True)
    (web_server.folder / path[1:]).rename(folder / path.rpartition("/")[2])
    serve_tile(web_server, "N00E009")
    assert fetch_map(tiled(tmp_path, web_server), bbox=BOX).fetched == 1
    assert len(list(folder.glob("*.sha256"))) == 2


def test_an_area_without_any_tile_is_an_error_and_nothing_is_recorded(tmp_path, web_server):
    manifest = tiled(tmp_path, web_server)
    with pytest.raises(InputError, match="none of the 2 tiles of the area, such as N00E006"):
        fetch_map(manifest, bbox=BOX)
    assert absent_tiles(manifest) == frozenset()


def test_without_an_area_the_error_says_how_much_it_would_be():
    manifest = named_manifest("worldcover-2021")[1]
    with pytest.raises(InputError, match="2,651 tiles, some 120 GB.*; give --region or --bbox"):
        fetch_map(manifest)


def test_all_of_the_lattice_is_the_globe(tmp_path, web_server):
    manifest = tiled(tmp_path, web_server)
    tiles = tiles_of_area(manifest, region=None, bbox=None, everything=True)
    assert len(tiles) == 60 * 120
    assert (str(tiles[0]), str(tiles[-1])) == ("S90W180", "N87E177")


@pytest.mark.parametrize(
    ("text", "wanted"),
    [("6,0,9,3", ["N00E006"]), ("179,-1,-179,1", ["S03W180", "S03E177", "N00W180", "N00E177"]),
     ("0,0,0,0", ["N00E000"])],
)  # fmt: skip
def test_a_box_touches_the_tiles_that_it_shares_area_with(tmp_path, web_server, text, wanted):
    box = BBox.parse(text)
    tiles = tiles_of_area(tiled(tmp_path, web_server), region=None, bbox=box, everything=False)
    assert [str(tile) for tile in tiles] == wanted


_FETCH = """
import sys
from minortom_cli.console import run
from minortom_cli.curate.app import app

sys.exit(run(app, ["fetch", *sys.argv[1:]]))
"""


def test_an_interrupt_does_not_wait_for_a_server_that_is_silent(tmp_path, web_server):
    serve_tile(web_server, "N00E006")
    tiled(tmp_path, web_server)
    web_server.fail("/tiles/map_N00E009_v1.tif")
    command = [sys.executable, "-c", _FETCH, str(tmp_path / "zones.yaml"), "--bbox", "6,0,12,3"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    end = time.monotonic() + 30
    while not web_server.asked("/tiles/map_N00E009_v1.tif") and time.monotonic() < end:
        time.sleep(0.05)
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=10)

    assert (process.returncode, "Traceback" in stderr) == (130, False)
    assert sorted(p.name for p in (tmp_path / "cache" / "maps" / "zones").iterdir()) == [
        "map_N00E006_v1.tif", "map_N00E006_v1.tif.sha256", "source.json",
    ]  # fmt: skip


def test_progress_counts_tiles(tmp_path, web_server):
    serve_tile(web_server, "N00E006")
    told = []
    fetch_map(tiled(tmp_path, web_server), bbox=BOX, on_progress=lambda *done: told.append(done))
    assert told == [(1, 2), (2, 2)]
