"""Embeddings of shards: vectors, rows and metadata of the GeoParquet file."""

import json
import subprocess
import sys

import geopandas
import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from geoparquet_checks import failures
from model_folders import write_model
from stored_vectors import stored_vectors
from training_shards import learnable_shards

from csmoe_model.data.normalise import Normalise
from csmoe_model.extractors.checkpoint import load_model
from csmoe_model.inference import embed_shards
from csmoe_model.inference.embed import embed
from csmoe_model.inference.embed_shards import encode_shards
from minortom.errors import InputError, OutputExistsError
from minortom.shards.shard_set import ShardSet


def test_a_source_that_is_no_path_is_one_line(tmp_path):
    with pytest.raises(InputError, match="source must be a path .*, or a sequence of these, found"):
        embed("model", 5, out=tmp_path / "e.parquet")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Shards of 14 patches and an untrained model."""
    folder = tmp_path_factory.mktemp("embed")
    learnable_shards(folder / "shards", train=9, val=3, test=2)
    write_model(folder / "model", ShardSet.open(folder / "shards"))
    return folder


@pytest.fixture(scope="module")
def embedded(folder):
    embed(folder / "model", folder / "shards", out=folder / "e.parquet")
    return folder / "e.parquet"


def test_geopandas_reads_three_rows_for_each_patch_at_its_position(folder, embedded):
    found = geopandas.read_parquet(embedded)
    assert found["sensor"].tolist() == ["s2", "s1", "both"] * 14
    wanted = ShardSet.open(folder / "shards").metadata(["grid_cell", "split", "lat", "lon"])
    patches = found[found["sensor"] == "s1"]
    for name in wanted.column_names:
        assert patches[name].tolist() == wanted[name].to_pylist()
    assert found.crs.to_epsg() in (4326, None)
    np.testing.assert_array_equal(found.geometry.x, found["lon"])
    np.testing.assert_array_equal(found.geometry.y, found["lat"])
    assert failures(embedded) == []


def test_a_vector_is_the_cls_token_of_that_patch_alone(folder, embedded):
    shards = ShardSet.open(folder / "shards")
    trained = load_model(folder / "model", device=torch.device("cpu"))
    buffers = shards.buffers(1)
    for number in (0, 8, 13):
        shards.read_into(number, buffers, 0)
        images = trained.normalise({c: torch.from_numpy(a) for c, a in buffers.items()})
        with torch.no_grad():
            for sensor in ("s2", "s1"):
                wanted = trained.model.encode(**{sensor: images[sensor]})[sensor][0].numpy()
                found = stored_vectors(embedded, sensor)[number]
                np.testing.assert_allclose(found, wanted, atol=1e-5)


def test_both_is_the_mean_of_the_two(embedded):
    s2, s1, both = (stored_vectors(embedded, name) for name in ("s2", "s1", "both"))
    np.testing.assert_allclose(both, (s2 + s1) / 2, atol=1e-6)
    assert both.shape == (14, 32)


def test_images_are_normalised_with_the_statistics_of_the_training_data(folder, tmp_path):
    brighter = learnable_shards(tmp_path / "shards", train=3, val=11)
    trained = load_model(folder / "model", device=torch.device("cpu"))
    data = ShardSet.open(brighter)
    assert data.statistics != ShardSet.open(folder / "shards").statistics
    buffers = data.buffers(1)
    data.read_into(0, buffers, 0)
    statistics = ShardSet.open(folder / "shards").statistics
    images = Normalise(statistics, image_size=16)(
        {column: torch.from_numpy(array) for column, array in buffers.items()}
    )
    with torch.no_grad():
        wanted = trained.model.encode(s2=images["s2"])["s2"][0].numpy()
    samples, vectors = next(encode_shards(trained, data))
    assert samples[0] == 0
    np.testing.assert_allclose(vectors["s2"][0], wanted, atol=1e-5)


def test_progress_ends_at_all_patches(folder):
    calls = []
    trained = load_model(folder / "model", device=torch.device("cpu"))
    data = ShardSet.open(folder / "shards")
    for _ in encode_shards(trained, data, on_progress=lambda *now: calls.append(now)):
        pass
    assert calls[-1] == (14, 14)


def test_vectors_are_written_while_they_are_computed(folder, embedded, tmp_path, monkeypatch):
    """Several small row groups hold the same rows as one large group, in the same order."""
    monkeypatch.setattr(embed_shards, "_BATCH_SIZE", 3)
    monkeypatch.setattr(embed_shards, "_PATCHES_A_GROUP", 5)
    embed(folder / "model", folder / "shards", out=tmp_path / "e.parquet")
    found, wanted = pq.ParquetFile(tmp_path / "e.parquet"), pq.read_table(embedded)
    # Batches of 2, 3, 3, 3 and 3 patches are gathered to 5, 6 and 3; three rows a patch.
    assert [found.metadata.row_group(g).num_rows for g in range(3)] == [15, 18, 9]
    assert found.read().drop_columns("vector").equals(wanted.drop_columns("vector"))
    for sensor in ("s2", "s1", "both"):
        vectors = stored_vectors(tmp_path / "e.parquet", sensor)
        np.testing.assert_allclose(vectors, stored_vectors(embedded, sensor), atol=1e-5)


def test_the_picture_shows_the_nearest_patches_of_a_file_in_another_order(folder, tmp_path):
    out, sorted_out = tmp_path / "e.parquet", tmp_path / "sorted" / "e.parquet"
    embed(folder / "model", folder / "shards", out=out, neighbours=tmp_path / "n.png")
    sorted_out.parent.mkdir()
    pq.write_table(pq.read_table(out)[::-1], sorted_out)
    embed(folder / "model", folder / "shards", out=sorted_out, neighbours=tmp_path / "s.png")
    assert (tmp_path / "s.png").read_bytes() == (tmp_path / "n.png").read_bytes()


def test_a_file_with_removed_rows_is_made_again(folder, tmp_path):
    out = tmp_path / "e.parquet"
    embed(folder / "model", folder / "shards", out=out)
    written = out.read_bytes()
    pq.write_table(pq.read_table(out)[3:], out)
    assert embed(folder / "model", folder / "shards", out=out).status == "written"
    assert out.read_bytes() == written


def test_the_file_is_up_to_date_until_weights_or_shards_change(folder, tmp_path):
    out = tmp_path / "e.parquet"
    first = embed(folder / "model", folder / "shards", out=out)
    assert (first.status, first.patches, first.width) == ("written", 14, 32)
    written = out.read_bytes()
    assert embed(folder / "model", folder / "shards", out=out).status == "up to date"

    write_model(tmp_path / "other", ShardSet.open(folder / "shards"), seed=1)
    with pytest.raises(OutputExistsError, match="--overwrite"):
        embed(tmp_path / "other", folder / "shards", out=out)
    assert out.read_bytes() == written
    embed(tmp_path / "other", folder / "shards", out=out, overwrite=True)
    assert out.read_bytes() != written
    embed(folder / "model", folder / "shards", out=out, overwrite=True, workers=3)
    assert out.read_bytes() == written
    assert json.loads((tmp_path / "e.parquet.run.json").read_text())["finished"]


def test_vectors_inherit_the_licences_of_the_weights_and_of_the_patches(embedded):
    record = json.loads(pq.read_schema(embedded).metadata[b"minortom"])
    assert record["licences"] == ["of the training data", "of these patches"]


def test_embedding_shards_loads_no_rasterio(folder, tmp_path):
    code = (
        "import sys, csmoe_model\n"
        f"csmoe_model.embed({str(folder / 'model')!r}, {str(folder / 'shards')!r}, "
        f"out={str(tmp_path / 'e.parquet')!r})\n"
        "print([m for m in ('rasterio', 'shapely', 'geopandas') if m in sys.modules])"
    )
    command = [sys.executable, "-c", code]
    found = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert found.strip() == "[]"


def test_paths_are_strings_too_and_another_type_is_one_line(folder, tmp_path):
    words = (str(folder / "model"), str(folder / "shards"))
    result = embed(*words, out=str(tmp_path / "e.parquet"))
    assert str(result).splitlines()[0].split() == ["status", "written"]
    with pytest.raises(InputError, match="workers must be a whole number of at least 1, found '2'"):
        embed(*words, out=tmp_path / "e.parquet", workers="2")
    with pytest.raises(InputError, match=r"out must be a path \(str or Path\), found 3"):
        embed(*words, out=3)


def test_a_name_that_is_not_read_as_parquet_is_refused(folder, tmp_path):
    with pytest.raises(InputError, match=r"suffix .parquet for the vectors of patches, .*e.csv;"):
        embed(folder / "model", folder / "shards", out=tmp_path / "e.csv")
    assert list(tmp_path.iterdir()) == []


def test_another_picture_is_refused_before_anything_is_written(folder, tmp_path):
    picture = tmp_path / "n.png"
    picture.write_text("a holiday")
    words = (folder / "model", folder / "shards")
    out = tmp_path / "e.parquet"
    with pytest.raises(
        OutputExistsError,
        match=r"n.png exists and was not made by .* another --neighbours$",
    ):
        embed(*words, out=out, neighbours=picture)
    assert not out.exists()
    assert picture.read_text() == "a holiday"
    embed(*words, out=out, neighbours=picture, overwrite=True)
    assert picture.read_bytes().startswith(b"\x89PNG")
