import hashlib
import io
import signal
import subprocess
import sys
import time
import zipfile

import pytest
from map_server import manifest_of, map_bytes, serve_tile, serve_zip, tiled

from minortom.downloads.fetch import fetch_map
from minortom.downloads.single_file import fetch_file
from minortom.downloads.tiles import absent_tiles, tiles_of_area
from minortom.errors import InputError, RemoteError
from minortom.grid.bbox import BBox
from minortom.maps.manifests import named_manifest

BOX = BBox.parse("6.1,0.1,11.9,2.9")  # N00E006 and N00E009


@pytest.fixture
def zipped(tmp_path, web_server):
    members = {"1961/a.tif": b"old", "1991/a.tif": map_bytes(tmp_path), "legend.txt": b"1 one"}
    checksum = serve_zip(web_server, members)
    return manifest_of(
        tmp_path, f"{web_server.url}/maps.zip", checksum=checksum, member="1991/*.tif"
    )


def test_a_member_of_a_zip_is_taken_out_and_its_hash_stands_beside_it(zipped, tmp_path):
    summary = fetch_map(zipped)
    path = tmp_path / "cache" / "maps" / "zones" / "a.tif"
    assert path.read_bytes() == map_bytes(tmp_path)
    assert summary.as_dict() == {
        "name": "zones", "status": "fetched", "files": 1, "fetched": 1, "absent": 0,
        "bytes": path.stat().st_size, "folder": str(path.parent),
    }  # fmt: skip
    subprocess.run(["sha256sum", "-c", "a.tif.sha256"], cwd=path.parent, check=True)
    assert sorted(p.name for p in path.parent.iterdir()) == ["a.tif", "a.tif.sha256", "source.json"]


def test_a_cached_file_is_not_downloaded_again(zipped, web_server):
    fetch_map(zipped)
    assert fetch_map(zipped).as_dict()["status"] == "up to date"
    assert len(web_server.requests) == 1


def test_a_file_that_changed_in_the_cache_is_not_used_and_not_deleted(zipped):
    path, came = fetch_file(zipped)
    assert came
    path.write_bytes(b"other")
    with pytest.raises(InputError, match=r"a.tif must have the SHA-256 .* is not used; delete it"):
        fetch_file(zipped)
    assert path.read_bytes() == b"other"
    path.unlink()
    assert fetch_file(zipped) == (path, True)


def _damaged(content):
    """Change bytes within the compressed data of the first file."""
    start = 30 + len("a.tif")
    return content[:start] + bytes(20) + content[start + 20 :]


def _encrypted(content):
    """Set the bit for encryption in the local and in the central header."""
    central = content.index(b"PK\x01\x02")
    changed = bytearray(content)
    changed[6] |= 1
    changed[central + 8] |= 1
    return bytes(changed)


def _of_another_method(content):
    central = content.index(b"PK\x01\x02")
    changed = bytearray(content)
    changed[8] = changed[central + 10] = 97
    return bytes(changed)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (_damaged, "expected a zip file, cannot read maps.zip"),
        (lambda content: content[:-30], "expected a zip file, cannot read maps.zip"),
        (lambda _: b"<html>log in</html>", "expected a zip file, cannot read maps.zip"),
        (_encrypted, r"cannot extract maps.zip \(.*encrypted.*\); extract \*.tif by hand and give"),
        (_of_another_method, r"cannot extract maps.zip \(.*\); extract \*.tif by hand and give"),
    ],
)
def test_a_zip_that_cannot_be_read_is_one_line(tmp_path, web_server, spoil, message):
    pack = io.BytesIO()
    with zipfile.ZipFile(pack, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.tif", map_bytes(tmp_path))
    (web_server.folder / "maps.zip").write_bytes(spoil(pack.getvalue()))
    manifest = manifest_of(tmp_path, f"{web_server.url}/maps.zip", member="*.tif")
    with pytest.raises(InputError, match=message):
        fetch_file(manifest)
    folder = tmp_path / "cache" / "maps" / "zones"
    assert not folder.exists() or list(folder.iterdir()) == []


def test_a_download_with_another_hash_is_not_used_and_not_deleted(tmp_path, web_server):
    serve_zip(web_server, {"a.tif": b"x"})
    wrong, member = "md5:" + 32 * "0", {"member": "*.tif"}
    manifest = manifest_of(tmp_path, f"{web_server.url}/maps.zip", checksum=wrong, **member)
    kept = tmp_path / "cache" / "maps" / "zones" / "maps.zip"
    for _ in range(2):
        with pytest.raises(
            InputError, match=r"maps.zip must have md5:0000.* by the manifest zones, found \w+"
        ):
            fetch_map(manifest)
        assert [p.name for p in kept.parent.iterdir()] == ["maps.zip"]
    assert len(web_server.requests) == 1
    right = serve_zip(web_server, {"a.tif": b"x"})
    corrected = manifest_of(tmp_path, f"{web_server.url}/maps.zip", checksum=right, **member)
    assert fetch_file(corrected)[0].read_bytes() == b"x"
    assert len(web_server.requests) == 1


@pytest.mark.parametrize("algorithm", ["md5", "sha1", "sha256", "sha512"])
def test_a_file_that_is_not_a_zip_is_checked_by_its_hash(tmp_path, web_server, algorithm):
    content = map_bytes(tmp_path)
    (web_server.folder / "a.tif").write_bytes(content)
    checksum = f"{algorithm}:{hashlib.new(algorithm, content).hexdigest()}"
    path, _ = fetch_file(manifest_of(tmp_path, f"{web_server.url}/a.tif", checksum=checksum))
    assert (path.name, path.read_bytes()) == ("a.tif", content)


@pytest.mark.parametrize(
    ("members", "message"),
    [
        (
            {"b/a.tif": b"", "legend.txt": b""},
            "maps.zip that matches 1991.*, found 0; .* all files: b/a.tif",
        ),
        ({"1991/a.tif": b"", "1991/b.tif": b""}, "found 2; .* matching files: 1991/a.tif, 1991/b"),
        ({f"{n}.tif": b"" for n in range(20)}, "7.tif and 12 more"),
        ({}, "all files: none"),
    ],
)
def test_none_or_several_members_are_an_error_that_lists_them(
    tmp_path, web_server, members, message
):
    checksum = serve_zip(web_server, members)
    url = f"{web_server.url}/maps.zip"
    with pytest.raises(InputError, match=message):
        fetch_map(manifest_of(tmp_path, url, checksum=checksum, member="1991/*.tif"))


@pytest.mark.parametrize("damage", [b"no zip", None])
def test_a_zip_that_cannot_be_read_is_an_error(tmp_path, web_server, damage):
    serve_zip(web_server, {"a.tif": bytes(range(256)) * 40})
    whole = (web_server.folder / "maps.zip").read_bytes()
    broken = whole[:60] + bytes(20) + whole[80:]  # inside the packed bytes
    (web_server.folder / "maps.zip").write_bytes(damage or broken)
    manifest = manifest_of(tmp_path, f"{web_server.url}/maps.zip", member="*.tif")
    with pytest.raises(InputError, match="expected a zip file, cannot read maps.zip"):
        fetch_map(manifest)
    assert not list((tmp_path / "cache").rglob("*.tif"))


def test_a_page_in_place_of_a_map_is_not_kept(tmp_path, web_server):
    (web_server.folder / "a.tif").write_bytes(b"<html>log in</html>")
    with pytest.raises(
        InputError, match="expected a map of classes at .*, found another file of 19 bytes"
    ):
        fetch_map(manifest_of(tmp_path, f"{web_server.url}/a.tif?key=SECRET"))
    assert [p for p in (tmp_path / "cache").rglob("*") if p.is_file()] == []


def test_nothing_is_left_of_a_download_that_fails_and_no_secret_is_shown(tmp_path, web_server):
    web_server.fail("/a.tif", status=403)
    manifest = manifest_of(tmp_path, f"{web_server.url}/a.tif?key=SECRET")
    with pytest.raises(RemoteError, match="403") as caught:
        fetch_map(manifest)
    assert "SECRET" not in str(caught.value)
    assert [p for p in (tmp_path / "cache").rglob("*") if p.is_file()] == []


def test_no_secret_is_written_into_the_cache(tmp_path, web_server):
    (web_server.folder / "a.tif").write_bytes(map_bytes(tmp_path))
    fetch_map(manifest_of(tmp_path, f"{web_server.url}/a.tif?key=SECRET"))
    files = [p for p in (tmp_path / "cache").rglob("*") if p.is_file()]
    assert len(files) == 3
    assert not [p for p in files if b"SECRET" in p.read_bytes() or "SECRET" in p.name]


def test_a_download_by_hand_is_explained_unless_the_file_is_in_the_cache(tmp_path, web_server):
    manifest = manifest_of(tmp_path, f"{web_server.url}/a.tif", by_hand="behind a login")
    with pytest.raises(
        InputError, match="cannot be downloaded by minortom: behind a login; download it from http"
    ):
        fetch_map(manifest)
    folder = tmp_path / "cache" / "maps" / "zones"
    folder.mkdir(parents=True)
    (folder / "a.tif").write_bytes(map_bytes(tmp_path))
    assert fetch_file(manifest)[0] == folder / "a.tif"
    assert web_server.requests == []


def test_another_data_set_of_the_same_name_is_an_error(zipped, tmp_path, web_server):
    fetch_map(zipped)
    other = manifest_of(tmp_path, f"{web_server.url}/b.tif")
    with pytest.raises(InputError, match=r"found another source \(url http.*maps.zip"):
        fetch_map(other)


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
