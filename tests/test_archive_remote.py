"""Archives behind HTTP and on the hub: found, kept, and read by the bytes of a row."""

import pytest
from archive_maker import S1_BYTES, S2_BYTES, write_archive

from minortom import parts
from minortom.archive import Archive
from minortom.pairing import find_pairs

HUB = "datasets/Major-TOM"
PART = "part_00001.parquet"


@pytest.fixture
def served(web_server, monkeypatch, tmp_path):
    """The server of both archives, as the hub and as plain folders."""
    s2 = [{"grid_cell": f"{n}U_1R", "product_id": f"p{n}", "bands": {**S2_BYTES, "B02": b"x" * n}}
          for n in range(1, 4)]  # fmt: skip
    write_archive(web_server.folder / HUB / "Core-S2L2A", s2)
    s1 = [{"grid_cell": "1U_1R", "product_id": "q", "bands": S1_BYTES}]
    write_archive(web_server.folder / HUB / "Core-S1RTC", s1)
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", web_server.url)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hf"))
    monkeypatch.setattr(
        "huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE",
        web_server.url + "/{repo_id}/resolve/{revision}/{filename}",
    )
    parts._footer.cache_clear()
    return web_server


def places(served):
    return {
        "folder": str(served.folder / HUB / "Core-S2L2A"),
        "http": f"{served.url}/{HUB}/Core-S2L2A/",
        "hf": "hf://datasets/Major-TOM/Core-S2L2A",
    }


@pytest.mark.parametrize("kind", ["folder", "http", "hf"])
def test_an_archive_is_the_same_wherever_it_is(served, kind):
    archive = Archive.open(places(served)[kind], "s2")
    there = served.folder / HUB / "Core-S2L2A" / "metadata.parquet"
    assert archive.metadata_path.read_bytes() == there.read_bytes()
    tile = archive.read_tile("part_00002.parquet", 0, cell="3U_1R", product_id="p3")
    assert tile == {**S2_BYTES, "B02": b"xxx"}
    s1 = Archive.open(served.folder / HUB / "Core-S1RTC", "s1")
    assert find_pairs(archive, s1, ["1U_1R"]).table["s2_product_id"].to_pylist() == ["p1"]
