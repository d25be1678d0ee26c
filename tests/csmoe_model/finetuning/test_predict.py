"""`csmoe_model.predict`: classes of shards, images and scenes, computed again by hand."""

import json

import numpy as np
import pyarrow.parquet as pq
import pytest
import rasterio
import shapely
import torch
from affine import Affine
from geotiff_maker import UTM, tiff
from model_folders import write_fine_tuned, write_model
from safetensors.torch import load_file
from scene_fixtures import MadeScene
from training_shards import MODEL, learnable_shards

import csmoe_model
from csmoe_model.csmoe import CSMoE
from csmoe_model.data.preprocess import physical_images
from csmoe_model.finetuning.classifier import load_classifier
from csmoe_model.finetuning.head_files import HeadRecord, load_network
from csmoe_model.finetuning.predict_scenes import TileClassifier, class_codes
from csmoe_model.finetuning.predict_tables import _class_columns
from csmoe_model.inference.scene_encoder import SceneEncoder
from csmoe_model.inference.scene_features import feature_rows
from csmoe_model.inference.tile_grid import TileGrid
from minortom.errors import InputError, UsageError
from minortom.scenes.class_raster import colours_of, nodata_of
from minortom.sensors import MODEL_BANDS
from minortom.shards.shard_set import ShardSet

CLASSES = ("forest", "ice", "water")
SCORES = [f"score_{name}" for name in CLASSES]
TOKEN_PX = 30  # of 120 px in 4 tokens


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Write checkpoints with heads, shards, and scenes of both sensors on the same pixels."""
    folder = tmp_path_factory.mktemp("predict")
    learnable_shards(folder / "shards", train=6, val=3)
    shards = ShardSet.open(folder / "shards")
    write_model(folder / "headless", shards)
    write_fine_tuned(folder / "s2", shards)
    write_fine_tuned(folder / "both", shards, sensors=("s2", "s1"))
    write_fine_tuned(folder / "cls", shards, pooling="cls")
    write_fine_tuned(folder / "labels", shards, task="multilabel")
    rng = np.random.default_rng(0)
    s2 = rng.uniform(1500, 4000, (10, 150, 190)) + 2000 * (np.arange(190) > 95)
    tiff(folder / "s2.tif", s2, names=MODEL_BANDS["s2"])
    tiff(folder / "s1.tif", rng.uniform(-20, -8, (2, 150, 190)), names=("VV", "VH"))
    return folder


def scores_by_hand(checkpoint, **images):
    """Return probabilities of normalised images from the [CLS] and patch tokens and the head."""
    model, head = CSMoE.from_pretrained(checkpoint), load_file(checkpoint / "head.safetensors")
    with torch.inference_mode():
        found = model.encode(**images, patch_tokens=True)
        parts = []
        for sensor in images:
            parts += [found[sensor], found[f"{sensor}_tokens"].mean(1)]
        logits = torch.cat(parts, 1) @ head["weight"].T + head["bias"]
    return logits.softmax(1).numpy()


@pytest.mark.parametrize("name", ["s2", "both"])
def test_each_patch_of_shards_gets_the_probabilities_of_its_tokens(folder, tmp_path, name):
    found = csmoe_model.predict(folder / name, folder / "shards", out=tmp_path / "p.parquet")
    table = pq.read_table(found.out)
    data = ShardSet.open(folder / "shards")
    model = CSMoE.from_pretrained(folder / name)
    buffers = data.buffers(len(data))
    data.read_rows(list(range(len(data))), buffers, 0)
    images = physical_images({key: torch.from_numpy(value) for key, value in buffers.items()})
    sensors = ("s2", "s1") if name == "both" else ("s2",)
    wanted = scores_by_hand(folder / name, **model.prepare(**{s: images[s] for s in sensors}))

    scores = np.stack([table[column].to_numpy() for column in SCORES], axis=1)
    np.testing.assert_allclose(scores, wanted, atol=1e-5)
    assert table["class"].to_pylist() == [CLASSES[k] for k in wanted.argmax(1)]
    assert table["grid_cell"].equals(data.metadata(["grid_cell"])["grid_cell"])
    assert (found.images, found.classes) == (9, CLASSES)
    again = csmoe_model.predict(folder / name, folder / "shards", out=tmp_path / "p.parquet")
    assert (found.status, again.status) == ("written", "up to date")


def test_each_image_gets_a_class_and_its_outline(folder, tmp_path):
    images = tmp_path / "images"
    images.mkdir()
    rng = np.random.default_rng(1)
    pixels = {name: rng.uniform(1000, 4000, (10, 16, 16)).astype(np.float32) for name in "ab"}
    order = np.arange(10)[::-1]  # bands are found by their names
    names = [MODEL_BANDS["s2"][n] for n in order]
    for name, values in pixels.items():
        tiff(images / f"{name}.tif", values[order], names=names)
    table = pq.read_table(
        csmoe_model.predict(folder / "s2", images, out=tmp_path / "p.parquet").out
    )

    model = CSMoE.from_pretrained(folder / "s2")
    wanted = scores_by_hand(folder / "s2", **model.prepare(s2=np.stack([*pixels.values()])))
    assert table["file"].to_pylist() == ["a.tif", "b.tif"]
    scores = np.stack([table[column].to_numpy() for column in SCORES], axis=1)
    np.testing.assert_allclose(scores, wanted, atol=1e-5)
    assert table["class"].to_pylist() == [CLASSES[k] for k in wanted.argmax(1)]
    outline = shapely.from_wkb(table["geometry"][0].as_py())
    assert outline.contains(shapely.Point(table["lon"][0].as_py(), table["lat"][0].as_py()))


def test_several_labels_are_a_list_of_the_probable_ones():
    head = HeadRecord(task="multilabel", classes=CLASSES, sensors=("s2",), pooling="cls")
    scores = np.array([[0.6, 0.4, 0.9], [0.1, 0.2, 0.3]], np.float32)
    columns = _class_columns(head, scores)
    assert columns["class"].to_pylist() == [["forest", "water"], []]
    assert columns["score_ice"].to_pylist() == pytest.approx([0.4, 0.2])


def read(path):
    with rasterio.open(path) as file:
        return file, file.read()


def test_a_map_of_classes_lies_on_the_features_of_the_same_scene(folder, tmp_path):
    found = csmoe_model.predict(folder / "s2", folder / "s2.tif", out=tmp_path / "c.tif")
    csmoe_model.embed(folder / "s2", folder / "s2.tif", out=tmp_path / "f.tif")
    (classes, codes), (features, _) = read(tmp_path / "c.tif"), read(tmp_path / "f.tif")

    assert classes.transform == features.transform == UTM @ Affine.scale(TOKEN_PX)
    assert (classes.crs, classes.shape) == (features.crs, features.shape)
    assert (found.rows, found.columns, found.pixel_px, found.tiles) == (5, 6, 30.0, 4)
    assert (codes.dtype, classes.nodata) == (np.uint8, 255)
    assert set(np.unique(codes)) == {0, 2}  # as the dark and the bright half differ
    with rasterio.open(tmp_path / "c.tif") as file:
        assert [file.tags(1)[f"class_{code}"] for code in range(3)] == list(CLASSES)
        assert file.colormap(1)[1] == colours_of(3)[1]
        assert file.colormap(1)[255][3] == 0
        assert json.loads(file.tags()["minortom"])["command"] == "predict"


@pytest.mark.parametrize("name", ["s2", "both"])
def test_the_mean_over_the_patches_of_a_tile_is_the_logit_of_its_image(folder, name):
    network, _ = load_network(folder / name, CSMoE.from_pretrained(folder / name))
    torch.manual_seed(0)
    images = {"s2": torch.randn(2, 10, 16, 16), "s1": torch.randn(2, 2, 16, 16)}
    with torch.inference_mode():
        patches = network.patch_logits(images)
        torch.testing.assert_close(patches.mean(1), network(images))
    assert patches.std(1).min() > 0.01


def test_without_patch_tokens_all_patches_of_a_tile_have_its_class(folder):
    network, _ = load_network(folder / "cls", CSMoE.from_pretrained(folder / "cls"))
    images = {"s2": torch.randn(2, 10, 16, 16)}
    with torch.inference_mode():
        wanted = network(images)[:, None].expand(-1, 16, -1)
        torch.testing.assert_close(network.patch_logits(images), wanted)


def test_pixels_that_were_not_measured_have_no_class(folder, tmp_path):
    with rasterio.open(folder / "s2.tif") as file:
        pixels = file.read()
    pixels[:, :60, :30] = 0  # two tokens of the first column
    tiff(tmp_path / "gap.tif", pixels, names=MODEL_BANDS["s2"], nodata=0)
    csmoe_model.predict(folder / "s2", tmp_path / "gap.tif", out=tmp_path / "c.tif")
    _, codes = read(tmp_path / "c.tif")
    assert np.argwhere(codes[0] == 255).tolist() == [[0, 0], [1, 0]]


def test_several_labels_of_a_scene_are_bands_of_probabilities(folder, tmp_path):
    csmoe_model.predict(folder / "labels", folder / "s2.tif", out=tmp_path / "c.tif")
    with rasterio.open(tmp_path / "c.tif") as file:
        scores = file.read()
        assert list(file.descriptions) == SCORES
    assert scores.min() >= 0 and scores.max() <= 1
    assert not np.allclose(scores.sum(0), 1)


def test_scenes_of_both_sensors_and_folders_of_scenes_are_mapped(folder, tmp_path):
    found = csmoe_model.predict(
        folder / "both", folder / "s2.tif", s1=folder / "s1.tif", out=tmp_path / "c.tif"
    )
    assert found.status == "written"
    more = tiff(tmp_path / "other.tif", read(folder / "s2.tif")[1], names=MODEL_BANDS["s2"])
    scenes = csmoe_model.predict(
        folder / "s2", [folder / "s2.tif", more], out=tmp_path / "maps", overlap=0.0
    )
    assert [scene.out.name for scene in scenes.scenes] == ["s2.tif", "other.tif"]
    assert np.array_equal(read(tmp_path / "maps/s2.tif")[1], read(tmp_path / "maps/other.tif")[1])


def jump(map_RKD, edges):
    """Return the mean step across some token borders, relative to that across all others."""
    step_K = np.abs(np.diff(map_RKD, axis=1)).mean((0, 2))
    is_edge = np.isin(np.arange(len(step_K)) + 1, edges)
    return step_K[is_edge].mean() / step_K[~is_edge].mean()


def test_borders_of_tiles_show_no_more_than_in_features(folder):
    classifier = load_classifier(folder / "s2")
    rng = np.random.default_rng(4)
    scene = MadeScene({"s2": rng.uniform(1500, 4000, (10, 120, 1800)).astype(np.float32)})
    grid = TileGrid(
        height_px=120, width_px=1800, tile_px=120, tile_tokens=MODEL.grid_size, overlap=0.5
    )
    channels = {"s2": list(range(10))}

    def rows(encode, width):
        return np.concatenate(
            list(feature_rows(scene, grid, encode, channels=channels, width=width))
        )

    scores = rows(TileClassifier(classifier=classifier, tile_px=120), 3)
    features = rows(SceneEncoder(model=classifier.network.encoder), MODEL.width)
    np.testing.assert_allclose(scores.sum(-1), 1, atol=1e-5)
    assert jump(scores, grid.lefts) < max(1.0, 1.1 * jump(features, grid.lefts))


def test_codes_are_the_most_probable_class_and_no_data_where_unknown():
    scores = np.array([[[0.2, 0.5, 0.3], [np.nan] * 3]], np.float32)
    assert class_codes(scores).tolist() == [[1, 255]]
    many = class_codes(np.zeros((1, 1, 300), np.float32))
    assert (many.dtype, nodata_of(300)) == (np.uint16, 65535)
    assert len({colour[:3] for colour in colours_of(30).values()}) == 31


@pytest.mark.parametrize(
    ("checkpoint", "source", "out", "options", "message"),
    [
        ("headless", "s2.tif", "c.tif", {}, "found no head.json in .*csmoe finetune"),
        ("both", "s2.tif", "c.tif", {}, "bands of s2 and s1, .* found bands of s2 .*add them"),
        ("s2", "s1.tif", "c.tif", {}, "expected bands of s2, .* found bands of s1"),
        ("s2", "s2.tif", "c.png", {}, "--out must end in .tif"),
        ("s2", "shards", "c.tif", {}, "suffix .parquet for the classes of patches, .*c.tif"),
        ("s2", "shards", "p.parquet", {"overlap": 0.5}, "--overlap works with a scene only"),
        ("none", "shards", "p.parquet", {}, "does not exist"),
    ],
)
def test_bad_input_is_one_line_and_writes_nothing(
    folder, tmp_path, checkpoint, source, out, options, message
):
    with pytest.raises((InputError, UsageError), match=message) as caught:
        csmoe_model.predict(folder / checkpoint, folder / source, out=tmp_path / out, **options)
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []
