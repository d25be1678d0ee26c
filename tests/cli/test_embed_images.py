"""`csmoe embed` for images, and wrong usage."""

import json
import os
from pathlib import Path

import geopandas
import numpy as np
import pyarrow.parquet as pq
import pytest
import rasterio
from affine import Affine
from geotiff_maker import tiff
from image_maker import (
    EUROSAT_BANDS,
    decibels_of,
    eurosat_chip,
    floods_chips,
    pixels_of,
    ssl4eo_chip,
    typed,
)
from pyproj import Transformer
from vectors_by_hand import by_hand

from minortom.sensors import MODEL_BANDS

pytest_plugins = ["image_fixtures"]


def vectors_in(path):
    """Return the vectors of a file by file name and sensor."""
    rows = pq.read_table(path).to_pylist()
    return {(row["file"], row["sensor"]): np.array(row["vector"]) for row in rows}


def test_images_of_mixed_sizes_and_zones_have_a_vector_and_an_outline_each(model_folder, tmp_path):
    names = MODEL_BANDS["s2"]
    for zone, side in ((31, 60), (33, 40), (33, 60)):
        tiff(
            tmp_path / "chips" / f"z{zone}" / f"{side}.tif", pixels_of(names, side, zone),
            names=names, crs=f"EPSG:326{zone}", dtype="uint16",
        )  # fmt: skip
    out = tmp_path / "v.parquet"
    assert typed("embed", model_folder / "model", tmp_path / "chips", "--out", out) == 0
    found = vectors_in(out)
    assert list(found) == [("z31/60.tif", "s2"), ("z33/40.tif", "s2"), ("z33/60.tif", "s2")]
    for (name, _), vector in found.items():
        zone, side = int(name[1:3]), int(name[4:6])
        wanted = by_hand(model_folder, "s2", pixels_of(names, side, zone), names)
        np.testing.assert_allclose(vector, wanted, atol=1e-5)
    frame = geopandas.read_parquet(out)
    for row, zone, side in zip(frame.itertuples(), (31, 33, 33), (60, 40, 60), strict=True):
        to_degrees = Transformer.from_crs(f"EPSG:326{zone}", 4326, always_xy=True)
        corner = to_degrees.transform(500_000 + 10 * side, 4_000_000 - 10 * side)
        centre = to_degrees.transform(500_000 + 5 * side, 4_000_000 - 5 * side)
        assert row.geometry.bounds[2] == pytest.approx(corner[0], abs=1e-6)
        assert row.geometry.bounds[1] == pytest.approx(corner[1], abs=1e-6)
        assert (row.lon, row.lat) == pytest.approx(centre, abs=1e-5)
        assert (row.epsg, row.height_px, row.width_px) == (32600 + zone, side, side)


def test_chips_of_published_sets_are_embedded(model_folder, tmp_path):
    eurosat_chip(tmp_path / "eurosat" / "Forest_1.tif")
    floods_chips(tmp_path / "floods")
    ssl4eo_chip(tmp_path / "ssl4eo" / "0000001" / "20200101T000000")
    ssl4eo_chip(tmp_path / "ssl4eo" / "0000002" / "20200101T000000", seed=1)
    files = {
        "eurosat": ["Forest_1.tif"],
        "floods": ["S1Hand/Ghana_0_S1Hand.tif", "S2Hand/Ghana_0_S2Hand.tif"],
        "ssl4eo": ["0000001/20200101T000000", "0000002/20200101T000000"],
    }
    named = ("--s2-bands", ",".join(EUROSAT_BANDS))
    for layout, wanted in files.items():
        out = tmp_path / f"{layout}.parquet"
        more = named if layout == "eurosat" else ()
        words = ("embed", model_folder / "model", tmp_path / layout, "--out", out, *more)
        assert typed(*words) == 0
        assert [name for name, _ in vectors_in(out)] == wanted
    wanted = by_hand(model_folder, "s2", pixels_of(EUROSAT_BANDS, 64), EUROSAT_BANDS)
    [vector] = vectors_in(tmp_path / "eurosat.parquet").values()
    np.testing.assert_allclose(vector, wanted, atol=1e-5)
    filled = decibels_of(96)
    filled[:, :5] = filled[:, 5:].mean(axis=(1, 2))[:, None, None]
    wanted = by_hand(model_folder, "s1", filled, ("VV", "VH"))
    vector = vectors_in(tmp_path / "floods.parquet")["S1Hand/Ghana_0_S1Hand.tif", "s1"]
    np.testing.assert_allclose(vector, wanted, atol=1e-4)


@pytest.mark.skipif("MINORTOM_DATA" not in os.environ, reason="MINORTOM_DATA is not set")
def test_real_patches_of_bigearthnet_are_embedded(model_folder, tmp_path):
    root = Path(os.environ["MINORTOM_DATA"]) / "bigearthnet-sample"
    assert typed("embed", model_folder / "model", root, "--out", tmp_path / "v.parquet") == 0
    found = vectors_in(tmp_path / "v.parquet")
    assert [sensor for _, sensor in found] == ["s1"] * 6 + ["s2"] * 6
    (name, _), vector = next(reversed(found.items()))
    bands = []
    for band in MODEL_BANDS["s2"]:
        with rasterio.open(root / name / f"{Path(name).name}_{band}.tif") as file:
            pixels = file.read(1)
        bands.append(pixels.repeat(120 // len(pixels), 0).repeat(120 // len(pixels), 1))
    wanted = by_hand(model_folder, "s2", np.stack(bands), MODEL_BANDS["s2"])
    np.testing.assert_allclose(vector, wanted, atol=1e-5)


def test_a_file_with_both_sensors_has_three_vectors(model_folder, tmp_path):
    names = (*MODEL_BANDS["s2"], "VV", "VH")
    pixels = np.concatenate([pixels_of(MODEL_BANDS["s2"], 40), decibels_of(40)])
    tiff(tmp_path / "c" / "a.tif", pixels, names=names, transform=None)
    out = tmp_path / "v.parquet"
    assert typed("embed", model_folder / "model", tmp_path / "c", "--out", out) == 0
    found = vectors_in(out)
    assert list(found) == [("a.tif", name) for name in ("s2", "s1", "both")]
    mean = (found["a.tif", "s2"] + found["a.tif", "s1"]) / 2
    np.testing.assert_allclose(found["a.tif", "both"], mean, atol=1e-6)
    frame = geopandas.read_parquet(out)
    assert frame.geometry.isna().all()
    assert frame.lat.isna().all()


def test_an_image_across_the_antimeridian_has_two_parts(model_folder, tmp_path):
    names = MODEL_BANDS["s2"]
    to_metres = Transformer.from_crs(4326, 32660, always_xy=True)
    x, y = to_metres.transform(180, 36)
    place = {"transform": Affine(10, 0, x - 300, 0, -10, y), "crs": "EPSG:32660"}
    tiff(tmp_path / "c" / "a.tif", pixels_of(names, 60), names=names, dtype="uint16", **place)
    out = tmp_path / "v.parquet"
    assert typed("embed", model_folder / "model", tmp_path / "c", "--out", out) == 0
    [shape] = geopandas.read_parquet(out).geometry
    assert shape.geom_type == "MultiPolygon"
    assert shape.bounds[0] == -180
    assert shape.bounds[2] == 180


def test_images_without_measured_pixels_are_left_out_with_a_note(model_folder, tmp_path, capsys):
    names = MODEL_BANDS["s2"]
    tiff(tmp_path / "c" / "a.tif", pixels_of(names, 40), names=names, dtype="uint16")
    tiff(tmp_path / "c" / "b.tif", np.zeros((10, 40, 40)), names=names, dtype="uint16")
    out = tmp_path / "v.parquet"
    assert typed("embed", model_folder / "model", tmp_path / "c", "--out", out) == 0
    assert [name for name, _ in vectors_in(out)] == ["a.tif"]
    assert "left out 1 image(s) without measured pixels" in capsys.readouterr().err
    (tmp_path / "c" / "a.tif").unlink()
    other = tmp_path / "w.parquet"
    assert typed("embed", model_folder / "model", tmp_path / "c", "--out", other) == 1
    assert not other.exists()


def test_vectors_of_images_are_up_to_date_until_a_pixel_changes(model_folder, tmp_path, capsys):
    names = MODEL_BANDS["s2"]
    pixels = pixels_of(names, 40)
    tiff(tmp_path / "c" / "a.tif", pixels, names=names, dtype="uint16")
    words = ("embed", model_folder / "model", tmp_path / "c", "--out", tmp_path / "v.parquet")
    assert typed(*words) == 0
    capsys.readouterr()
    assert typed(*words, "--json") == 0
    assert json.loads(capsys.readouterr().out)["status"] == "up to date"
    pixels[0, 0, 0] += 1
    tiff(tmp_path / "c" / "a.tif", pixels, names=names, dtype="uint16")
    assert typed(*words) == 1
    assert "made with other inputs or options" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("write", "more", "message"),
    [
        (lambda path: path.mkdir(), (), "expected a folder of shards, but"),
        (
            lambda path: tiff(path / "a.tif", pixels_of(MODEL_BANDS["s2"], 3),
                              names=MODEL_BANDS["s2"], dtype="uint16"),
            (), "found 3 × 3 px in",
        ),
        (
            lambda path: tiff(path / "a.tif", pixels_of(("B02", "B03"), 40), names=("B02", "B03"),
                              dtype="uint16"),
            (), "a.tif: the model needs the s2 bands",
        ),
        (
            lambda path: tiff(path / "a.tif", pixels_of(MODEL_BANDS["s2"], 40)),
            (), "found 10 without a name",
        ),
    ],
)  # fmt: skip
def test_images_that_do_not_fit_are_one_line(model_folder, tmp_path, capsys, write, more, message):
    write(tmp_path / "c")
    out = tmp_path / "v.parquet"
    words = ("embed", model_folder / "model", tmp_path / "c", "--out", out, *more)
    assert typed(*words) == 1
    assert message in capsys.readouterr().err.splitlines()[-1]
    assert not out.exists()


@pytest.mark.parametrize(
    "words",
    [
        ("--out", "v.parquet"),
        ("--scene", "a.tif", "--out", "v.parquet"),
        ("a.tif", "--scene", "a.tif", "--points", "p.csv", "--out", "v.parquet"),
        ("a.tif", "b.tif", "--points", "p.csv", "--out", "v.parquet"),
        ("a.tif", "b.tif", "--s1", "p.tif", "--out", "folder"),
        ("a.tif", "b.tif", "--overlap", "0", "--out", "v.parquet"),
    ],
)
def test_wrong_usage_exits_with_2(model_folder, words, capsys):
    assert typed("embed", model_folder / "model", *words) == 2
    assert "error: " in capsys.readouterr().err
