"""Every command that takes a checkpoint takes any feature extractor, with the same outputs."""

import json

import numpy as np
import pyarrow.parquet as pq
import pytest
import rasterio
from geotiff_maker import tiff
from rasterio.warp import transform

import minortom.shards
from csmoe_model.extractors.load import load_extractor
from minortom.sensors import MODEL_BANDS

pytest_plugins = ["extractor_fixtures"]
pytestmark = pytest.mark.usefixtures("quick_extractors")

KINDS = {
    "model": ("s2", "s1", "both"),
    "s1": ("s1",),
    "band-statistics": ("both",),
    "random-convolutions": ("both",),
    "e.extractor": ("both",),
}
"""Each extractor, with the names of its vectors of a patch of shards."""
WITHOUT_FIT = [kind for kind in KINDS if kind != "random-convolutions"]


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
    has_tokens = kind in ("model", "s1")
    assert found["settings"]["pooling"] == ("cls" if has_tokens else None)
    assert ("cls pooling" in (tmp_path / "out" / "table.md").read_text()) == has_tokens
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
    has_tokens = kind in ("model", "s1")
    assert ("cls pooling" in (tmp_path / "out" / "table.md").read_text()) == has_tokens
    row = found["rows"][0]
    across = None if kind in ("band-statistics", "random-convolutions", "e.extractor") else 0
    assert row["features"] == "model"
    for direction, scores in row["directions"].items():
        one, other = direction.split("_to_")
        assert (scores is None) == (one != other and across is None)
    assert row["directions"]["s1_to_s1"]["f1"]["value"] > 0
    assert row["parameters"] == load_extractor(kind).cost.parameters


@pytest.mark.parametrize("kind", KINDS)
def test_embed_writes_the_vectors_of_shards(csmoe, extractor_folder, kind, tmp_path):
    found = csmoe("embed", kind, "shards", "--out", tmp_path / "e.parquet")
    vectors = vectors_of(tmp_path / "e.parquet")
    assert (found["patches"], tuple(vectors)) == (32, KINDS[kind])
    assert {array.shape for array in vectors.values()} == {(32, found["width"])}
    assert found["width"] == load_extractor(kind).width
    wanted = pq.read_schema(extractor_folder / "e.parquet").names
    assert pq.read_schema(tmp_path / "e.parquet").names == wanted
    stored = tmp_path / "e.extractor"
    assert stored.is_dir() == (kind == "random-convolutions")
    again = csmoe("embed", kind, "shards", "--out", tmp_path / "e.parquet")
    assert again["status"] == "up to date"


def test_vectors_of_shards_are_those_of_their_images(csmoe, extractor_folder, tmp_path):
    """A fitted filter gives the same vectors beside the shards and from the folder."""
    csmoe("embed", "band-statistics", "shards", "--out", tmp_path / "e.parquet")
    found = vectors_of(tmp_path / "e.parquet")["both"]
    sample = minortom.shards.open(extractor_folder / "shards")[3]
    means = [sample[c][n].mean() for c, n in (("s2_10m", 0), ("s2_20m", 0), ("s1", 1))]
    wanted = [means[0], means[1], means[2] / 100]
    np.testing.assert_allclose(found[3, [0, 3, 41]], wanted, rtol=1e-5)
    csmoe("embed", "e.extractor", "shards", "--out", tmp_path / "f.parquet")
    filtered = vectors_of(tmp_path / "f.parquet")["both"]
    np.testing.assert_array_equal(filtered, vectors_of(extractor_folder / "e.parquet")["both"])


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
def test_search_finds_the_patch_whose_image_is_the_query(csmoe, extractor_folder, kind, tmp_path):
    csmoe("embed", kind, "shards", "--out", tmp_path / "e.parquet")
    sample = minortom.shards.open(extractor_folder / "shards")[5]
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
