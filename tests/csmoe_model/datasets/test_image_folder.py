"""A user's folder with `labels.csv`: content and errors."""

import numpy as np
import pytest
from geotiff_maker import tiff

from csmoe_model.datasets.image_folder import open_image_folder
from minortom.errors import InputError
from minortom.scenes.image_reader import ImageReader

NAMES = ("vv", "vh")


def read(files):
    """Stand-in for a reader of GeoTIFFs."""
    found = {"s1": (NAMES, np.load(files.get("file") or files["s1"]))}
    if "s2" in files:
        found["s2"] = (("B02",), np.load(files["s2"]))
    return found


def folder(tmp_path, lines, *, header="file,label,split", sides=None):
    """Images 0.npy, 1.npy… whose pixels are their number, and the lines given."""
    for number in range(len(lines)):
        side = (sides or {}).get(number, 4)
        np.save(tmp_path / f"{number}.npy", np.full((2, side, side), number, np.float32))
    (tmp_path / "labels.csv").write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")
    return tmp_path


def test_lines_give_labels_splits_and_images(tmp_path):
    root = folder(tmp_path, ["0.npy,water,test", "1.npy,crops,train", "2.npy,water,train"])
    data = open_image_folder(root, read)
    assert (data.task, data.classes) == ("multiclass", ("crops", "water"))
    assert data.split("train").labels.tolist() == [0, 1]
    images = data.split("train").images(np.array([1, 0]))["s1"]
    assert images[:, 0, 0, 0].tolist() == [2, 1]
    assert data.bands == {"s1": NAMES}
    assert data.settings == {"split_by": "labels.csv"}


def test_semicolons_make_the_set_multilabel(tmp_path):
    root = folder(tmp_path, ["0.npy,water;crops,train", "1.npy, crops ,train"])
    data = open_image_folder(root, read)
    assert data.task == "multilabel"
    assert data.split("train").labels.tolist() == [[True, True], [True, False]]


def test_two_files_make_one_image(tmp_path):
    lines = ["1.npy,0.npy,water,train", "2.npy,0.npy,crops,train", "0.npy,2.npy,crops,train"]
    root = folder(tmp_path, lines, header="s2,s1,label,split")
    data = open_image_folder(root, read)
    images = data.split("train").images(np.array([0]))
    assert (images["s2"][0, 0, 0, 0], images["s1"][0, 0, 0, 0]) == (1, 0)
    assert set(data.bands) == {"s2", "s1"}


@pytest.mark.parametrize(
    ("header", "lines"),
    [
        ("file,label,split", ["0.npy,water,train", "0.npy,crops,train"]),
        ("file,label,split", ["0.npy,water,train", "0.npy,water,test"]),
        ("s2,s1,label,split", ["0.npy,1.npy,water,train", "2.npy,1.npy,water,test", ",,"]),
        ("s2,s1,label", ["0.npy,1.npy,water", "2.npy,1.npy,water", ",,"]),
    ],
)
def test_a_file_is_not_in_two_splits_and_no_image_is_listed_twice(tmp_path, header, lines):
    root = folder(tmp_path, lines, header=header)
    (root / "labels.csv").write_text("\n".join([header, *lines[:2]]))
    with pytest.raises(
        InputError, match="line 3 of .*: each image must have one line, found .* in line 2"
    ):
        open_image_folder(root, read)


def test_a_group_is_not_in_two_splits(tmp_path):
    lines = ["0.npy,water,train,a", "1.npy,water,test,a"]
    root = folder(tmp_path, lines, header="file,label,split,group")
    with pytest.raises(
        InputError, match="line 3 .*: .* found group a in test and, in line 2, in train"
    ):
        open_image_folder(root, read)


def test_an_image_without_a_group_is_a_group_of_its_own(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        np.save(tmp_path / name / "1.npy", np.zeros((2, 4, 4), np.float32))
    lines = ["a/1.npy,water,train,", "b/1.npy,crops,train,"]
    data = open_image_folder(folder(tmp_path, lines, header="file,label,split,group"), read)
    assert len(set(data.split("train").groups)) == 2


def test_a_byte_order_mark_crlf_quotes_spaces_and_repeated_labels_are_accepted(tmp_path):
    root = folder(tmp_path, [",,"] * 2)
    text = '\ufefffile, label ,split\r\n"0.npy","<b>water, deep</b>",train\r\n1.npy,a;a,train\r\n'
    (root / "labels.csv").write_bytes(text.encode())
    data = open_image_folder(root, read)
    assert (data.task, data.classes) == ("multiclass", ("<b>water, deep</b>", "a"))


def test_groups_are_what_the_file_says(tmp_path):
    lines = ["0.npy,water,train,a", "1.npy,water,train,b"]
    data = open_image_folder(folder(tmp_path, lines, header="file,label,split,group"), read)
    assert data.split("train").groups.tolist() == ["a", "b"]
    data = open_image_folder(folder(tmp_path, ["0.npy,water,train"]), read)
    assert data.split("train").groups is None


def test_without_splits_each_class_has_the_same_shares_and_groups_stay_whole(tmp_path):
    kinds = ["water"] * 20 + ["crops"] * 40
    lines = [f"{n}.npy,{kind},{kind}{n // 2}" for n, kind in enumerate(kinds)]
    root = folder(tmp_path, lines, header="file,label,group")
    data = open_image_folder(root, read, seed=1)
    counts = {name: np.bincount(split.labels).tolist() for name, split in data.splits.items()}
    assert counts == {"train": [24, 12], "val": [6, 4], "test": [10, 4]}
    groups = [set(split.groups) for split in data.splits.values()]
    assert len(set.union(*groups)) == sum(map(len, groups)) == 30
    other = open_image_folder(root, read, seed=2)
    assert set(other.split("test").groups) != set(data.split("test").groups)
    again = open_image_folder(root, read, seed=1)
    assert again.split("test").groups.tolist() == data.split("test").groups.tolist()


def test_the_hash_depends_on_every_pixel_and_label(tmp_path):
    root = folder(tmp_path, ["0.npy,water,train", "1.npy,crops,train"])
    first = open_image_folder(root, read).sha256
    assert open_image_folder(root, read).sha256 == first
    np.save(root / "1.npy", np.zeros((2, 4, 4), np.float32))
    second = open_image_folder(root, read).sha256
    root = folder(tmp_path, ["0.npy,water,train", "1.npy,water,train"])
    assert len({first, second, open_image_folder(root, read).sha256}) == 3


@pytest.mark.parametrize(
    ("header", "line", "message"),
    [
        (
            "file,label,split",
            "0.npy,,train",
            "line 2 of .* must have a label for 0.npy, found none",
        ),
        ("file,label,split", "9.npy,water,train", "line 2 of .*: the file .*9.npy does not exist"),
        ("file,label,split", ",water,train", "line 2 of .* must name a file, found none"),
        (
            "file,label,split",
            "0.npy,water,dev",
            "split must be one of train, val, test, found 'dev'",
        ),
        (
            "name,label",
            "0.npy,water",
            r"columns file \(or s2, s1\) and label, .* found name, label",
        ),
        ("file,kind", "0.npy,water", "must have the columns file .* found file, kind"),
    ],
)
def test_an_invalid_line_is_a_one_line_error(tmp_path, header, line, message):
    with pytest.raises(InputError, match=message):
        open_image_folder(folder(tmp_path, [line], header=header), read)


def test_a_folder_without_labels_or_lines_is_a_one_line_error(tmp_path):
    with pytest.raises(InputError, match=r"must contain labels.csv, with the columns file"):
        open_image_folder(tmp_path, read)
    with pytest.raises(
        InputError, match="labels.csv must have a line for each image, found no lines"
    ):
        open_image_folder(folder(tmp_path, []), read)
    (tmp_path / "labels.csv").write_bytes(b"file,label\n\xff\xfe,\n")
    with pytest.raises(InputError, match="does not exist; correct the path"):
        open_image_folder(tmp_path, read)


def test_images_with_different_sizes_are_a_one_line_error(tmp_path):
    root = folder(tmp_path, ["0.npy,water,train", "1.npy,crops,train"], sides={1: 5})
    data = open_image_folder(root, read)
    with pytest.raises(
        InputError, match="found the s1 bands vv vh in 5 × 5 pixels in .*1.npy and .* in 4 × 4"
    ):
        data.split("train").images(np.array([0, 1]))


@pytest.mark.parametrize(
    ("header", "train", "val", "separator"),
    [
        ("file,label,split", "train", "val", ","),
        ("filename,class,Split", "Train", "validation", ","),
        ("File;Label;Split", "TRAIN", "valid", ";"),
        ("image_path\tcategory\tsplit", "training", "Val", "\t"),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_labels_are_read_as_people_write_them(tmp_path, header, train, val, separator, encoding):
    (tmp_path / "a").mkdir()
    root = folder(tmp_path, [",,"] * 3)
    for number in range(3):
        (root / f"{number}.npy").rename(root / "a" / f"{number}.npy")
    rows = [
        separator.join(cells)
        for cells in (("a\\0.npy", "Grünland", train), ("a/1.npy", "Meer", train),
                      ("a\\2.npy", "Meer", val))
    ]  # fmt: skip
    text = "\r\n".join([header, *rows]) + "\r\n"
    (root / "labels.csv").write_bytes(text.encode(encoding))
    data = open_image_folder(root, read)
    assert data.classes == ("Grünland", "Meer")
    assert data.split("train").labels.tolist() == [0, 1]
    assert data.split("val").images(np.array([0]))["s1"][0, 0, 0, 0] == 2


def test_validation_images_are_drawn_from_train_where_there_are_none(tmp_path, caplog):
    lines = [f"{n}.npy,{'ab'[n % 2]},{'train' if n < 20 else 'test'},g{n // 2}" for n in range(24)]
    root = folder(tmp_path, lines, header="file,label,split,group")
    data = open_image_folder(root, read, seed=1)
    assert {name: len(split) for name, split in data.splits.items()} == {
        "train": 16, "val": 4, "test": 4,
    }  # fmt: skip
    assert not set(data.split("train").groups) & set(data.split("val").groups)
    data.report()
    assert "drew 4 of 20 from its training images" in caplog.text
    assert data.settings == {
        "split_by": "labels.csv, val drawn from train", "val_share": 0.2, "split_seed": 1,
    }  # fmt: skip
    again = open_image_folder(root, read, seed=1)
    assert again.split("val").groups.tolist() == data.split("val").groups.tolist()


def tiffs(root, names):
    for number, name in enumerate(names):
        tiff(root / name, np.full((2, 4, 4), -number - 1.0), names=("VV", "VH"))
    return root


def test_folders_of_classes_are_labels(tmp_path):
    names = [f"{kind}/{n}.tif" for kind in ("crops", "water") for n in range(20)]
    data = open_image_folder(tiffs(tmp_path / "set", names), ImageReader(), seed=0)
    assert data.classes == ("crops", "water")
    assert {name: np.bincount(split.labels).tolist() for name, split in data.splits.items()} == {
        "train": [12, 12], "val": [3, 3], "test": [5, 5],
    }  # fmt: skip
    first = data.sha256
    (tmp_path / "set/crops/0.tif").rename(tmp_path / "set/water/00.tif")
    assert open_image_folder(tmp_path / "set", ImageReader()).sha256 != first


def test_folders_of_splits_have_folders_of_classes(tmp_path):
    names = [
        f"{s}/{k}/{n}.tif" for s in ("Test", "train", "Validation") for k in "ab" for n in "01"
    ]
    data = open_image_folder(tiffs(tmp_path / "set", names), ImageReader())
    assert {name: split.labels.tolist() for name, split in data.splits.items()} == {
        name: [0, 0, 1, 1] for name in ("train", "val", "test")
    }
    assert data.settings == {"split_by": "folders"}
    images = data.split("val").images(np.array([3]))["s1"]
    assert images[0, 0, 0, 0] == -12
    tiffs(tmp_path / "other", ["train/1.tif"])
    with pytest.raises(InputError, match="folder of images for each class in .*folders train"):
        open_image_folder(tmp_path / "other", ImageReader())


def test_bands_may_have_other_spellings_and_places_in_other_images(tmp_path):
    pixels = np.stack([np.full((4, 4), -1.0), np.full((4, 4), -2.0)])
    tiff(tmp_path / "0.tif", pixels, names=("VV", "VH"))
    tiff(tmp_path / "1.tif", pixels[::-1], names=("Gamma0_VH_db", "Gamma0_VV_db"))
    (tmp_path / "labels.csv").write_text("file,label,split\n0.tif,a,train\n1.tif,b,train\n")
    data = open_image_folder(tmp_path, ImageReader())
    images = data.split("train").images(np.array([0, 1]))["s1"]
    np.testing.assert_array_equal(images[0], images[1])
