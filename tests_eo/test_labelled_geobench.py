"""The six sets of GEO-Bench v1 in their HDF5 format: pixels and labels as written."""

import json
import shutil

import numpy as np
import pytest
import terratorch.datasets
from set_makers import S1_KEYS, S2_KEYS, write_geobench_sample, write_partition
from terratorch.datasets import HLSBands

from csmoe_model.data.bands import channels
from csmoe_model.datasets.geobench import open_geobench, pickled_label
from csmoe_model.datasets.geobench_metadata import METADATA
from minortom.errors import InputError

# TerraTorch's, in the data set of m-cashew-plant.
pytestmark = pytest.mark.filterwarnings("ignore:Timestamp.dayofyear is deprecated")

NAMES = {"train": ["a", "b", "c"], "valid": ["d", "e"], "test": ["f"]}
EVERY = [name for names in NAMES.values() for name in names]
L2A = tuple(key for key in S2_KEYS if "Cirrus" not in key)
BAND_NAMES = {
    "m-bigearthnet": L2A, "m-brick-kiln": S2_KEYS, "m-eurosat": S2_KEYS,
    "m-so2sat": (*S1_KEYS, *S2_KEYS[1:9], *S2_KEYS[11:]),
    "m-cashew-plant": (*L2A, "Cloud Probability"), "m-SA-crop-type": (*L2A, "Cloud Probability"),
}  # fmt: skip
SCALE = {"m-so2sat": 1e-3}


def pixels_of(name, n):
    """Band b of image n is 10 · b + n, plus 1 in its second row; of m-so2sat a thousandth."""
    keys = BAND_NAMES[name]
    pixels = np.zeros((len(keys), 16, 16)) + n + 10 * np.arange(len(keys))[:, None, None]
    pixels[:, 1] += 1
    stored = pixels * SCALE.get(name, 1)
    return stored.astype(np.uint8 if name == "m-SA-crop-type" else np.float32)


def mask_of(n):
    mask = np.zeros((16, 16), np.uint8)
    mask[n, :] = 1 + n
    return mask


def write_set(root, name):
    folder = root / name
    write_partition(folder, NAMES)
    for n, sample in enumerate(EVERY):
        segmented = METADATA[name].task == "segmentation"
        write_geobench_sample(
            folder / f"{sample}.hdf5", BAND_NAMES[name], pixels_of(name, n),
            label=n % 2 if name in ("m-so2sat", "m-brick-kiln") else None,
            mask=mask_of(n) if segmented else None,
            date="_2019-11-05" if name == "m-cashew-plant" else "",
        )  # fmt: skip
    if name == "m-bigearthnet":
        labels = {sample: np.eye(43, dtype=int)[n].tolist() for n, sample in enumerate(EVERY)}
        (folder / "label_stats.json").write_text(json.dumps(labels))
    if name == "m-eurosat":
        (folder / "label_map.json").write_text(
            json.dumps({"Forest": EVERY[1::2], "River": EVERY[::2]})
        )
    return root


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp("geobench")
    for name in METADATA:
        write_set(root, name)
    return root


@pytest.mark.parametrize("name", METADATA)
def test_pixels_are_those_of_terratorchs_data_set_in_the_models_order(root, name):
    """Its own positions of bands, by its own names for them, against ours by the files' names."""
    data = open_geobench(root, name)
    keeper = getattr(terratorch.datasets, METADATA[name].dataset_class)
    wanted = [band for band in keeper.all_band_names if isinstance(
        HLSBands.try_convert_to_hls_bands_enum(band), HLSBands)]  # fmt: skip
    wanted = [wanted[number] for number in channels("s2", wanted)]
    theirs = keeper(str(root), split="val", bands=wanted)
    found = data.split("val").images(np.array([1]))["s2"][0]

    assert found.shape == (10, 16, 16) and found.dtype == np.float32
    if name in ("m-so2sat", "m-brick-kiln"):  # theirs unpickles each sample
        pixels = dict(zip(BAND_NAMES[name], pixels_of(name, 4), strict=True))
        stored = np.stack([pixels[key] for key in (*S2_KEYS[1:9], *S2_KEYS[11:])])
    else:
        stored = theirs[1]["image"].numpy()
    np.testing.assert_allclose(found, stored * METADATA[name].s2_scale, rtol=1e-5)


def test_the_blue_band_of_the_first_image_is_that_written(root):
    first = np.array([0])
    blue = {
        name: open_geobench(root, name).split("train").images(first)["s2"][0, 0, :2, 0]
        for name in METADATA
    }
    for name in ("m-bigearthnet", "m-brick-kiln", "m-eurosat", "m-cashew-plant"):
        assert blue[name].tolist() == [10, 11]
    # The ninth key; a thousandth of it is the reflectance.
    np.testing.assert_allclose(blue["m-so2sat"], [800, 810], rtol=1e-5)
    np.testing.assert_allclose(blue["m-SA-crop-type"], [10 / 0.0255, 11 / 0.0255], rtol=1e-5)


def test_the_filtered_power_of_so2sat_is_converted_to_decibels(root):
    data = open_geobench(root, "m-so2sat")
    assert data.sensors == ("s2", "s1")
    found = data.split("train").images(np.array([0]))["s1"][0, :, 0, 0]
    # VV is the sixth key, 0.05; VH the fifth, 0.04.
    np.testing.assert_allclose(found, [10 * np.log10(0.05), 10 * np.log10(0.04)], rtol=1e-5)


@pytest.mark.parametrize("name", METADATA)
def test_labels_and_splits_are_those_of_the_set(root, name):
    data = open_geobench(root, name)
    assert [len(data.split(split)) for split in ("train", "val", "test")] == [3, 2, 1]
    labels = data.split("val").labels  # of images 3 and 4
    if data.task == "multilabel":
        assert np.argwhere(labels).tolist() == [[0, 3], [1, 4]]
        assert data.classes[3] == "Road and rail networks and associated land"
    elif data.task == "segmentation":
        np.testing.assert_array_equal(labels, np.stack([mask_of(3), mask_of(4)]))
    else:
        assert labels.tolist() == [1, 0] or (name == "m-eurosat" and labels.tolist() == [0, 1])


@pytest.mark.parametrize("name", ["m-bigearthnet", "m-eurosat", "m-cashew-plant"])
def test_labels_are_terratorchs(root, name):
    theirs = getattr(terratorch.datasets, METADATA[name].dataset_class)(str(root), split="val")
    labels = open_geobench(root, name).split("val").labels
    key = "mask" if name == "m-cashew-plant" else "label"
    for n in range(2):
        np.testing.assert_array_equal(labels[n], np.asarray(theirs[n][key]))


def test_class_counts_are_those_of_the_paper(root):
    counts = {name: len(open_geobench(root, name).classes) for name in METADATA}
    del counts["m-eurosat"]  # told by its own file
    assert counts == {
        "m-bigearthnet": 43, "m-brick-kiln": 2, "m-so2sat": 17, "m-cashew-plant": 7,
        "m-SA-crop-type": 10,
    }  # fmt: skip


def test_a_label_is_read_and_nothing_is_unpickled(root, tmp_path):
    """The files' other objects would end this process if they were made."""
    data = open_geobench(root, "m-brick-kiln")
    assert data.split("train").labels.tolist() == [0, 1, 0]
    with pytest.raises(SystemExit, match="unpickled"):
        terratorch.datasets.MBrickKilnNonGeo(str(root))[0]
    with pytest.raises(InputError, match="must contain one label"):
        pickled_label("b'not a pickle'", tmp_path)


@pytest.mark.parametrize("name", METADATA)
def test_a_missing_set_is_an_error_with_its_download_address(tmp_path, name):
    with pytest.raises(
        InputError, match=rf"{name} needs {name}/.* in .*_v1\.0/{name}\.zip from https://"
    ):
        open_geobench(tmp_path, name)


def test_a_missing_or_damaged_sample_is_a_one_line_error(root, tmp_path):
    copy = tmp_path / "m-eurosat"
    shutil.copytree(root / "m-eurosat", copy)
    (copy / "a.hdf5").write_bytes(b"not HDF5")
    data = open_geobench(tmp_path, "m-eurosat")
    with pytest.raises(InputError, match=r"cannot read .*a\.hdf5"):
        data.split("train").images(np.array([0]))
    (copy / "a.hdf5").unlink()
    with pytest.raises(InputError, match=r"a\.hdf5 is in the index of the set but does not exist"):
        open_geobench(tmp_path, "m-eurosat")


def test_a_missing_band_is_named(root, tmp_path):
    shutil.copytree(root / "m-eurosat", tmp_path / "m-eurosat")
    keys = tuple(key for key in S2_KEYS if key != "08 - NIR")
    write_geobench_sample(tmp_path / "m-eurosat" / "a.hdf5", keys, np.zeros((12, 16, 16)))
    data = open_geobench(tmp_path, "m-eurosat")
    with pytest.raises(InputError, match=r"must have one image named '08 - NIR' for B08, found 0"):
        data.split("train").images(np.array([0]))
