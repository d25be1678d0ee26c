"""`csmoe embed` and `csmoe search --image` for images whose bands are separate files."""

import json
import signal

import numpy as np
import pytest
import rasterio
from band_file_maker import band_folder, native_bands, safe, stac_item, upsampled
from geotiff_maker import tiff
from minortom_cli.console import run
from minortom_cli.model.app import app
from model_folders import write_embedded

from minortom.sensors import MODEL_BANDS


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Write a model and shards, and one image in four layouts."""
    folder = tmp_path_factory.mktemp("band-files")
    write_embedded(folder, train=2, val=0)
    bands = native_bands()
    names = MODEL_BANDS["s2"]
    tiff(folder / "one.tif", upsampled(bands, names), names=names)
    band_folder(folder / "patch", bands, prefix="patch_")
    safe(folder, bands).rename(folder / "product.SAFE")
    stac_item(folder / "item.json", bands)
    return folder


@pytest.fixture(autouse=True)
def terminate():
    """Restore the handler of SIGTERM, which `run` replaces."""
    former = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, former)


def typed(*words):
    return run(app, [str(word) for word in words])


LAYOUTS = ["patch", "product.SAFE", "item.json"]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_features_are_those_of_the_same_pixels_in_one_file(folder, tmp_path, layout):
    found = []
    for name in ("one.tif", layout):
        out = tmp_path / f"{name}-features.tif"
        assert typed(
            "embed", folder / "model", folder / name, "--out", out, "--tile-px", 30
        ) == 0  # fmt: skip
        with rasterio.open(out) as file:
            found.append(file.read())
            transform = file.transform
    np.testing.assert_array_equal(*found)
    assert (transform.c, transform.f) == (500_000, 4_000_000)
    with rasterio.open(out) as file:
        inputs = json.loads(file.tags()["minortom"])["inputs"]
    assert len(inputs) == 1 + {"patch": 12, "product.SAFE": 13, "item.json": 13}[layout]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_search_finds_what_the_same_pixels_in_one_file_find(folder, tmp_path, layout, capsys):
    found = []
    for name in ("one.tif", layout):
        words = ("--html", tmp_path / f"{name}.html", "--image", folder / name, "--k", 2, "--json")
        assert typed(
            "search", folder / "e.parquet", "--shards", folder / "shards",
            "--checkpoint", folder / "model", *words,
        ) == 0  # fmt: skip
        found.append(json.loads(capsys.readouterr().out)["hits"])
    assert found[0] == found[1]
