"""`csmoe embed` for several scenes, and for points in a scene."""

import json
import re

import geopandas
import numpy as np
import pytest
from error_lines import one_line
from geotiff_maker import UTM, tiff
from image_maker import pixels_of, typed
from pyproj import Transformer
from vectors_by_hand import by_hand

from minortom.sensors import MODEL_BANDS

pytest_plugins = ["image_fixtures"]


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


def test_a_folder_is_not_made_for_a_scene_that_cannot_be_encoded(
    model_folder, tmp_path, scenes, capsys
):
    bad = tiff(tmp_path / "bad.tif", np.full((1, 150, 150), 900), names=("B02",), dtype="uint16")
    out = tmp_path / "made" / "features"
    assert typed("embed", model_folder / "model", bad, scenes[0], "--out", out) == 1
    assert "B03" in one_line(capsys.readouterr().err)
    assert not out.parent.exists()


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
