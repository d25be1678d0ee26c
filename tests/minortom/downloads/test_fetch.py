import hashlib
import io
import subprocess
import zipfile

import pytest
from map_server import manifest_of, map_bytes, serve_zip

from minortom.downloads.fetch import fetch_map
from minortom.downloads.single_file import fetch_file
from minortom.errors import InputError, RemoteError


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
