"""`csmoe embed` for images, several scenes and points."""

import json
import os
import re
from pathlib import Path

import geopandas
import numpy as np
import pyarrow.parquet as pq
import pytest
import rasterio
import torch
from affine import Affine
from error_lines import one_line
from geotiff_maker import UTM, tiff
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

from csmoe_model.csmoe import CSMoE
from minortom.sensors import MODEL_BANDS

pytest_plugins = ["image_fixtures"]


def vectors_in(path):
    """Return the vectors of a file by file name and sensor."""
    rows = pq.read_table(path).to_pylist()
    return {(row["file"], row["sensor"]): np.array(row["vector"]) for row in rows}


def by_hand(model_folder, sensor, pixels, names):
    """Return the vector of pixels in the units of the model, by the steps of docs/use.md."""
    model = CSMoE.from_pretrained(model_folder / "model")
    with torch.inference_mode():
        images = model.prepare(
            **{sensor: pixels[None].astype(np.float32), f"{sensor}_bands": names},
            image_size=model.config.image_size,
        )
        return model.encode(**images)[sensor][0].numpy()


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


@pytest.fixture
def scenes(tmp_path):
    names = MODEL_BANDS["s2"]
    return [
        tiff(tmp_path / f"{n}.tif", pixels_of(names, 150, n), names=names, dtype="uint16")
        for n in range(2)
    ]


def test_several_scenes_are_encoded_into_a_folder(model_folder, tmp_path, scenes, capsys):
    out = tmp_path / "features"
    words = ("embed", model_folder / "model", *scenes, "--out", out, "--overlap", 0)
    assert typed(*words, "--json") == 0
    result = json.loads(capsys.readouterr().out)
    assert [scene["status"] for scene in result["scenes"]] == ["written"] * 2
    alone = ("embed", model_folder / "model", scenes[1], "--out", tmp_path / "alone.tif")
    assert typed(*alone, "--overlap", 0) == 0
    assert (out / "1.tif").read_bytes() == (tmp_path / "alone.tif").read_bytes()


def test_scenes_of_one_name_and_outputs_that_are_no_folder_are_one_line(
    model_folder, tmp_path, scenes, capsys
):
    other = tiff(tmp_path / "b" / "0.tif", np.ones((1, 4, 4)))
    assert typed("embed", model_folder / "model", scenes[0], other, "--out", tmp_path / "f") == 1
    assert "expected scenes with different names" in one_line(capsys.readouterr().err)
    assert typed("embed", model_folder / "model", *scenes, "--out", tmp_path / "f.tif") == 1
    assert "expected --out to be a folder for 2 scenes" in one_line(capsys.readouterr().err)


def place_of(col, row):
    """Return longitude and latitude of a pixel's centre."""
    to_degrees = Transformer.from_crs("EPSG:32631", 4326, always_xy=True)
    return to_degrees.transform(*(UTM @ (col + 0.5, row + 0.5)))


@pytest.fixture
def points(tmp_path):
    """Write four points: inside, at the left edge, at the corner, and outside."""
    rows = [
        f"{name},{lat:.9f},{lon:.9f}"
        for name, (lon, lat) in {
            "inside": place_of(75, 80), "edge": place_of(0, 80), "corner": place_of(0, 0),
            "outside": place_of(500, 0),
        }.items()
    ]  # fmt: skip
    (tmp_path / "points.csv").write_text("\n".join(["name,lat,lon", *rows]) + "\n")
    return tmp_path / "points.csv"


@pytest.mark.parametrize("by_option", [True, False])
def test_the_patch_around_a_point_is_encoded(
    model_folder, tmp_path, scenes, points, by_option, capsys
):
    out = tmp_path / "v.parquet"
    source = ("--scene", scenes[0]) if by_option else (scenes[0],)
    words = ("embed", model_folder / "model", *source, "--points", points, "--out", out)
    assert typed(*words, "--tile-px", 60) == 0
    assert "left out 2 point(s)" in capsys.readouterr().err
    frame = geopandas.read_parquet(out)
    assert frame.name.tolist() == ["inside", "edge"]
    assert frame.sensor.tolist() == ["s2", "s2"]
    pixels = pixels_of(MODEL_BANDS["s2"], 150).astype(np.float32)
    wanted = by_hand(model_folder, "s2", pixels[:, 50:110, 45:105], MODEL_BANDS["s2"])
    np.testing.assert_allclose(frame.vector[0], wanted, atol=1e-5)
    edge = np.empty((10, 60, 60), np.float32)
    edge[:, :, 30:] = pixels[:, 50:110, :30]
    edge[:, :, :30] = edge[:, :, 30:].mean(axis=(1, 2))[:, None, None]
    wanted = by_hand(model_folder, "s2", edge, MODEL_BANDS["s2"])
    np.testing.assert_allclose(frame.vector[1], wanted, atol=1e-4)
    assert frame.geometry[0].x == pytest.approx(place_of(75, 80)[0], abs=1e-8)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name,lat\na,1\n", "expected one column lon in .*found the columns name, lat"),
        ("lat,lon\n95,0\n", "found 95, 0 in row 1"),
        ("lat,lon\n", "found no row"),
        ("lat,lon\n10,10\n", "expected points of .*inside the measured part of the scene"),
    ],
)
def test_points_that_do_not_fit_are_one_line(model_folder, tmp_path, scenes, text, message, capsys):
    (tmp_path / "p.csv").write_text(text)
    out = tmp_path / "v.parquet"
    words = ("--scene", scenes[0], "--points", tmp_path / "p.csv", "--out", out)
    assert typed("embed", model_folder / "model", *words) == 1
    line = capsys.readouterr().err.splitlines()[-1]
    assert line.startswith("error: ")
    assert re.search(message, line)
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
