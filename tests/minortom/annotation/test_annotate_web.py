"""The commands of the docs, with a local server in place of the hub and the buckets.

The archive is the sample of real tiles. WorldCover is its one real tile, and made ones where the
cells of the archive lie. The zip of climate maps is made from the real map, so its hash is not the
published one.
"""

import hashlib
import json
import shutil
import zipfile

import numpy as np
import pyarrow.parquet as pq
import pytest
import yaml
from map_maker import WORLDCOVER_FILE, made_classes, write_map, write_tile
from minortom_cli.console import run
from minortom_cli.curate.app import app

from minortom.grid.cell_lists import read_cells
from minortom.io.provenance import sha256_of
from minortom.maps import manifests

HUB = ["--s2", "hf://datasets/Major-TOM/Core-S2L2A", "--s1", "hf://datasets/Major-TOM/Core-S1RTC"]
MAPS = ["--climate", "koppen-geiger-2023", "--landcover", "worldcover-2021"]
BUCKET = "esa-worldcover.s3.eu-central-1.amazonaws.com/v200/2021/map"
REAL_TILE = "N00E006"
SAO_TOME = [[6.45, 0.0], [6.8, 0.0], [6.8, 0.45], [6.45, 0.45], [6.45, 0.0]]


@pytest.fixture
def planet(real_data, web_server, monkeypatch, tmp_path):
    """A server with both archives, WorldCover's tiles and the zip of climate maps."""
    for name in ("Core-S2L2A", "Core-S1RTC"):
        place = web_server.folder / "datasets" / "Major-TOM" / name
        shutil.copytree(real_data / "majortom-sample" / name, place)
    bucket = web_server.folder / BUCKET
    bucket.mkdir(parents=True)
    real = WORLDCOVER_FILE.replace("{TILE}", REAL_TILE)
    shutil.copy(real_data / "descriptors" / real, bucket)
    for number, name in enumerate(tiles_of_the_sample(real_data)):
        values = made_classes(600, seed=number, sea=0.02)
        write_tile(bucket, name, values=values, factors=(2, 4))
    checksum = serve_climate(web_server.folder, real_data)
    folder = tmp_path / "manifests"
    shutil.copytree(manifests.manifest_paths()[0].parent, folder)
    edited = yaml.safe_load((folder / "koppen-geiger-2023.yaml").read_text())
    (folder / "koppen-geiger-2023.yaml").write_text(
        yaml.safe_dump(edited | {"checksum": checksum}, allow_unicode=True)
    )
    monkeypatch.setattr(manifests, "manifest_paths", lambda: sorted(folder.glob("*.yaml")))
    monkeypatch.setenv("MINORTOM_MIRROR", web_server.url)
    web_server.stand_for_the_hub(monkeypatch, tmp_path / "hf")
    monkeypatch.chdir(tmp_path)
    return web_server


def tiles_of_the_sample(real_data):
    metadata = real_data / "majortom-sample" / "Core-S2L2A" / "metadata.parquet"
    lon, lat = (np.floor(a / 3).astype(int) * 3 for a in read_cells([str(metadata)]).centres())
    return sorted(
        {
            f"{'N' if y >= 0 else 'S'}{abs(y):02}{'E' if x >= 0 else 'W'}{abs(x):03}"
            for x, y in zip(lon, lat, strict=True)
        }
    )


def serve_climate(folder, real_data):
    path = folder / "ndownloader.figshare.com" / "files" / "61012822"
    path.parent.mkdir(parents=True)
    with zipfile.ZipFile(path, "w") as archive:
        source = real_data / "descriptors" / "koppen_geiger_0p1.tif"
        archive.write(source, "1991_2020/koppen_geiger_0p00833333.tif")
        archive.write(source, "1991_2020/koppen_geiger_0p1.tif")
    return f"md5:{hashlib.md5(path.read_bytes()).hexdigest()}"


def summary_of(capsys, *words):
    # One process: starting a pool takes longer than these few tiles.
    one = ["--workers", "1"] if words[0] == "annotate" else []
    assert run(app, [*words, *one, "--json"]) == 0, capsys.readouterr().err
    return json.loads(capsys.readouterr().out)


def error_of(capsys, *words):
    assert run(app, list(words)) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("error: ")
    assert printed.err.count("\n") == 1
    return printed.err


@pytest.mark.usefixtures("planet")
def test_the_archives_of_the_hub_and_the_maps_of_their_sources_make_tiles(capsys):
    summary = summary_of(
        capsys, "annotate", *HUB, *MAPS, "--landcover-mode", "majority", "--out", "a.parquet"
    )
    assert (summary["cells_in"], summary["tiles"]) == (7, 5)
    assert summary["removed"] == {"without_s1": 2}
    rows = pq.read_table("a.parquet").to_pylist()
    assert all(row["s2_product_id"].startswith("TerraMesh:") for row in rows)
    assert len(summary["citations"]) == 2


def test_the_same_bytes_come_from_the_hub_a_web_server_and_a_folder(planet, capsys):
    places = {
        "hub": HUB,
        "web": ["--s2", f"{planet.url}/datasets/Major-TOM/Core-S2L2A",
                "--s1", f"{planet.url}/datasets/Major-TOM/Core-S1RTC/"],
        "folder": ["--s2", str(planet.folder / "datasets/Major-TOM/Core-S2L2A"),
                   "--s1", str(planet.folder / "datasets/Major-TOM/Core-S1RTC")],
    }  # fmt: skip
    for name, archives in places.items():
        summary_of(capsys, "annotate", *archives, *MAPS, "--out", f"{name}.parquet")
    assert len({sha256_of(planet.folder.parent / f"{name}.parquet") for name in places}) == 1


def test_fetched_tiles_give_what_the_bucket_gives(planet, tmp_path, capsys):
    aoi = {"type": "Polygon", "coordinates": [SAO_TOME]}
    (tmp_path / "aoi.geojson").write_text(json.dumps(aoi))
    assert run(app, ["cells", "--region", "aoi.geojson"]) == 0
    (tmp_path / "cells.txt").write_text(capsys.readouterr().out)
    rest = [*MAPS, "--landcover-mode", "fractions", "--landcover-resolution", "160"]
    there = summary_of(capsys, "annotate", "cells.txt", *rest, "--out", "bucket.parquet")
    asked = len(planet.requests)

    fetched = summary_of(
        capsys, "fetch", "koppen-geiger-2023", "worldcover-2021", "--region", "aoi.geojson"
    )
    assert [entry["files"] for entry in fetched] == [1, 1]
    for _ in range(2):
        planet.fail("*", status=403)
    here = summary_of(capsys, "annotate", "cells.txt", *rest, "--out", "cache.parquet")
    assert len(planet.requests) > asked
    assert here["tiles"] == there["tiles"] > 10
    tables = [pq.read_table(f"{name}.parquet") for name in ("bucket", "cache")]
    assert tables[0].equals(tables[1])
    shares = [name for name in tables[0].column_names if name.startswith("fraction_")]
    assert len(shares) == 11
    totals = np.sum([tables[0][name].to_numpy() for name in shares], axis=0)
    np.testing.assert_allclose(totals, 1, atol=1e-6)


def test_a_map_with_another_hash_than_the_manifests_is_not_used(planet, capsys):
    path = planet.folder / "ndownloader.figshare.com" / "files" / "61012822"
    path.write_bytes(path.read_bytes() + b"x")
    message = error_of(capsys, "annotate", *HUB, *MAPS, "--out", "a.parquet")
    assert "md5" in message


@pytest.mark.parametrize("status", [403, 404, 429, 503])
def test_an_archive_that_is_refused_is_one_line_with_its_address(planet, capsys, status):
    planet.fail("/datasets/Major-TOM/Core-S2L2A/metadata.parquet", status=status)
    url = f"{planet.url}/datasets/Major-TOM"
    archives = ["--s2", f"{url}/Core-S2L2A", "--s1", f"{url}/Core-S1RTC"]
    message = error_of(capsys, "annotate", *archives, *MAPS, "--out", "a.parquet")
    assert str(status) in message
    assert f"{url}/Core-S2L2A/metadata.parquet" in message


def test_a_cut_connection_is_taken_up_again(planet, capsys):
    planet.fail("/datasets/Major-TOM/Core-S2L2A/metadata.parquet", cut_after=1000, times=2)
    url = f"{planet.url}/datasets/Major-TOM"
    archives = ["--s2", f"{url}/Core-S2L2A", "--s1", f"{url}/Core-S1RTC"]
    summary = summary_of(capsys, "annotate", *archives, *MAPS, "--out", "a.parquet")
    assert summary["tiles"] == 5


def test_two_years_of_worldcover_in_one_folder_are_one_line(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "mixed"
    folder.mkdir()
    write_tile(folder, "N00E006", side_px=60, factors=())
    older = "ESA_WorldCover_10m_2020_v100_{TILE}_Map.tif"
    write_tile(folder, "N00E009", side_px=60, factors=(), file=older)
    climate = write_map(tmp_path / "climate.tif", np.ones((9, 18), np.uint8))
    (tmp_path / "cells.txt").write_text("0U_199R\n")
    message = error_of(
        capsys, "annotate", "cells.txt", "--climate", str(climate), "--landcover", str(folder),
        "--out", "a.parquet",
    )  # fmt: skip
    assert "2020_v100" in message
    assert "2021_v200" in message
