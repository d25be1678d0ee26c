"""EuroSAT, So2Sat and BigEarthNet v2 in the formats of torchgeo: pixels and labels as written."""

import numpy as np
import pytest
from set_makers import (
    bigearthnet_patch,
    write_bigearthnet,
    write_eurosat,
    write_so2sat,
)
from torchgeo.datasets import BigEarthNetV2, EuroSAT, So2Sat

from csmoe_model.datasets.bigearthnet import open_bigearthnet
from csmoe_model.datasets.eurosat import open_eurosat
from csmoe_model.datasets.so2sat import open_so2sat
from minortom.errors import InputError
from minortom.scenes.image_reader import read_band
from minortom.sensors import MODEL_BANDS

FIRST = np.array([0])


@pytest.fixture(scope="module")
def eurosat(tmp_path_factory):
    return write_eurosat(tmp_path_factory.mktemp("eurosat"), each=2)


@pytest.fixture(scope="module")
def so2sat(tmp_path_factory):
    return write_so2sat(tmp_path_factory.mktemp("so2sat"))


@pytest.fixture(scope="module")
def bigearthnet(tmp_path_factory):
    patches = [
        bigearthnet_patch(0, "train"),
        bigearthnet_patch(1, "validation", labels=["Marine waters", "Urban fabric"]),
        bigearthnet_patch(11, "test"),
        bigearthnet_patch(12, "test", month=10),
        bigearthnet_patch(13, "test", country="Austria", month=6),
        bigearthnet_patch(14, "test", month=5),
    ]
    return write_bigearthnet(tmp_path_factory.mktemp("bigearthnet"), patches)


def test_the_bands_of_eurosat_are_in_the_order_of_the_model(eurosat):
    data = open_eurosat(eurosat)
    image = data.split("train").images(FIRST)["s2"][0]
    # As numbered in the files, where B8A is the last of 13; class 0, and the row in B02.
    assert image[:, 0, 0].tolist() == [2, 3, 4, 5, 6, 7, 8, 13, 11, 12]
    assert image[0, :3, 9].tolist() == [2, 3, 4]
    assert image.dtype == np.float32 and image.shape == (10, 64, 64)


def test_eurosats_splits_and_labels_are_torchgeos(eurosat):
    data = open_eurosat(eurosat)
    assert data.bands == {"s2": MODEL_BANDS["s2"]} and len(data.classes) == 10
    for name in ("train", "val", "test"):
        kept = EuroSAT(str(eurosat), name)
        split = data.split(name)
        assert split.labels.tolist() == [int(kept[n]["label"]) for n in range(20)]
        pixels = split.images(np.arange(20))["s2"]
        assert (pixels[:, 1, 0, 0] // 1000).tolist() == split.labels.tolist()


def test_the_units_of_so2sat_are_converted_to_those_of_the_model(so2sat):
    found = open_so2sat(so2sat).split("val").images(np.array([3]))
    # Sentinel-2 band b of pair 3 is (3 + b) / 100 of reflectance.
    np.testing.assert_allclose(found["s2"][0, :, 5, 6], 100 * (3 + np.arange(10)), rtol=1e-5)
    # VV is the sixth channel, 0.08; VH the fifth, 0.07.
    np.testing.assert_allclose(
        found["s1"][0, :, 0, 0], [10 * np.log10(0.08), 10 * np.log10(0.07)], rtol=1e-5
    )


def test_so2sats_labels_are_torchgeos(so2sat):
    data = open_so2sat(so2sat)
    kept = So2Sat(str(so2sat), split="test")
    assert data.split("test").labels.tolist() == [int(kept[n]["label"]) for n in range(len(kept))]
    assert data.classes[data.split("test").labels[16]] == "Water"


def test_bigearthnets_bands_are_named_and_coarse_ones_repeated(bigearthnet):
    data = open_bigearthnet(bigearthnet, "bigearthnet-v2", read_band)
    found = data.split("val").images(FIRST)
    # Of pair 1: B02 is the second in alphabetical order, and so on; B05 counts its columns.
    assert found["s2"][0, [0, 1, 2, 6], 0, 0].tolist() == [101, 102, 103, 107]
    assert found["s2"][0, 3, 7, :5].tolist() == [104, 104, 105, 105, 106]
    # Decibels keep their parts, and VV comes first.
    assert found["s1"][0, :, 0, 0].tolist() == [-11.75, -21.25]
    assert found["s2"].shape == (1, 10, 120, 120) and found["s1"].shape == (1, 2, 120, 120)


def test_bigearthnets_samples_are_torchgeos(bigearthnet):
    data = open_bigearthnet(bigearthnet, "bigearthnet-v2", read_band)
    for name, count in (("train", 1), ("val", 1), ("test", 4)):
        kept, split = BigEarthNetV2(str(bigearthnet), name), data.split(name)
        assert len(split) == len(kept) == count
        found = split.images(np.arange(count))
        for n in range(count):
            theirs = kept[n]
            assert split.labels[n].tolist() == theirs["label"].bool().tolist()
            # Theirs has B01, then ours up to B8A, then B09; bands of 10 m are not resampled.
            np.testing.assert_array_equal(found["s2"][n][:3], theirs["image_s2"][1:4])
            # Theirs are VH and VV, rounded to whole decibels.
            np.testing.assert_array_equal(np.rint(found["s1"][n][::-1]), theirs["image_s1"])
    assert [data.classes[k] for k in np.flatnonzero(data.split("val").labels[0])] == [
        "Urban fabric", "Marine waters",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "tests"), [("bigearthnet-v2", 4), ("benv2-14k", 1), ("benv2-243k", 3)]
)
def test_the_papers_parts_are_chosen_by_country_and_month(bigearthnet, name, tests):
    data = open_bigearthnet(bigearthnet, name, read_band)
    assert data.name == name and len(data.split("test")) == tests
    if name == "benv2-14k":
        assert data.settings["countries"] == ["Serbia"] and data.settings["months"] == [6, 7, 8]
        assert data.split("test").images(FIRST)["s2"][0, 0, 0, 0] == 201  # pair 2


def test_patches_of_the_same_twelve_kilometres_are_one_group(bigearthnet):
    data = open_bigearthnet(bigearthnet, "bigearthnet-v2", read_band)
    assert set(data.split("test").groups) == {"T34TDQ_1_0"}
    assert data.split("train").groups.tolist() == ["T34TDQ_0_0"]


@pytest.mark.parametrize(
    ("opened", "says"),
    [
        (open_eurosat, r"EuroSAT needs eurosat-train\.txt in .*; download it with `python -c"),
        (open_so2sat, r"So2Sat needs training\.h5 in .*; download training\.h5.*tum\.de"),
        (
            lambda root: open_bigearthnet(root, "benv2-14k", read_band),
            r"BigEarthNet v2 needs BigEarthNet-S2 in .*; download it with .*bigearth\.net",
        ),
    ],
)
def test_a_missing_set_is_a_one_line_error_with_download_instructions(tmp_path, opened, says):
    with pytest.raises(InputError, match=says) as error:
        opened(tmp_path)
    assert "\n" not in str(error.value)
    assert not list(tmp_path.iterdir())  # nothing was fetched


def test_a_damaged_file_is_a_one_line_error(tmp_path):
    for name in ("training.h5", "validation.h5", "testing.h5"):
        (tmp_path / name).write_bytes(b"not HDF5")
    with pytest.raises(InputError, match=r"cannot read .*training\.h5"):
        open_so2sat(tmp_path)
    for name in ("BigEarthNet-S2", "BigEarthNet-S1"):
        (tmp_path / name).mkdir()
    (tmp_path / "metadata.parquet").write_bytes(b"not Parquet")
    with pytest.raises(
        InputError, match=r"metadata\.parquet must be a Parquet file with the columns"
    ):
        open_bigearthnet(tmp_path, "bigearthnet-v2", read_band)


def test_a_class_of_eurosat_without_images_is_a_one_line_error(tmp_path):
    root = write_eurosat(tmp_path)
    listed = root / "eurosat-val.txt"
    listed.write_text("\n".join(listed.read_text().splitlines()[1:]))
    with pytest.raises(InputError, match=r"EuroSAT in .* is not complete: .*AnnualCrop"):
        open_eurosat(root)


def test_a_missing_patch_is_a_one_line_error(tmp_path):
    root = write_bigearthnet(tmp_path, [bigearthnet_patch(0, "train")])
    next(root.glob("BigEarthNet-S1/*/*/*_VV.tif")).unlink()
    data = open_bigearthnet(root, "bigearthnet-v2", read_band)
    with pytest.raises(InputError, match=r"cannot read .*_VV\.tif"):
        data.split("train").images(FIRST)


def test_the_hash_differs_between_editions_of_a_set(tmp_path):
    one, same, other = (write_eurosat(tmp_path / name) for name in ("one", "same", "other"))
    write_eurosat(other, side=32)
    one, same, other = (open_eurosat(root).sha256 for root in (one, same, other))
    assert one == same != other
