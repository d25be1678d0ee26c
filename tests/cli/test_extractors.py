"""Every command that takes a checkpoint takes any feature extractor, with the same outputs."""

import json
import signal
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import rasterio
import torch
from error_lines import one_line
from geotiff_maker import tiff
from minortom_cli.console import run
from minortom_cli.model.app import app
from model_folders import write_model
from rasterio.warp import transform
from training_shards import learnable_shards

import minortom.shards
from csmoe_model.extractors.load import load_extractor
from csmoe_model.inference.embed import embed
from csmoe_model.inference.export_encoder import export
from csmoe_model.inference.fit_on_shards import fitted_on
from minortom.errors import InputError
from minortom.sensors import MODEL_BANDS
from minortom.shards.shard_set import ShardSet

KINDS = {
    "model": ("s2", "s1", "both"),
    "s1": ("s1",),
    "band-statistics": ("both",),
    "random-convolutions": ("both",),
    "e.extractor": ("both",),
}
"""Each extractor, with the names of its vectors of a patch of shards."""
WITHOUT_FIT = [kind for kind in KINDS if kind != "random-convolutions"]


@pytest.fixture(scope="module", autouse=True)
def quick():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # fastest for these sizes
    former = signal.getsignal(signal.SIGTERM)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("csmoe_model.extractors.random_convolutions.NUM_FILTERS", 4)
        patch.setattr("csmoe_model.probing.probe.NUM_DRAWS", 20)
        patch.setattr("csmoe_model.retrieval.directions.NUM_DRAWS", 20)
        patch.setattr("csmoe_model.probing.heads.STRENGTHS", (1e-2, 1.0))
        yield
    signal.signal(signal.SIGTERM, former)
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Shards, a model, its Sentinel-1 encoder, fitted filters, and a scene of both sensors."""
    folder = tmp_path_factory.mktemp("extractors")
    learnable_shards(folder / "shards", train=16, val=8, test=8, apart_deg=5)
    write_model(folder / "model", ShardSet.open(folder / "shards"), seed=7)
    export(folder / "model", out=folder / "s1", sensor="s1")
    embed("random-convolutions", folder / "shards", out=folder / "e.parquet")
    rng = np.random.default_rng(0)
    (folder / "images").mkdir()
    tiff(folder / "images" / "a.tif", rng.uniform(-20, -8, (2, 25, 20)), names=("VV", "VH"))
    tiff(folder / "images" / "b.tif", rng.uniform(-20, -8, (2, 30, 30)), names=("VV", "VH"))
    tiff(folder / "scene.tif", rng.uniform(-20, -8, (2, 40, 50)), names=("VV", "VH"))
    (folder / "points.csv").write_text("lat,lon\n45.1,3.0\n")
    return folder


@pytest.fixture
def csmoe(folder, monkeypatch, capsys):
    """Return a function that runs a command in the folder and returns what `--json` prints."""
    monkeypatch.chdir(folder)

    def command(*words):
        assert run(app, [str(word) for word in (*words, "--json")]) == 0
        return json.loads(capsys.readouterr().out)

    return command


def vectors_of(path):
    """Return the vectors of a GeoParquet file by their name, [n, D]."""
    table = pq.read_table(path)
    vectors = np.stack(table["vector"].to_numpy())
    sensors = table["sensor"].to_numpy(zero_copy_only=False)
    return {name: vectors[sensors == name] for name in dict.fromkeys(sensors.tolist())}


@pytest.mark.parametrize("kind", KINDS)
def test_info_prints_the_cost_of_each_vector(csmoe, kind):
    rows = csmoe("info", kind)
    extractor = load_extractor(kind)
    for row in rows:
        sensors = extractor.sensors if row["sensor"] == "both" else (row["sensor"],)
        side = (row["image_size"], row["image_size"])
        cost = extractor.cost_of(dict.fromkeys(sensors, side))
        assert (row["parameters"], row["multiply_adds"]) == (cost.parameters, cost.multiply_adds)
        assert (row["extractor"], row["sha256"]) == (extractor.name, extractor.sha256)
        assert row["bands"] == [band for sensor in sensors for band in MODEL_BANDS[sensor]]
    assert rows[-1]["width"] == extractor.width
    assert [row["sensor"] for row in rows] == (["s1"] if kind == "s1" else ["s2", "s1", "both"])


@pytest.mark.parametrize("kind", KINDS)
def test_a_probe_compares_with_every_baseline_but_itself(csmoe, kind, tmp_path):
    words = ["--data", "shards", "--root", "shards", "--seeds", 2, "--out", tmp_path / "out"]
    found = csmoe("probe", kind, *words)
    others = {
        "band-statistics": ["random convolutions"],
        "random-convolutions": ["band statistics"], "e.extractor": ["band statistics"],
    }.get(kind, ["band statistics", "random convolutions", "untrained model"])  # fmt: skip
    names = list(dict.fromkeys(row["features"] for row in found["rows"]))
    assert names == ["model", *others]
    assert {gap["minus"] for gap in found["differences"]} == set(others)
    extractor = load_extractor(kind)
    sensors = extractor.sensors
    cost = extractor.cost_of(dict.fromkeys(sensors, (16, 16))).as_dict()
    row = found["rows"][0]
    assert {name: row[name] for name in cost} == cost
    assert row["width"] == extractor.width_of(sensors)
    # Filters are fitted once for each seed; those that are stored have none.
    runs = 2 if kind == "random-convolutions" else 1
    assert len(row["per_seed"]["macro_f1"]) == runs
    compared = csmoe("compare", tmp_path / "out", "--out", tmp_path / "compared")
    assert compared["checkpoints"][0]["weights_sha256"] == extractor.sha256
    first = compared["rows"][0]
    assert (first["features"], first["parameters"]) == ("model", cost["parameters"])


@pytest.mark.parametrize("kind", KINDS)
def test_retrieve_scores_the_directions_that_the_extractor_allows(csmoe, kind, tmp_path):
    words = ["--data", "shards", "--root", "shards", "--seeds", 1, "--k", 2]
    found = csmoe("retrieve", kind, *words, "--out", tmp_path / "out")
    row = found["rows"][0]
    across = None if kind in ("band-statistics", "random-convolutions", "e.extractor") else 0
    assert row["features"] == "model"
    for direction, scores in row["directions"].items():
        one, other = direction.split("_to_")
        assert (scores is None) == (one != other and across is None)
    assert row["directions"]["s1_to_s1"]["f1"]["value"] > 0
    assert row["parameters"] == load_extractor(kind).cost.parameters


@pytest.mark.parametrize("kind", KINDS)
def test_embed_writes_the_vectors_of_shards(csmoe, folder, kind, tmp_path):
    found = csmoe("embed", kind, "shards", "--out", tmp_path / "e.parquet")
    vectors = vectors_of(tmp_path / "e.parquet")
    assert (found["patches"], tuple(vectors)) == (32, KINDS[kind])
    assert {array.shape for array in vectors.values()} == {(32, found["width"])}
    assert found["width"] == load_extractor(kind).width
    wanted = pq.read_schema(folder / "e.parquet").names
    assert pq.read_schema(tmp_path / "e.parquet").names == wanted
    stored = tmp_path / "e.extractor"
    assert stored.is_dir() == (kind == "random-convolutions")
    again = csmoe("embed", kind, "shards", "--out", tmp_path / "e.parquet")
    assert again["status"] == "up to date"


def test_vectors_of_shards_are_those_of_their_images(csmoe, folder, tmp_path):
    """A fitted filter gives the same vectors beside the shards and from the folder."""
    csmoe("embed", "band-statistics", "shards", "--out", tmp_path / "e.parquet")
    found = vectors_of(tmp_path / "e.parquet")["both"]
    sample = minortom.shards.open(folder / "shards")[3]
    means = [sample[c][n].mean() for c, n in (("s2_10m", 0), ("s2_20m", 0), ("s1", 1))]
    wanted = [means[0], means[1], means[2] / 100]
    np.testing.assert_allclose(found[3, [0, 3, 41]], wanted, rtol=1e-5)
    csmoe("embed", "e.extractor", "shards", "--out", tmp_path / "f.parquet")
    filtered = vectors_of(tmp_path / "f.parquet")["both"]
    np.testing.assert_array_equal(filtered, vectors_of(folder / "e.parquet")["both"])


@pytest.mark.parametrize("kind", WITHOUT_FIT)
def test_embed_writes_the_vectors_of_images_and_the_map_of_a_scene(csmoe, kind, tmp_path):
    found = csmoe("embed", kind, "images", "--out", tmp_path / "e.parquet")
    vectors = vectors_of(tmp_path / "e.parquet")
    extractor = load_extractor(kind)
    assert list(vectors) == ["s1"]
    assert vectors["s1"].shape == (2, found["width"]) == (2, extractor.width_of(("s1",)))
    with rasterio.open("images/a.tif") as file:
        pixels = file.read()[None]
    alone = extractor({"s1": pixels})[0].numpy()
    np.testing.assert_allclose(vectors["s1"][0], alone, rtol=1e-4, atol=1e-4)
    found = csmoe("embed", kind, "scene.tif", "--tile-px", 16, "--out", tmp_path / "f.tif")
    with rasterio.open(tmp_path / "f.tif") as file, rasterio.open("scene.tif") as scene:
        values, tile = file.read(), scene.read()[None, :, :16, :16]
        token_px = 16 / extractor.tile_tokens
        assert file.transform.a == scene.transform.a * token_px
        assert (file.height, file.width) == (40 // token_px, 50 // token_px)
        assert file.count == found["width"] == extractor.width_of(("s1",))
        overlap = json.loads(file.tags()["minortom"])["options"]["overlap"]
        assert overlap == (0.5 if extractor.tile_tokens > 1 else 0)
    assert np.isfinite(values).all()
    if extractor.tile_tokens == 1:
        wanted = extractor({"s1": tile})[0].numpy()
        np.testing.assert_allclose(values[:, 0, 0], wanted, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kind", WITHOUT_FIT)
def test_embed_writes_the_vector_of_the_patch_around_a_point(csmoe, kind, tmp_path):
    with rasterio.open("scene.tif") as scene:
        lon, lat = transform(scene.crs, "EPSG:4326", *([degrees] for degrees in scene.xy(20, 25)))
        patch = scene.read()[None, :, 12:28, 17:33]
    (tmp_path / "p.csv").write_text(f"lat,lon\n{lat[0]},{lon[0]}\n")
    words = ["--points", tmp_path / "p.csv", "--scene", "scene.tif", "--tile-px", 16]
    found = csmoe("embed", kind, *words, "--out", tmp_path / "p.parquet")
    wanted = load_extractor(kind)({"s1": patch}).numpy()
    vectors = vectors_of(tmp_path / "p.parquet")
    np.testing.assert_allclose(vectors["s1"], wanted, rtol=1e-4, atol=1e-4)
    assert found["width"] == wanted.shape[1]


@pytest.mark.parametrize("kind", WITHOUT_FIT)
def test_search_finds_the_patch_whose_image_is_the_query(csmoe, folder, kind, tmp_path):
    csmoe("embed", kind, "shards", "--out", tmp_path / "e.parquet")
    sample = minortom.shards.open(folder / "shards")[5]
    wide = np.repeat(np.repeat(sample["s2_20m"], 2, axis=1), 2, axis=2)
    names = ("B02", "B03", "B04", "B08", "B05", "B06", "B07", "B8A", "B11", "B12")
    tiff(tmp_path / "s2.tif", np.concatenate([sample["s2_10m"], wide]), names=names)
    tiff(tmp_path / "s1.tif", sample["s1"] / np.float32(100), names=("vv", "vh"))
    sensor = "s1" if kind == "s1" else "both"
    query = ["--image", tmp_path / "s2.tif", "--image", tmp_path / "s1.tif"]
    if kind == "s1":
        query = ["--image", tmp_path / "s1.tif"]
    found = csmoe(
        "search", tmp_path / "e.parquet", "--shards", "shards", *query, "--checkpoint", kind,
        "--sensor", sensor, "--k", 3, "--html", tmp_path / "s.html",
    )  # fmt: skip
    first = found["hits"][0]
    assert first["cosine"] == pytest.approx(1, abs=1e-3)
    place = ("grid_cell", "patch_row", "patch_col")
    assert [first[name] for name in place] == [sample[name] for name in place]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["embed", "random-convolutions", "images/a.tif"], "must be fitted on training images"),
        (
            ["embed", "band-statistics", "mixed"],
            "has 8 features of mixed/s1.tif, found 40 of mixed/s2.tif; embed",
        ),
        (["embed", "s1", "s2.tif"], "bands of s1, which tiny encodes, found bands of s2 in"),
        (
            ["embed", "band-statistics", "--tile-px", "10", "--overlap", "0.5", "scene.tif"],
            "--overlap needs tiles of several tokens, found band-statistics",
        ),
        (["embed", "odd", "shards"], "random-convolutions, specialist in odd, found odd"),
        (
            [
                "probe",
                "band-statistics",
                "--data",
                "shards",
                "--root",
                "shards",
                "--pooling",
                "mean",
            ],
            "--pooling mean needs a model with patch tokens, found band-statistics",
        ),
        (["info", "odd"], "found odd; install a newer version"),
        (
            ["inspect", "e.extractor", "shards", "--out", "page.html"],
            "found an extractor of the kind random",
        ),
    ],
)
def test_what_an_extractor_cannot_do_is_one_line(
    folder, monkeypatch, tmp_path, capsys, words, message
):
    monkeypatch.chdir(folder)
    (folder / "odd").mkdir(exist_ok=True)
    (folder / "odd" / "config.json").write_text('{"kind": "odd"}')
    (folder / "mixed").mkdir(exist_ok=True)
    rng = np.random.default_rng(0)
    tiff(folder / "s2.tif", rng.uniform(1, 4000, (10, 20, 20)), names=MODEL_BANDS["s2"])
    tiff(folder / "mixed" / "s2.tif", rng.uniform(1, 4000, (10, 20, 20)), names=MODEL_BANDS["s2"])
    tiff(folder / "mixed" / "s1.tif", rng.uniform(-20, -8, (2, 20, 20)), names=("VV", "VH"))
    suffix = ".tif" if "tif" in words[-1] else ".parquet"
    out = [] if words[0] in ("info", "inspect") else ["--out", tmp_path / f"out{suffix}"]
    assert run(app, [str(word) for word in (*words, *out)]) == 1
    assert message in one_line(capsys.readouterr().err)
    assert list(tmp_path.iterdir()) == []


def test_a_checkpoint_and_a_recipe_are_wrong_usage(folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    assert run(app, ["info", "model", "--recipe", "tiny"]) == 2
    assert "--recipe works without a checkpoint, found model" in capsys.readouterr().err


def test_filters_need_patches_of_the_split_train():
    data = SimpleNamespace(
        folder="shards", metadata=lambda names: pa.table({name: ["val", "test"] for name in names})
    )
    with pytest.raises(InputError, match="fitted on the split train, found no patch of it in sha"):
        fitted_on(load_extractor("random-convolutions"), data)
