"""Exports from a server like the hub, with and without faults, give the same bytes."""

import shutil

import pytest
from archive_maker import CELLS
from export_maker import files_of, replace_row
from web_server import COMMIT

from minortom.errors import RemoteError
from minortom.remote import remote_parquet

pytest_plugins = ("export_fixtures",)

HUB = tuple(f"hf://datasets/Major-TOM/{name}" for name in ("Core-S2L2A", "Core-S1RTC"))


@pytest.fixture
def hub(archives, web_server, monkeypatch, tmp_path):
    """Both archives as data sets of the hub."""
    for folder in archives:
        shutil.copytree(folder, web_server.folder / "datasets" / "Major-TOM" / folder.name)
    web_server.stand_for_the_hub(monkeypatch, tmp_path / "hf")
    remote_parquet._footer.cache_clear()
    remote_parquet._session.cache_clear()
    return web_server


def wanted(export, tmp_path):
    """The bytes of the same export from folders."""
    export("folders")
    return files_of(tmp_path / "folders")


def test_archives_on_the_hub_give_the_bytes_of_folders(hub, export, tmp_path):
    export("shards", folders=HUB)
    assert files_of(tmp_path / "shards") == wanted(export, tmp_path)
    rows = [r for r in hub.requests if "/images/" in r.path and r.method == "GET"]
    # A row and the footer of its part: seven tiles of two products, two rows a part.
    assert len(rows) <= 2 * len(CELLS) + 2 * 4


def test_a_server_that_drops_every_tenth_connection_changes_nothing(hub, export, tmp_path):
    hub.fail("*", every=10, cut_after=200)
    export("shards", folders=HUB, workers=1)
    assert files_of(tmp_path / "shards") == wanted(export, tmp_path)


def test_a_busy_server_is_waited_for(hub, export, tmp_path):
    hub.fail("*", every=7, status=429, retry_after=0)
    hub.fail("*", every=11, status=503)
    export("shards", folders=HUB)
    assert files_of(tmp_path / "shards") == wanted(export, tmp_path)


def test_a_server_that_goes_away_is_one_line_and_the_export_resumes_later(hub, export, tmp_path):
    hub.fail(
        f"/datasets/Major-TOM/Core-S2L2A/resolve/{COMMIT}/images/part_00003.parquet", status=503
    )
    with pytest.raises(RemoteError, match=r"the server fails repeatedly \(HTTP 503\)"):
        export("shards", folders=HUB)
    assert not (tmp_path / "shards").exists()
    assert (tmp_path / "shards.partial").is_dir()
    hub.faults.clear()
    export("shards", folders=HUB)
    assert files_of(tmp_path / "shards") == wanted(export, tmp_path)


def test_a_private_archive_is_shown_the_token(hub, export, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    export("shards", folders=HUB)
    shown = {r.headers.get("authorization") for r in hub.requests if "/images/" in r.path}
    assert shown == {"Bearer hf_secret"}


def test_tiles_with_damaged_bytes_are_named_and_the_others_do_not_change(hub, export, own_archives):
    replace_row(own_archives[0], 1, B08=b"garbled")
    served = hub.folder / "datasets" / "Major-TOM" / "Core-S2L2A"
    shutil.rmtree(served)
    shutil.copytree(own_archives[0], served)
    summary = export("shards", folders=HUB)
    assert list(summary.tiles_unreadable) == [CELLS[1]]
    assert "B08 is not a readable GeoTIFF" in summary.tiles_unreadable[CELLS[1]]
    assert summary.patches == 6 * 16
