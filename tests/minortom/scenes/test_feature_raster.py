"""Feature rasters: their position, blocks and provenance, and that they are written atomically."""

import resource

import numpy as np
import pytest
import rasterio
from affine import Affine
from geotiff_maker import UTM, tiff

from minortom.errors import InputError
from minortom.io.provenance import Provenance
from minortom.io.up_to_date import check_raster, stored_provenance
from minortom.scenes.feature_raster import write_feature_raster
from minortom.scenes.scene import open_scene

MADE = Provenance(command="embed", options={"é": "<&>\"'"}, inputs={"scene_0": "12"})


def write(tmp_path, rows, *, transform=UTM, token_px=4.0, out="f.tif"):
    shape = sum(map(len, rows)), rows[0].shape[1]
    names = [f"s1_{n:03d}" for n in range(rows[0].shape[2])]
    scene = tiff(tmp_path / "a.tif", np.ones((1, 9, 9)), names=("VV",), transform=transform)
    with open_scene(scene) as opened:
        write_feature_raster(
            tmp_path / out, iter(rows), scene=opened, shape=shape, names=names, token_px=token_px,
            provenance=MADE,
        )  # fmt: skip
    return tmp_path / out


def values(*shape):
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


@pytest.mark.parametrize("steps", [[37], [1] * 37, [16, 16, 5], [30, 7], [3, 33, 1]])
def test_rows_are_written_at_their_place_for_any_chunking(tmp_path, steps):
    wanted = values(37, 300, 5)
    path = write(tmp_path, np.split(wanted, np.cumsum(steps)[:-1]))
    with rasterio.open(path) as file:
        np.testing.assert_array_equal(file.read(), wanted.transpose(2, 0, 1))
        assert file.descriptions == ("s1_000", "s1_001", "s1_002", "s1_003", "s1_004")


def test_blocks_hold_single_bands_and_nan_is_nodata(tmp_path):
    wanted = values(20, 300, 3)
    wanted[4, 5] = np.nan
    with rasterio.open(write(tmp_path, [wanted])) as file:
        assert file.interleaving.name == "band"
        assert file.compression.name == "deflate"
        assert set(file.block_shapes) == {(16, 256)}
        assert np.isnan(file.nodata)
        assert not file.read_masks(1)[4, 5]
        assert file.dataset_mask().sum() == 255 * (20 * 300 - 1)


@pytest.mark.parametrize("turned_deg", [0, 30])
def test_a_pixel_lies_where_its_token_lies(tmp_path, turned_deg):
    transform = UTM @ Affine.rotation(turned_deg)
    path = write(tmp_path, [values(5, 7, 2)], transform=transform, token_px=60 / 7)
    with rasterio.open(path) as file:
        assert file.crs.to_epsg() == 32631
        # The middle of token (4, 2) in pixels of the scene, and from there on the ground.
        wanted = transform @ (2.5 * 60 / 7, 4.5 * 60 / 7)
        assert file.xy(4, 2) == pytest.approx(wanted, abs=1e-6)
        assert file.index(*wanted) == (4, 2)


def test_the_record_is_in_the_file_and_read_without_gdal(tmp_path, monkeypatch):
    path = write(tmp_path, [values(5, 7, 2)])
    monkeypatch.setattr(rasterio, "open", None)
    assert stored_provenance(path) == MADE.as_dict()


def test_the_record_of_a_big_tiff_is_read_too(tmp_path):
    path = tmp_path / "big.tif"
    with rasterio.open(
        path, "w", driver="GTiff", count=1, height=1, width=1, dtype="uint8", bigtiff="yes",
        transform=UTM,
    ) as file:  # fmt: skip
        file.update_tags(minortom=MADE.to_json())
    assert path.read_bytes()[2] == 43
    assert stored_provenance(path) == MADE.as_dict()


@pytest.mark.parametrize("content", [b"", b"II*\0", b"no picture at all", b"II*\0\xff\xff\xff\xff"])
def test_a_file_that_is_not_a_tiff_has_no_record(tmp_path, content):
    (tmp_path / "a.tif").write_bytes(content)
    assert stored_provenance(tmp_path / "a.tif") is None


def test_a_tiff_of_others_has_no_record(tmp_path):
    assert stored_provenance(tiff(tmp_path / "a.tif", values(1, 3, 3), names=("VV",))) is None


def test_an_interrupt_leaves_nothing(tmp_path):
    def rows():
        yield values(20, 7, 2)
        raise KeyboardInterrupt

    scene = tiff(tmp_path / "a.tif", np.ones((1, 9, 9)), names=("VV",))
    with open_scene(scene) as opened, pytest.raises(KeyboardInterrupt):
        write_feature_raster(
            tmp_path / "f.tif", rows(), scene=opened, shape=(40, 7), names=["a", "b"], token_px=4.0,
            provenance=MADE,
        )  # fmt: skip
    assert [path.name for path in tmp_path.iterdir()] == ["a.tif"]


@pytest.mark.parametrize("free_bytes", [5_000, 90_000])
def test_a_full_disk_is_one_line_and_leaves_nothing(tmp_path, free_bytes):
    former = resource.getrlimit(resource.RLIMIT_FSIZE)
    whole = write(tmp_path, [values(32, 70, 12)])
    assert 90_000 < whole.stat().st_size < 110_000
    whole.unlink()
    resource.setrlimit(resource.RLIMIT_FSIZE, (free_bytes, former[1]))
    try:
        with pytest.raises(InputError, match=r"cannot write .*f.tif \(.+\); free disk space"):
            write(tmp_path, [values(32, 70, 12)])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, former)
    assert [path.name for path in tmp_path.iterdir()] == ["a.tif"]


def test_another_ending_is_one_line(tmp_path):
    with pytest.raises(InputError, match=r"--out must end in .tif, found .*f.parquet"):
        check_raster(tmp_path / "f.parquet")
