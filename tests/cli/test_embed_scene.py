"""The command `csmoe embed` for a scene: positions of the features, and exit codes."""

import json
import re
import signal

import numpy as np
import pytest
import rasterio
import torch
from affine import Affine
from error_lines import one_line
from geotiff_maker import UTM, tiff
from minortom_cli.console import run
from minortom_cli.model.app import app
from model_folders import write_model
from training_shards import MODEL, learnable_shards

from csmoe_model.csmoe import CSMoE
from csmoe_model.inference.export_encoder import export
from minortom.sensors import MODEL_BANDS
from minortom.shards.shard_set import ShardSet

TOKEN_PX = 30  # of 120 px in 4 tokens


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Write an untrained model, and scenes of both sensors on the same 150 × 190 pixels."""
    folder = tmp_path_factory.mktemp("cli-embed-scene")
    learnable_shards(folder / "shards", train=2, val=0)
    write_model(folder / "model", ShardSet.open(folder / "shards"))
    rng = np.random.default_rng(0)
    s2 = rng.uniform(1500, 4000, (10, 150, 190))
    tiff(folder / "s2.tif", s2, names=MODEL_BANDS["s2"])
    tiff(folder / "s1.tif", rng.uniform(-20, -8, (2, 150, 190)), names=("VV", "VH"))
    return folder


@pytest.fixture(autouse=True)
def terminate():
    """Restore the handler of SIGTERM, which `run` replaces."""
    former = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, former)


def embed(folder, scene, out, *more):
    words = ["embed", folder / "model", scene, "--out", out, *more]
    return run(app, [str(word) for word in words])


def tokens_of(folder, sensor, *, row_px, col_px):
    """Return tokens [4, 4, 32] of the 120 pixels from there, by the steps of docs/use.md."""
    model = CSMoE.from_pretrained(folder / "model")
    with rasterio.open(folder / f"{sensor}.tif") as file:
        pixels = file.read()[None, :, row_px : row_px + 120, col_px : col_px + 120]
    with torch.inference_mode():
        images = model.prepare(**{sensor: torch.from_numpy(pixels)}, image_size=MODEL.image_size)
        tokens = model.encode(**images, patch_tokens=True)[f"{sensor}_tokens"]
    return tokens.reshape(4, 4, 32).numpy()


def test_a_feature_map_has_the_position_of_the_scene(folder, tmp_path, capsys):
    out = tmp_path / "f.tif"
    assert embed(folder, folder / "s2.tif", out, "--overlap", "0", "--json") == 0
    assert json.loads(capsys.readouterr().out) == {
        "status": "written", "out": str(out), "sensor": "s2", "rows": 5, "columns": 6,
        "width": 32, "tiles": 4,
    }  # fmt: skip
    with rasterio.open(out) as file:
        assert file.transform == UTM @ Affine.scale(TOKEN_PX)
        assert (file.crs, file.count) == (rasterio.CRS.from_epsg(32631), 32)
        assert file.descriptions[31] == "s2_031"
        found = file.read().transpose(1, 2, 0)
    wanted = tokens_of(folder, "s2", row_px=0, col_px=0)
    # Tiles begin at tokens 0 and 1 down, 0 and 2 across: the first token is of the first tile
    # alone, the last of the last. What else is in a batch changes the rounding.
    np.testing.assert_allclose(found[0, 0], wanted[0, 0], atol=1e-5)
    wanted = tokens_of(folder, "s2", row_px=30, col_px=60)
    np.testing.assert_allclose(found[4, 5], wanted[3, 3], atol=1e-5)


def test_a_marked_pixel_is_found_again_by_its_coordinates(folder, tmp_path):
    with rasterio.open(folder / "s2.tif") as file:
        pixels, mark = file.read(), file.xy(70, 100)
    pixels[:, 70, 100] += 9000
    found = []
    for scene in (folder / "s2.tif", tiff(tmp_path / "a.tif", pixels, names=MODEL_BANDS["s2"])):
        assert embed(folder, scene, tmp_path / f"{scene.stem}-f.tif") == 0
        with rasterio.open(tmp_path / f"{scene.stem}-f.tif") as file:
            found.append(file.read())
            place = file.index(*mark)
    moved = np.square(found[0] - found[1]).sum(axis=0)
    assert np.unravel_index(moved.argmax(), moved.shape) == place == (2, 3)


def test_two_files_give_the_mean_of_the_sensors(folder, tmp_path):
    found = {}
    for name, words in {
        "s2": ("s2.tif",), "s1": ("s1.tif",), "both": ("s2.tif", "--s1", folder / "s1.tif"),
    }.items():  # fmt: skip
        assert embed(folder, folder / words[0], tmp_path / f"{name}.tif", *words[1:]) == 0
        with rasterio.open(tmp_path / f"{name}.tif") as file:
            assert file.descriptions[0] == f"{name}_000"
            found[name] = file.read()
    np.testing.assert_allclose(found["both"], (found["s2"] + found["s1"]) / 2, atol=1e-5)


def test_threads_change_no_byte_and_the_record_has_the_options_that_do(folder, tmp_path):
    for workers in (1, 3):
        out = tmp_path / f"{workers}.tif"
        assert embed(folder, folder / "s1.tif", out, "--workers", workers) == 0
    assert (tmp_path / "1.tif").read_bytes() == (tmp_path / "3.tif").read_bytes()
    assert (tmp_path / "1.tif.run.json").is_file()
    with rasterio.open(tmp_path / "1.tif") as file:
        record = json.loads(file.tags()["minortom"])
    assert record["options"] == {"bands": {"s1": ["VV", "VH"]}, "overlap": 0.5, "tile_px": 120}
    assert set(record["inputs"]) == {"weights", "scene_0"}
    assert record["licences"] == ["of the training data"]


def test_it_is_up_to_date_and_another_output_needs_overwrite(folder, tmp_path, capsys):
    scene, out = folder / "s1.tif", tmp_path / "f.tif"
    assert embed(folder, scene, out) == 0
    before = out.stat().st_mtime_ns
    assert embed(folder, scene, out) == 0
    assert "up to date" in capsys.readouterr().out
    assert out.stat().st_mtime_ns == before
    assert embed(folder, scene, out, "--overlap", "0.75") == 1
    assert "made with other inputs or options" in one_line(capsys.readouterr().err)
    assert embed(folder, scene, out, "--overlap", "0.75", "--overwrite") == 0


def test_bands_are_named_by_the_user_where_the_file_does_not(folder, tmp_path, capsys):
    with rasterio.open(folder / "s2.tif") as file:
        bare = tiff(tmp_path / "bare.tif", file.read()[::-1])
    assert embed(folder, bare, tmp_path / "f.tif") == 1
    assert "--s2-bands" in one_line(capsys.readouterr().err)
    names = ",".join(MODEL_BANDS["s2"][::-1])
    assert embed(folder, bare, tmp_path / "f.tif", "--s2-bands", names) == 0
    assert embed(folder, folder / "s2.tif", tmp_path / "g.tif") == 0
    with rasterio.open(tmp_path / "f.tif") as f, rasterio.open(tmp_path / "g.tif") as g:
        np.testing.assert_array_equal(f.read(), g.read())
    bare = tiff(tmp_path / "bare-s1.tif", np.full((2, 150, 190), -9.0))
    out = tmp_path / "h.tif"
    assert embed(folder, folder / "s2.tif", out, "--s1", bare, "--s1-bands", "vv,vh") == 0


def test_unmeasured_pixels_have_no_features(folder, tmp_path):
    with rasterio.open(folder / "s1.tif") as file:
        pixels = file.read()
    pixels[:, :, :60] = np.nan
    tiff(tmp_path / "a.tif", pixels, names=("VV", "VH"))
    assert embed(folder, tmp_path / "a.tif", tmp_path / "f.tif") == 0
    with rasterio.open(tmp_path / "f.tif") as file:
        np.testing.assert_array_equal(np.isnan(file.read()), np.arange(6) < np.full((32, 5, 1), 2))


def test_a_scene_of_other_pixels_needs_tile_px(folder, tmp_path, capsys):
    pixels = np.full((2, 60, 70), -9.0)
    for name, scale in (("20", 20), ("degrees", None)):
        place = (
            {"transform": Affine(scale, 0, 5e5, 0, -scale, 4e6)} if scale
            else {"transform": Affine(1e-4, 0, 3, 0, -1e-4, 40), "crs": "EPSG:4326"}
        )  # fmt: skip
        scene = tiff(tmp_path / f"{name}.tif", pixels, names=("VV", "VH"), **place)
        assert embed(folder, scene, tmp_path / "f.tif") == 1
        assert "--tile-px" in one_line(capsys.readouterr().err)
        assert embed(folder, scene, tmp_path / "f.tif", "--tile-px", "60", "--overwrite") == 0
        with rasterio.open(tmp_path / "f.tif") as file:
            assert file.transform == place["transform"] @ Affine.scale(15)
            assert file.shape == (4, 4)


@pytest.mark.parametrize(
    ("scene", "words", "message"),
    [
        ("s2.tif", ("--overlap", "1"), "overlap must be from 0 to below 1"),
        ("s2.tif", ("--tile-px", "160"), "at least one tile, 160 × 160 px, found 150 × 190 px"),
        ("missing.tif", (), "cannot read .*missing.tif"),
        ("s2.tif", ("--s1", "missing.tif"), "cannot read missing.tif"),
        ("s2.tif", ("--s2-bands", "B02,B03"), "expected 10 names, .* found 2: B02, B03"),
        ("s2.tif", ("--s2-bands", "B02,B03,B04,B05,B06,B07,B08,B8A,B11,B09"), "add B12"),
    ],
)
def test_an_error_is_one_line_and_writes_nothing(folder, tmp_path, capsys, scene, words, message):
    assert embed(folder, folder / scene, tmp_path / "f.tif", *words) == 1
    line = one_line(capsys.readouterr().err)
    assert re.search(message, line), line
    assert list(tmp_path.iterdir()) == []


def test_another_ending_of_the_output_is_one_line(folder, tmp_path, capsys):
    assert embed(folder, folder / "s2.tif", tmp_path / "f.parquet") == 1
    assert "--out must end in .tif, found" in one_line(capsys.readouterr().err)


def test_a_sensor_that_the_model_does_not_encode_is_one_line(folder, tmp_path, capsys):
    export(folder / "model", out=tmp_path / "model", sensor="s1")
    assert embed(tmp_path, folder / "s2.tif", tmp_path / "f.tif") == 1
    assert "expected bands of s1, which tiny encodes, found bands of s2" in one_line(
        capsys.readouterr().err
    )
    assert embed(tmp_path, folder / "s1.tif", tmp_path / "f.tif") == 0


@pytest.mark.parametrize(
    "words", [("--overlap", "0.5"), ("--s1", "a.tif"), ("--tile-px", "60"), ("--s1-bands", "vv")]
)
def test_options_of_scenes_do_not_go_with_shards(folder, tmp_path, capsys, words):
    assert embed(folder, folder / "shards", tmp_path / "e.parquet", *words) == 2
    assert "works with a scene only" in capsys.readouterr().err


def test_neighbours_do_not_go_with_a_scene(folder, tmp_path, capsys):
    words = (folder / "s2.tif", tmp_path / "f.tif", "--neighbours", tmp_path / "n.png")
    assert embed(folder, *words) == 2
    assert "--neighbours works with shards only" in capsys.readouterr().err
