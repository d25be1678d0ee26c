import json

import pytest
from map_server import TILES, map_bytes, serve_tile, serve_zip, write_manifest
from minortom_cli.console import run
from minortom_cli.curate.app import app


@pytest.fixture
def zones(tmp_path, web_server):
    for corner in ("N00E006", "N00E009", "N03E006"):
        serve_tile(web_server, corner)
    url = f"{web_server.url}/{TILES}"
    return str(write_manifest(tmp_path / "zones.yaml", url, lattice_deg=3, size="3 tiles"))


def test_several_data_sets_give_a_row_each_and_credits_on_stderr(
    zones, tmp_path, web_server, capsys
):
    checksum = serve_zip(web_server, {"a.tif": map_bytes(tmp_path)})
    one = write_manifest(
        tmp_path / "one.yaml", f"{web_server.url}/maps.zip", name="one", checksum=checksum,
        member="a.tif",
    )  # fmt: skip
    assert run(app, ["fetch", str(one), zones, "--bbox", "6,0,9,3", "--json"]) == 0
    printed = capsys.readouterr()
    rows = json.loads(printed.out)
    assert [(r["name"], r["status"], r["files"]) for r in rows] == [
        ("one", "fetched", 1), ("zones", "fetched", 1),
    ]  # fmt: skip
    assert printed.err.count("Zones (CC0-1.0): made here\nPlease cite: none\n") == 2
    assert rows[1]["folder"] == str(tmp_path / "cache" / "maps" / "zones")


def test_the_credit_of_a_finished_map_is_printed_although_the_next_one_fails(
    zones, tmp_path, web_server, capsys
):
    missing = write_manifest(tmp_path / "no.yaml", f"{web_server.url}/no.zip", name="no")
    assert run(app, ["fetch", zones, str(missing), "--bbox", "6,0,9,3"]) == 1
    printed = capsys.readouterr().err
    assert printed.startswith("Zones (CC0-1.0): made here\nPlease cite: none\nerror: ")


def test_a_region_chooses_the_tiles(zones, tmp_path, capsys):
    ring = [[7, 1], [10, 1], [7, 2], [7, 1]]
    (tmp_path / "aoi.geojson").write_text(json.dumps({"type": "Polygon", "coordinates": [ring]}))
    region = ["--region", str(tmp_path / "aoi.geojson")]
    assert run(app, ["fetch", zones, *region, "--workers", "1", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["files"] == 2
    assert run(app, ["fetch", zones, *region, "--bbox", "8.9,1,8.95,1.1", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["status"] == "up to date"
    assert run(app, ["fetch", zones, *region, "--region-layer", "aoi", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["files"] == 2
    assert run(app, ["fetch", zones, *region, "--region-layer", "other"]) == 1
    assert "its layers are aoi; correct --region-layer" in capsys.readouterr().err


def test_all_asks_for_all_of_the_lattice(tmp_path, web_server, capsys):
    serve_tile(web_server, "N00E000")
    side = tmp_path / "few.yaml"
    write_manifest(side, f"{web_server.url}/{TILES}", lattice_deg=45)
    assert run(app, ["fetch", str(side), "--all", "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert (row["files"], row["absent"]) == (1, 4 * 8 - 1)


def test_without_an_area_or_all_it_says_how_much_it_would_be(zones, capsys):
    assert run(app, ["fetch", zones]) == 1
    assert "in tiles of 3 degrees (3 tiles); give --region or --bbox, or --all" in (
        capsys.readouterr().err
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["corine"], "expected the name of a data set (corine-clc, dynamic-world-v1, "),
        (["./nowhere.yaml"], "cannot read the manifest nowhere.yaml"),
        (["worldcover-2021", "--all", "--bbox", "0,0,1,1"], "expected --all, or an area by --reg"),
        (["mcd12c1-v006"], "behind a NASA Earthdata login"),
        (["worldcover-2021", "--region", "nowhere.gpkg"], "the region nowhere.gpkg does not exist"),
        (["worldcover-2021"], "2,651 tiles, some 120 GB"),
        (
            ["koppen-geiger-2023"],
            "ndownloader.figshare.com/files/61012822: the file does not exist",
        ),
    ],
)
def test_a_users_mistake_is_one_line_and_1(web_server, monkeypatch, capsys, arguments, message):
    monkeypatch.setenv("MINORTOM_MIRROR", web_server.url)
    assert run(app, ["fetch", *arguments]) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("error: ") and printed.err.count("\n") == 1
    assert message in printed.err


def test_a_cache_that_cannot_be_made_is_one_line(zones, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("MINORTOM_CACHE", str(tmp_path / "zones.yaml"))
    assert run(app, ["fetch", zones, "--bbox", "6,0,9,3"]) == 1
    assert "set MINORTOM_CACHE to a writable folder" in capsys.readouterr().err


def test_the_wrong_koppen_zip_is_one_line_that_names_both_hashes(web_server, monkeypatch, capsys):
    monkeypatch.setenv("MINORTOM_MIRROR", web_server.url)
    (web_server.folder / "ndownloader.figshare.com" / "files").mkdir(parents=True)
    serve_zip(web_server, {"a": b""}, name="ndownloader.figshare.com/files/61012822")
    assert run(app, ["fetch", "koppen-geiger-2023"]) == 1
    assert "must have md5:7fc2f5a15d4f5fe0ce59c9a9b502aa09" in capsys.readouterr().err
