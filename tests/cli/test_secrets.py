"""No command writes or prints a secret of a URL: not in its output, not in any file, not in a log.

The secrets of all signing schemes are in the URLs at once; `test_public_urls.py` takes them one by
one.
"""

import json
import shutil
import sys
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from archive_maker import CELLS, write_selection
from map_maker import write_map
from map_server import TILES, serve_tile, write_manifest
from minortom_cli.console import run
from minortom_cli.curate.app import app
from minortom_cli.model.app import app as model_app
from signed_urls import SECRET, signed

from minortom.remote import http, remote_parquet

pytest_plugins = ("export_fixtures",)

URL = signed("https://host.example/folder/a.parquet")


@pytest.fixture
def served(archives, web_server, monkeypatch, tmp_path):
    """Both archives behind signed URLs, which their metadata name too; a working folder."""
    words = []
    for folder, option in zip(archives, ("--s2", "--s1"), strict=True):
        place = web_server.folder / folder.name
        shutil.copytree(folder, place)
        table = pq.read_table(place / "metadata.parquet")
        urls = pa.array([signed(url) for url in table["parquet_url"].to_pylist()])
        number = table.schema.get_field_index("parquet_url")
        pq.write_table(table.set_column(number, "parquet_url", urls), place / "metadata.parquet")
        words += [option, signed(f"{web_server.url}/{folder.name}")]
    remote_parquet._footer.cache_clear()
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return words


@pytest.fixture
def call(tmp_path, capfd, caplog, monkeypatch):
    """Return a function that runs a command and looks for secrets wherever they may be."""

    def run_and_look(*words, code=0, program=app):
        words = [str(word) for word in words]
        monkeypatch.setattr(sys, "argv", ["minortom", *words])
        assert run(program, words) == code
        printed = capfd.readouterr()
        assert SECRET not in printed.out + printed.err + caplog.text
        for path in tmp_path.rglob("*"):
            given = path.suffix == ".yaml" or path.name == "metadata.parquet"
            if path.is_file() and not given:
                assert SECRET.encode() not in path.read_bytes(), path
            assert SECRET not in str(path)
        return printed

    return run_and_look


def test_export_from_signed_urls(served, call, tmp_path):
    selection = write_selection(tmp_path / "selection.parquet", CELLS)
    words = ["export", selection, *served, "--patch-size", "12", "--workers", "1"]
    call(*words, "--out", "dry", "--dry-run", "--json")
    call(*words, "--out", "shards")
    record = json.loads((tmp_path / "work" / "shards.run.json").read_text())
    assert "Core-S2L2A" in record["command_line"]
    assert record["s2"].startswith("http://127.0.0.1:")
    assert "up to date" in call(*words, "--out", "shards").out
    call(*words, "--out", "shards", "--bands", "B02", code=1)
    call("show", "shards", "--out", "page.html")
    call("publish", "shards", "--repo", "someone/some", "--preview", "card")


def test_annotate_from_signed_urls(served, call, tmp_path):
    zones = write_map(tmp_path / "zones.tif", np.ones((180, 360), np.uint8))
    maps = [
        "--workers",
        "1",
        "--climate",
        zones,
        "--landcover",
        zones,
        "--landcover-legend",
        "igbp",
    ]
    call("annotate", *served, *maps, "--out", "annotated.parquet", "--json")
    part = pq.read_table("annotated.parquet")["s2_part"].to_pylist()[0]
    assert part.startswith("part_")
    assert part.endswith(".parquet")
    words = [
        "export",
        "selection.parquet",
        *served,
        "--patch-size",
        "12",
        "--workers",
        "1",
        "--out",
        "shards",
    ]
    call("sample", "annotated.parquet", "--per-stratum", 3, "--out", "selection.parquet")
    call(*words)


def test_maps_behind_signed_urls(call, tmp_path, web_server):
    climate = write_map(tmp_path / "climate.tif", np.ones((180, 360), np.uint8))
    serve_tile(web_server, "N00E006")
    url = signed(f"{web_server.url}/{TILES}")
    manifest = write_manifest(tmp_path / "zones.yaml", url, lattice_deg=3)
    cells = tmp_path / "cells.txt"
    cells.write_text("11U_75R\n12U_76R\n")
    words = ["annotate", cells, "--climate", climate, "--landcover", manifest]
    call(*words, "--out", tmp_path / "annotated.parquet")
    web_server.fail("/" + TILES.replace("{TILE}", "N00E006"), status=403)
    printed = call(*words, "--out", tmp_path / "other.parquet", code=1)
    assert "HTTP 403" in printed.err
    web_server.faults.clear()
    call("fetch", manifest, "--bbox", "6.1,0.1,11.9,2.9", "--json")
    by_hand = write_manifest(tmp_path / "hand.yaml", url, name="hand", by_hand="log in first")
    call("fetch", by_hand, code=1)
    call(*words[:3], url, *words[4:], "--out", tmp_path / "u.parquet", code=1)


@pytest.mark.parametrize(
    "fault", [{"status": 403}, {"status": 404}, {"cut_after": 10}, {"status": 503}]
)
def test_a_failing_server_is_one_line_without_secrets(served, call, tmp_path, web_server, fault):
    selection = write_selection(tmp_path / "selection.parquet", CELLS)
    web_server.fail("*", **fault)
    words = [
        "export",
        selection,
        *served,
        "--patch-size",
        "12",
        "--workers",
        "1",
        "--out",
        "shards",
    ]
    [line] = call(*words, code=1).err.splitlines()
    assert line.startswith("error: http://127.0.0.1:")


def test_a_host_without_an_answer_is_one_line_without_secrets(call, tmp_path, monkeypatch):
    monkeypatch.setattr(http, "RETRY_POLICY", replace(http.RETRY_POLICY, backoff_s=0.001))
    monkeypatch.setenv("MINORTOM_CACHE", str(tmp_path / "cache"))
    selection = write_selection(tmp_path / "selection.parquet", CELLS)
    place = signed("http://127.0.0.1:9/Core-S2L2A")
    words = ["export", selection, "--s2", place, "--s1", place, "--out", tmp_path / "shards"]
    [line] = call(*words, code=1).err.splitlines()
    assert line.startswith("error: http://127.0.0.1:9/Core-S2L2A/metadata.parquet: ")


@pytest.mark.parametrize(
    "words",
    [
        ["annotate", URL, "--climate", "a.tif", "--landcover", "b.tif", "--out", "o.parquet"],
        ["cells", "--region", URL, "--out", "o.txt"],
        ["sample", URL, "--out", "o.parquet"],
        ["sample", URL, "--keep", URL, "--quota", URL, "--out", URL],
        ["report", URL, "--annotated", URL, "--out", "report"],
        ["export", URL, "--s2", URL, "--s1", URL, "--out", "shards"],
        ["verify", URL],
        ["show", URL, "--out", "o.html"],
        ["publish", URL, "--repo", "someone/some"],
        ["fetch", URL],
        ["demo", f"{URL}/"],
    ],
    ids=lambda words: words[0],
)
def test_a_url_in_the_place_of_a_path_is_one_line(call, tmp_path, monkeypatch, words):
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "https:").write_text("so that no command makes a folder of this name")
    monkeypatch.chdir(tmp_path / "work")
    [line] = call(*words, code=1).err.splitlines()
    assert line.startswith("error: ")


@pytest.mark.parametrize(
    "words",
    [
        ["train", URL, "--out", "run"],
        ["train", URL, "--config", URL, "--out", "run"],
        ["embed", URL, URL, "--out", "o.parquet"],
        ["probe", URL, "--data", "shards", "--root", URL, "--out", "probe"],
        ["retrieve", URL, "--data", "shards", "--root", URL, "--out", "found"],
        ["search", URL, "--shards", URL, "--html", "o.html", "--like", URL],
        ["search", URL, "--shards", URL, "--html", "o.html", "--image", URL, "--checkpoint", URL],
        ["inspect", URL, URL, "--out", "o.html"],
        ["prune", URL, "--shards", URL, "--sensor", "s2", "--out", "small"],
        ["compare", URL, URL, "--out", "compared"],
        ["plot", "quality-cost", URL, "--out", "o.png"],
        ["export", URL, "--sensor", "s2", "--out", "o.pt2"],
    ],
    ids=lambda words: words[0],
)
def test_a_url_in_the_place_of_a_path_of_a_model_is_one_line(call, tmp_path, monkeypatch, words):
    monkeypatch.chdir(tmp_path)
    [line] = call(*words, code=1, program=model_app).err.splitlines()
    assert line.startswith("error: ")


@pytest.mark.parametrize("words", [["locate", URL], ["cells", "--bbox", URL], ["verify", "a", URL]])
def test_wrong_usage_is_shown_without_secrets(call, words):
    assert "host.example" in call(*words, code=2).err
