"""Options of `minortom export` for the patches of a tile, as a user types them."""

import json

import numpy as np
import pytest
from archive_maker import (
    CELLS,
    NORTH_M,
    WEST_M,
    geotiff,
    s1_geotiffs,
    s1_pixels,
    s2_geotiffs,
    s2_pixels,
    write_archive,
    write_selection,
)
from minortom_cli.console import run
from minortom_cli.curate.app import app

from minortom.dataset.verify import verify
from minortom.shards.shard_set import ShardSet

PRODUCT = "S2A_MSIL2A_20200101T000000_N0213_R001"


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    """Two tiles of 48 px: the first has gaps and cloud, the radar of the second is shifted."""
    folder = tmp_path_factory.mktemp("inputs")
    first, second = s2_pixels(), s2_pixels(seed=1)
    first["B02"][0, 0] = 0
    cloud = np.zeros((48, 48), np.uint8)
    cloud[36:, 36:] = 1
    masks = [{"cloud_mask": geotiff(cloud)}, {"cloud_mask": geotiff(cloud * 0)}]
    s2 = [
        {"grid_cell": cell, "product_id": PRODUCT, "bands": s2_geotiffs(pixels) | mask}
        for cell, pixels, mask in zip(CELLS, (first, second), masks, strict=False)
    ]
    wide = {name: np.pad(band, 4, mode="edge") for name, band in s1_pixels(seed=1).items()}
    radar = [s1_geotiffs(s1_pixels()), s1_geotiffs(wide, west_m=WEST_M - 37, north_m=NORTH_M + 41)]
    s1 = [
        {"grid_cell": cell, "product_id": "S1A_IW", "bands": bands}
        for cell, bands in zip(CELLS, radar, strict=False)
    ]
    write_archive(folder / "s2", s2)
    write_archive(folder / "s1", s1)
    write_selection(folder / "selection.parquet", CELLS[:2], split=["train", "train"])
    return folder


@pytest.fixture
def export(inputs, tmp_path, capsys):
    """Export to ``tmp_path``; returns the printed result and the shards."""

    def call(*options):
        arguments = [inputs / "selection.parquet", "--s2", inputs / "s2", "--s1", inputs / "s1",
                     "--out", tmp_path / "shards", "--patch-size", 12, "--workers", 1, "--json",
                     *options]  # fmt: skip
        assert run(app, ["export", *map(str, arguments)]) == 0
        assert verify(tmp_path / "shards", deep=True).problems == ()
        return json.loads(capsys.readouterr().out), ShardSet.open(tmp_path / "shards")

    return call


def radar_of(shards):
    batch = shards.buffers(len(shards))
    for sample in range(len(shards)):
        shards.read_into(sample, batch, sample)
    return batch["s1"]


def metadata(shards, column):
    return shards.metadata([column])[column].to_numpy()


def test_without_options_a_gap_drops_its_patch_and_nothing_is_filled(export):
    told, shards = export()
    assert (told["patches"], told["patches_dropped"], told["patches_filled"]) == (31, 1, 0)
    assert (told["patches_cloudy"], told["tiles_warped"]) == (0, 1)
    assert not metadata(shards, "s2_invalid").any()


def test_gaps_may_be_filled(export):
    told, shards = export("--max-invalid", "1")
    assert (told["patches"], told["patches_dropped"], told["patches_filled"]) == (32, 0, 1)
    # One of the 4 × 144 + 6 × 36 values of a patch of Sentinel-2.
    assert sorted(metadata(shards, "s2_invalid"))[-2:] == [0, pytest.approx(1 / 792, rel=1e-6)]
    batch = shards.buffers(1)
    for sample in range(len(shards)):
        shards.read_into(sample, batch, 0)
        assert (batch["s2_10m"] > 0).all()


def test_cloud_may_be_left_out(export):
    told, _ = export("--max-cloud", "99")
    assert (told["patches"], told["patches_cloudy"]) == (30, 1)


def test_a_stride_and_an_origin_place_the_patches(export):
    told, shards = export("--stride", "6", "--origin", "topleft", "--max-invalid", "1")
    assert told["patches"] == 2 * 7 * 7
    assert metadata(shards, "patch_row").max() == 6
    west_m = metadata(shards, "ulx_m")
    assert sorted(set(west_m - west_m.min())) == [60 * n for n in range(7)]


def test_only_some_bands_are_read_and_stored(export):
    told, shards = export("--bands", "vh, B03,B11")
    assert shards.spec.bands == ("B03", "B11", "vh")
    assert told["patches_dropped"] == 0  # the gap is in B02


def test_radar_is_interpolated_with_resampling_bilinear(export):
    _, shards = export()
    nearest, cells = radar_of(shards), metadata(shards, "grid_cell")
    _, shards = export("--resampling", "bilinear", "--overwrite")
    differs = (nearest != radar_of(shards)).any(axis=(1, 2, 3))
    assert cells[differs].tolist() == [CELLS[1]] * 16


def test_tiles_of_another_grid_may_be_refused(export):
    told, shards = export("--strict-grid")
    assert list(told["tiles_unreadable"]) == [CELLS[1]]
    assert set(metadata(shards, "grid_cell")) == {CELLS[0]}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--bands", "B02,B99,vv"], "found B99"),
        (["--bands", "B02,,vv"], "bands must be among B02, B03, B04"),
        (["--bands", "B02"], "none of s1"),
        (
            ["--patch-size", "1002"],
            "must be at most 1000 px, the side of a cell, found 1002",
        ),
        (["--stride", "7"], "--stride must be an even number of at least 2 px"),
        (["--max-invalid", "100"], "expected --max-invalid of 0 to below 100 percent, found 100"),
        (["--max-cloud", "-1"], "--max-cloud must be a percentage from 0 to 100, found -1"),
    ],
)
def test_a_bad_option_is_one_line(inputs, tmp_path, capsys, options, message):
    arguments = [inputs / "selection.parquet", "--s2", inputs / "s2", "--s1", inputs / "s1",
                 "--out", tmp_path / "shards", *options]  # fmt: skip
    assert run(app, ["export", *map(str, arguments)]) == 1
    [line] = [line for line in capsys.readouterr().err.splitlines() if line.strip()]
    assert line.startswith("error: ")
    assert message in line
    assert list(tmp_path.iterdir()) == []


def test_an_archive_without_a_cloud_mask_says_so(inputs, tmp_path, capsys):
    tiles = [{"grid_cell": CELLS[0], "product_id": PRODUCT, "bands": s2_geotiffs(s2_pixels())}]
    write_archive(tmp_path / "bare", tiles)
    write_selection(tmp_path / "one.parquet", CELLS[:1], split=["train"])
    arguments = [tmp_path / "one.parquet", "--s2", tmp_path / "bare", "--s1", inputs / "s1",
                 "--out", tmp_path / "shards", "--patch-size", 12, "--max-cloud", 10]  # fmt: skip
    assert run(app, ["export", *map(str, arguments)]) == 1
    assert "cloud_mask" in capsys.readouterr().err
