"""`minortom label`: the majority class of a map inside each patch."""

import json

import numpy as np
import pyarrow.parquet as pq
import pytest
import rasterio
from error_lines import one_line
from map_maker import write_map, write_tile
from minortom_cli.console import run
from minortom_cli.curate.app import app
from pyproj import Transformer
from rasterio.transform import Affine
from shard_maker import PROVENANCE, made_up_metadata, made_up_tensors, with_columns

import minortom
from minortom.dataset import patch_classes
from minortom.errors import InputError
from minortom.shards.writer import write_shards

PATCH_PX = 8
NAMES = {10: "tree_cover", 30: "grassland", 40: "cropland", 50: "built_up"}
UTM = {"crs": "EPSG:32631", "transform": Affine(10, 0, 499_000, 0, -10, 2000), "nodata": 0}
"""Position of a map of 10 m pixels around the made-up patches."""


def shards_at(folder, places, *, patch_px=PATCH_PX, epsg=32631):
    """Write one patch for each north-west corner (easting, northing), in metres."""
    to_lonlat = Transformer.from_crs(epsg, 4326, always_xy=True)
    half_m = patch_px * 5
    x_m, y_m = np.array(places, float).T
    lon, lat = to_lonlat.transform(x_m + half_m, y_m - half_m)
    metadata = with_columns(
        made_up_metadata(len(places)),
        {"ulx_m": x_m, "uly_m": y_m, "lon": lon, "lat": lat, "epsg": [epsg] * len(places)},
    )
    write_shards(
        folder, tensors=made_up_tensors(len(places), patch_px), metadata=metadata,
        provenance=PROVENANCE, rows_per_shard=100,
    )  # fmt: skip
    return folder


def labels_of(folder, source, out, **options):
    return minortom.label(folder, map=source, out=out, workers=1, **options).table.to_pylist()


@pytest.mark.parametrize("batch", [1, 3, 100])
def test_labels_are_the_counts_of_the_pixels_beneath(tmp_path, monkeypatch, batch):
    rng = np.random.default_rng(0)
    values = rng.choice([0, 10, 30, 40], (200, 200), p=[0.2, 0.3, 0.3, 0.2]).astype(np.uint8)
    source = write_map(tmp_path / "map.tif", values, **UTM)
    rows, cols = rng.integers(0, 190, (2, 12))
    # Corners that are up to 4 m off the pixels of the map: the nearest pixel counts.
    shift_m = rng.uniform(-4, 4, (2, 12))
    places = np.stack([499_000 + 10 * cols + shift_m[0], 2000 - 10 * rows + shift_m[1]], axis=1)
    monkeypatch.setattr(patch_classes, "_POINTS_AT_ONCE", batch * PATCH_PX**2)
    found = labels_of(shards_at(tmp_path / "shards", places), source, tmp_path / "l.parquet")
    for row, col, label in zip(rows, cols, found, strict=True):
        pixels = values[row : row + PATCH_PX, col : col + PATCH_PX]
        counts = {code: int((pixels == code).sum()) for code in NAMES}
        best = max(counts, key=counts.get)  # the first, thus the lowest, of equal ones
        assert label["label"] == NAMES[best]
        assert label["share"] == pytest.approx(counts[best] / sum(counts.values()))
        assert label["mapped"] == pytest.approx(sum(counts.values()) / PATCH_PX**2)


def test_patches_of_the_real_tile_have_the_shares_of_its_pixels(real_data, tmp_path):
    source = real_data / "descriptors/ESA_WorldCover_10m_2021_v200_N00E006_Map.tif"
    places = [(231_000, 26_000), (236_400, 30_100), (228_500, 18_900), (224_000, 13_000)]
    found = labels_of(
        shards_at(tmp_path / "shards", places, patch_px=120, epsg=32632), source,
        tmp_path / "l.parquet",
    )  # fmt: skip
    to_map = Transformer.from_crs(32632, 4326, always_xy=True)
    with rasterio.open(source) as file:
        for (x_m, y_m), label in zip(places, found, strict=True):
            west, north = to_map.transform(x_m, y_m)
            east, south = to_map.transform(x_m + 1200, y_m - 1200)
            window = file.window(west, south, east, north).round_offsets().round_lengths()
            pixels = file.read(1, window=window)
            counts = np.bincount(pixels[pixels > 0], minlength=256)
            assert label["label"] == NAMES[counts.argmax()]
            assert label["share"] == pytest.approx(counts.max() / counts.sum(), abs=0.01)


def test_a_tile_that_does_not_exist_is_sea(tmp_path, monkeypatch):
    write_tile(tmp_path / "tiles", "N00E003", values=np.full((300, 300), 40, np.uint8))
    monkeypatch.setattr(patch_classes, "_POINTS_AT_ONCE", PATCH_PX**2)
    # On the tile; across its western edge, at 3° east (500 km); 11 km west of it.
    places = [(600_000, 50_000), (499_960, 50_000), (489_000, 50_000)]
    shards = shards_at(tmp_path / "shards", places)
    found = minortom.label(shards, map=tmp_path / "tiles", out=tmp_path / "l.parquet", workers=1)
    table = found.table.to_pylist()
    assert [row["label"] for row in table] == ["cropland", "cropland", None]
    assert [row["share"] for row in table] == [1.0, 1.0, None]
    assert [row["mapped"] for row in table] == [1.0, 0.5, 0.0]
    assert (found.unlabelled, dict(found.classes), found.mean_share) == (1, {"cropland": 2}, 1.0)


def test_processes_give_the_same_bytes_and_a_second_run_is_up_to_date(tmp_path, capsys):
    values = np.random.default_rng(1).choice([10, 40], (200, 200)).astype(np.uint8)
    source = write_map(tmp_path / "map.tif", values, **UTM)
    shards = shards_at(tmp_path / "shards", [(499_500, 1500), (500_000, 1000)])
    words = ["label", str(shards), "--map", str(source), "--legend", "worldcover", "--json"]
    shown = []
    for out, workers in (("one", 1), ("two", 2), ("two", 2)):
        more = ["--out", str(tmp_path / f"{out}.parquet"), "--workers", str(workers)]
        assert run(app, [*words, *more]) == 0
        shown.append(json.loads(capsys.readouterr().out))
    assert [one["status"] for one in shown] == ["written", "written", "up to date"]
    assert (tmp_path / "one.parquet").read_bytes() == (tmp_path / "two.parquet").read_bytes()
    assert shown[1] | {"status": 0} == shown[2] | {"status": 0}
    record = json.loads(pq.read_schema(tmp_path / "one.parquet").metadata[b"minortom"])
    assert set(record["inputs"]) == {"shards", "map", "map legend"}
    assert record["options"] == {"legend": "worldcover"}
    assert "of these patches" in record["licences"]


@pytest.mark.parametrize(
    ("values", "options", "message"),
    [
        (
            np.full((20, 20), 10, np.uint8), {},
            "expected patches on the map .*, found 1 of 2 outside of it, the first in cell 0U_0R",
        ),
        (
            np.zeros((200, 200), np.uint8), {},
            "expected classes of worldcover in the map .*, found none in 2 patches",
        ),
        (np.full((200, 200), 10.5, np.float32), {}, "expected whole numbers, .* found 10.5"),
        (np.full((200, 200), 11, np.uint8), {}, "values of the legend worldcover .* found 11"),
        (np.full((200, 200), 10, np.uint8), {"legend": "moon"}, "moon"),
        (np.full((200, 200), 10, np.uint8), {"out": "l.csv"}, "suffix .parquet for .*l.csv;"),
        (np.full((200, 200), 10, np.uint8), {"workers": 0}, "workers must be .*found 0"),
    ],
)  # fmt: skip
def test_a_bad_input_is_one_line_and_nothing_is_written(tmp_path, values, options, message):
    source = write_map(tmp_path / "map.tif", values, **UTM)
    shards = shards_at(tmp_path / "shards", [(500_000, 1000), (499_020, 1990)])
    out = tmp_path / "out" / options.pop("out", "l.parquet")
    with pytest.raises(InputError, match=message) as caught:
        minortom.label(shards, map=source, out=out, **{"workers": 1, **options})
    assert one_line(f"error: {caught.value}\n")
    assert not out.parent.exists()
