"""Archives behind HTTP and on the hub: found, cached, and read by byte ranges."""

import shutil
from functools import partial

import numpy as np
import pyarrow.parquet as pq
import pytest
from archive_maker import S1_BYTES, S2_BYTES, write_archive
from web_server import COMMIT

from minortom.archive.archive import Archive
from minortom.archive.pairing import find_pairs
from minortom.engine.executors import local_executor, map_items
from minortom.errors import ArchiveError, InputError, RemoteError
from minortom.remote import remote_parquet

S2 = "/datasets/Major-TOM/Core-S2L2A"
HF = "hf://datasets/Major-TOM/Core-S2L2A"
PART = "part_00001.parquet"


@pytest.fixture
def served(web_server, monkeypatch, tmp_path):
    """The server of both archives, as the hub and as plain folders."""
    s2 = [{"grid_cell": f"{n}U_1R", "product_id": f"p{n}", "bands": bands(n)} for n in (1, 2, 3)]
    write_archive(web_server.folder / S2[1:], s2)
    s1 = [{"grid_cell": "1U_1R", "product_id": "q", "bands": S1_BYTES}]
    write_archive(web_server.folder / "datasets/Major-TOM/Core-S1RTC", s1)
    web_server.stand_for_the_hub(monkeypatch, tmp_path / "hf")
    remote_parquet._footer.cache_clear()
    remote_parquet._session.cache_clear()  # it was made with the usual patience
    return web_server


def bands(n):
    """Images of some 100 kB each that no compression makes smaller."""
    rng = np.random.default_rng(n)
    return {name: data + rng.bytes(100_000) for name, data in S2_BYTES.items()}


def opened(served, kind="http"):
    places = {"folder": served.folder / S2[1:], "http": f"{served.url}{S2}/", "hf": HF}
    return Archive.open(places[kind], "s2")


def tile(archive, n=1):
    part = PART if n < 3 else "part_00002.parquet"
    return archive.read_tile(part, (n - 1) % 2, cell=f"{n}U_1R", product_id=f"p{n}")


@pytest.mark.parametrize("kind", ["folder", "http", "hf"])
def test_an_archive_is_the_same_wherever_it_is(served, kind):
    archive = opened(served, kind)
    there = served.folder / S2[1:] / "metadata.parquet"
    assert archive.metadata_path.read_bytes() == there.read_bytes()
    assert [tile(archive, n) for n in (1, 2, 3)] == [bands(n) for n in (1, 2, 3)]
    s1 = Archive.open("hf://datasets/Major-TOM/Core-S1RTC", "s1")
    assert find_pairs(archive, s1, ["1U_1R"]).table["s2_product_id"].to_pylist() == ["p1"]


def test_a_row_is_one_request_after_that_for_the_footer(served, monkeypatch):
    monkeypatch.setattr(remote_parquet, "_TAIL_BYTES", 8_000)
    archive = opened(served)
    assert (tile(archive, 1), tile(archive, 2)) == (bands(1), bands(2))
    footer, *rows = [request.headers["range"] for request in served.asked(f"{S2}/images/{PART}")]
    assert footer == "bytes=-8000"
    size = (served.folder / S2[1:] / "images" / PART).stat().st_size
    assert len(rows) == 2
    for row in rows:
        first, last = map(int, row.removeprefix("bytes=").split("-"))
        assert 1_000_000 <= last - first < 1_020_000 < size / 2 + 20_000


def test_a_footer_longer_than_expected_is_requested_completely(served, monkeypatch):
    monkeypatch.setattr(remote_parquet, "_TAIL_BYTES", 100)
    assert tile(opened(served)) == bands(1)
    assert len(served.asked(f"{S2}/images/{PART}")) == 3


@pytest.mark.parametrize("kind", ["http", "hf"])
def test_worker_processes_read_the_archive_too(served, kind):
    read = partial(opened(served, kind).read_tile, row=0, cell="1U_1R", product_id="p1")
    with local_executor(2) as executor:
        assert map_items(executor, read, [PART, PART]) == [bands(1)] * 2


def test_trouble_on_the_way_to_a_row_is_got_over(served):
    path = f"{S2}/images/{PART}"
    archive = opened(served)
    served.fail(path, status=503, times=2)
    served.fail(path, cut_after=500, times=1)
    assert tile(archive, 1) == bands(1)
    served.fail(path, cut_after=700_000, times=1)
    served.fail(path, status=429, times=1, retry_after=0)
    assert tile(archive, 2) == bands(2)


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ({"status": 403}, "refuses access (HTTP 403)"),
        ({"status": 503}, "fails repeatedly (HTTP 503)"),
        ({"cut_after": 1000}, "the connection was cut 7 times"),
    ],
)
def test_trouble_that_lasts_ends_the_work_and_names_row_and_url(served, fault, message):
    archive, path = opened(served), f"{S2}/images/{PART}"
    served.fail(path, **fault)
    with pytest.raises(RemoteError) as raised:
        tile(archive)
    assert f"s2 {PART} row 0: {served.url}{path}: " in str(raised.value)
    assert message in str(raised.value)


def test_a_part_that_is_not_there_is_the_trouble_of_its_tiles_alone(served):
    archive = opened(served)
    (served.folder / S2[1:] / "images" / PART).unlink()
    with pytest.raises(ArchiveError, match="s2 part_00001.parquet row 0: the part does not exist"):
        tile(archive)


def test_a_part_that_is_damaged_is_the_trouble_of_its_tiles_alone(served):
    archive, part = opened(served), served.folder / S2[1:] / "images" / PART
    part.write_bytes(part.read_bytes()[:-50])
    with pytest.raises(ArchiveError, match="s2 part_00001.parquet row 0: "):
        tile(archive)


def test_a_server_without_ranges_is_one_line_and_not_a_download(served):
    served.ranges = False
    with pytest.raises(RemoteError, match="the server does not support byte ranges"):
        tile(opened(served))


def test_metadata_are_fetched_again_only_when_they_have_changed(served):
    path = f"{S2}/metadata.parquet"
    first, second = opened(served).metadata_path, opened(served).metadata_path
    assert first == second
    assert [request.headers.get("if-none-match") is None for request in served.asked(path)] == [
        True, False
    ]  # fmt: skip
    old = first.read_bytes()
    metadata = served.folder / path[1:]
    pq.write_table(pq.read_table(metadata).slice(0, 1), metadata)
    third = opened(served).metadata_path
    assert third.read_bytes() == metadata.read_bytes()
    assert first.read_bytes() == old


def test_a_copy_does_not_hide_that_the_server_is_gone(served):
    opened(served)
    served.fail(f"{S2}/metadata.parquet", status=503)
    with pytest.raises(RemoteError, match=r"metadata\.parquet: the server fails repeatedly"):
        opened(served)


def test_a_cache_folder_that_cannot_be_made_is_one_line(served, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("MINORTOM_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(
        InputError, match=r"cannot create the cache folder .* \(Not a directory\); set"
    ):
        opened(served)


def test_an_unfinished_copy_is_not_used(served):
    served.fail(f"{S2}/metadata.parquet", cut_after=100)
    with pytest.raises(RemoteError, match="the connection was cut"):
        opened(served)
    served.faults.clear()
    assert len(pq.read_table(opened(served).metadata_path)) == 3


def test_another_address_than_of_an_archive_is_one_line(served):
    with pytest.raises(RemoteError, match=r"/none/metadata\.parquet: the file does not exist"):
        Archive.open(f"{served.url}/none", "s2")
    (served.folder / "page").mkdir()
    (served.folder / "page" / "metadata.parquet").write_text("<html>")
    with pytest.raises(ArchiveError, match="the metadata of http.*/page cannot be read"):
        Archive.open(f"{served.url}/page", "s2")
    with pytest.raises(
        ArchiveError, match="is a web page, not an archive; give hf://datasets/Major-TOM/Core"
    ):
        Archive.open("https://huggingface.co/datasets/Major-TOM/Core-S2L2A", "s2")


def test_a_query_is_sent_with_every_file_and_never_shown(served):
    archive = Archive.open(f"{served.url}{S2}/?sig=geheim", "s2")
    assert tile(archive) == bands(1)
    assert {request.query for request in served.requests} == {"sig=geheim"}
    assert archive.place == f"{served.url}{S2}"
    served.fail(f"{S2}/images/{PART}", status=403)
    with pytest.raises(RemoteError) as raised:
        tile(archive, 2)
    assert "geheim" not in str(raised.value)
    assert "geheim" not in " ".join(map(str, (served.folder.parent / "cache").rglob("*")))


def test_the_rows_of_the_hub_are_those_of_the_commit_of_its_metadata(served):
    archive = Archive.open(f"{HF}@v1", "s2")
    assert (tile(archive), archive.place) == (bands(1), f"{HF}@v1")
    asked = {request.path for request in served.requests}
    assert f"{S2}/resolve/v1/metadata.parquet" in asked
    assert f"{S2}/resolve/{COMMIT}/images/{PART}" in asked


def test_the_hub_is_shown_the_token_and_no_one_else_is(served, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_geheim")
    tile(opened(served, "hf"))
    assert {r.headers.get("authorization") for r in served.requests} == {"Bearer hf_geheim"}
    served.requests.clear()
    remote_parquet._footer.cache_clear()
    tile(opened(served, "http"))
    assert {r.headers.get("authorization") for r in served.requests} == {None}


def test_the_hub_goes_by_its_own_address_and_not_by_the_mirror(served, monkeypatch):
    monkeypatch.setenv("MINORTOM_MIRROR", f"{served.url}/mirror")
    assert tile(opened(served, "hf")) == bands(1)
    shutil.copytree(served.folder / S2[1:], served.folder / "mirror" / "example.org" / "s2")
    assert tile(Archive.open("https://example.org/s2", "s2")) == bands(1)


def test_what_is_in_the_cache_of_the_hub_needs_no_hub(served, monkeypatch):
    there = opened(served, "hf").metadata_path
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert opened(served, "hf").metadata_path == there
    with pytest.raises(RemoteError, match="S1RTC: metadata.parquet is not in the cache, and HF_HU"):
        Archive.open("hf://datasets/Major-TOM/Core-S1RTC", "s1")


@pytest.mark.parametrize(
    ("status", "code", "kind", "message"),
    [
        (401, "RepoNotFound", ArchiveError, "does not exist or is private; check the name"),
        (403, "GatedRepo", ArchiveError, "is gated; accept its terms at http"),
        (404, "RevisionNotFound", ArchiveError, "the revision v9 does not exist; check it"),
        (404, "EntryNotFound", ArchiveError, "must have a file metadata.parquet, as Major TOM"),
        (500, "", RemoteError, "the hub answers with HTTP 500; wait some minutes"),
        (429, "", RemoteError, "the hub answers with HTTP 429; wait some minutes"),
    ],
)
def test_what_the_hub_refuses_is_one_line(served, status, code, kind, message, monkeypatch, capfd):
    monkeypatch.setattr("time.sleep", lambda _: None)
    served.fail(f"{S2}/resolve/v9/metadata.parquet", status=status, headers={"X-Error-Code": code})
    with pytest.raises(kind) as raised:
        Archive.open(f"{HF}@v9", "s2")
    assert str(raised.value).startswith(f"{HF}@v9")
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)
    assert capfd.readouterr() == ("", "")


def test_a_hub_that_is_not_reached_is_one_line(served, monkeypatch):
    monkeypatch.setattr("time.sleep", lambda _: None)
    monkeypatch.setattr(
        "huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE",
        "http://127.0.0.1:9/{repo_id}/resolve/{revision}/{filename}",
    )
    with pytest.raises(RemoteError, match=f"{HF}: the hub does not answer, and metadata.parquet"):
        opened(served, "hf")


@pytest.mark.parametrize("address", ["hf://Major-TOM/Core-S2L2A", "hf://datasets/x", "hf://",
                                     "hf://datasets/a/b/c"])  # fmt: skip
def test_an_impossible_address_of_the_hub_is_an_error_that_says_what_was_expected(address):
    with pytest.raises(ArchiveError, match="expected a data set of the hub, hf://datasets/OWN"):
        Archive.open(address, "s2")


def test_a_name_that_the_hub_does_not_allow_is_one_line(served):
    with pytest.raises(ArchiveError, match="is not a valid name on the hub"):
        Archive.open("hf://datasets/a--b/c..d", "s2")
    assert served.requests == []


def test_the_real_tiles_come_the_same_from_the_hub_and_from_their_folder(served, real_data):
    there = real_data / "majortom-sample" / "Core-S2L2A"
    shutil.rmtree(served.folder / S2[1:])
    shutil.copytree(there, served.folder / S2[1:])
    remote, local = Archive.open(HF, "s2"), Archive.open(there, "s2")
    where = {"cell": "609U_541L", "product_id": "TerraMesh:609U_541L_3_0"}
    read = remote.read_tile("part_00002.parquet", 1, **where)
    assert read == local.read_tile("part_00002.parquet", 1, **where)
    assert read["B02"][:4] in (b"II*\0", b"MM\0*")
