"""Checks of labelled sets before a probe is trained, and shards as a labelled set."""

from dataclasses import replace

import numpy as np
import pytest
from labelled_sets import set_of, split_of
from shard_maker import PROVENANCE, made_up_metadata, made_up_tensors, with_columns
from training_shards import LANDCOVERS, grid_of_shards, learnable_shards

from csmoe_model.datasets.base import LabelledSet, LabelledSplit, check_for_probe, class_counts
from csmoe_model.datasets.shards import APART_KM, ShardLabels, open_shards
from csmoe_model.datasets.trained_classes import with_trained_classes
from minortom.errors import InputError
from minortom.grid.sphere import km_of_chord, unit_vectors
from minortom.shards.shard_set import ShardSet
from minortom.shards.writer import write_shards


def labels(**splits):
    return set_of({name: split_of({}, values) for name, values in splits.items()})


def test_a_missing_split_is_a_one_line_error():
    with pytest.raises(
        InputError, match=r"own needs samples in its val split, found train \(4\), test"
    ):
        check_for_probe(labels(train=[0, 1, 0, 1], test=[0, 1]))


def test_a_split_with_one_class_is_a_one_line_error():
    with pytest.raises(
        InputError,
        match="at least two classes, found only water in all 3 samples of own's val split",
    ):
        check_for_probe(labels(train=[0, 1, 0, 1], val=[1, 1, 1], test=[0, 1]))


def test_a_class_with_one_training_sample_is_a_one_line_error():
    with pytest.raises(InputError, match="at least two training samples, found one for water"):
        check_for_probe(labels(train=[0, 0, 1], val=[0, 1], test=[0, 1]))


def test_a_test_class_without_training_samples_is_a_one_line_error():
    parts = {"train": [0, 1, 0, 1], "val": [0, 1], "test": [0, 2]}
    data = set_of({name: split_of({}, of) for name, of in parts.items()}, classes=("a", "b", "c"))
    with pytest.raises(
        InputError, match="test split needs training samples, found none for c in own"
    ):
        check_for_probe(data)


def test_test_patches_of_shards_without_training_patches_of_their_class_are_left_out():
    parts = {"train": [0, 1, 0, 1], "val": [0, 1, 3], "test": [2, 0, 3, 1, 2]}
    data = set_of({name: split_of({}, of) for name, of in parts.items()}, classes=tuple("abcd"))
    groups = np.array(["v", "w", "x", "y", "z"])
    read = []
    test = replace(data.split("test"), groups=groups, images=lambda some: read.append(some) or {})
    shards = replace(data, name="shards", splits={**data.splits, "test": test})

    found = with_trained_classes(shards)

    check_for_probe(found)
    assert found.split("test").labels.tolist() == [0, 1]
    assert found.split("test").groups.tolist() == ["w", "y"]
    found.split("test").images(np.array([1]))
    assert read[0].tolist() == [3]
    assert found.split("val").labels.tolist() == [0, 1, 3]
    assert found.settings["untrained"] == 3
    assert found.notes == ("left out 3 test patches of c, d: no training patch has it",)
    assert with_trained_classes(found) is found
    assert with_trained_classes(data) is data  # a set of the user's own
    lone = replace(shards, splits={**data.splits, "test": test.take(np.array([0, 2]))})
    with pytest.raises(InputError, match="training patches, found none for c, d; give --split-by"):
        with_trained_classes(lone)


def test_a_multilabel_split_without_labels_is_a_one_line_error():
    none = np.zeros((3, 2), bool)
    data = set_of(
        {name: split_of({}, none) for name in ("train", "val", "test")}, task="multilabel"
    )
    with pytest.raises(InputError, match="needs labels, found none in own's train split"):
        check_for_probe(data)


def test_classes_are_counted_in_samples_or_pixels():
    several = np.array([[True, True], [True, False]])
    data = set_of({"train": split_of({}, several)}, task="multilabel")
    assert class_counts(data, "train").tolist() == [2, 1]
    masks = np.array([[[0, 1], [1, -1]]])
    data = set_of({"train": split_of({}, masks)}, task="segmentation")
    assert class_counts(data, "train").tolist() == [1, 2]


@pytest.fixture(scope="module")
def apart(tmp_path_factory):
    out = tmp_path_factory.mktemp("labelled") / "shards"
    return learnable_shards(out, train=8, val=8, test=12, apart_deg=5)


def test_shards_keep_their_splits_labels_and_cells(apart):
    data = open_shards(apart, ShardLabels())
    assert data.classes == tuple(sorted(LANDCOVERS))
    assert {name: len(split) for name, split in data.splits.items()} == {
        "train": 8, "val": 8, "test": 12,
    }  # fmt: skip
    test = data.split("test")
    assert [data.classes[k] for k in test.labels[:4]] == list(LANDCOVERS)
    assert len(set(test.groups)) == 3
    assert data.licences == ("of these patches",)


def test_images_are_the_stored_values_in_physical_units_at_10_m(apart):
    found = open_shards(apart, ShardLabels()).split("val").images(np.array([5, 0]))
    shards = ShardSet.open(apart)
    buffers = shards.buffers(2)
    for row, sample in enumerate((13, 8)):
        shards.read_into(sample, buffers, row)
    np.testing.assert_array_equal(found["s2"][:, 0], buffers["s2_10m"][:, 0])  # B02
    np.testing.assert_array_equal(found["s2"][:, 6], buffers["s2_10m"][:, 3])  # B08
    np.testing.assert_array_equal(found["s2"][:, 3, ::2, 1::2], buffers["s2_20m"][:, 0])  # B05
    np.testing.assert_array_equal(found["s2"][:, 9, 1::2, ::2], buffers["s2_20m"][:, 5])  # B12
    np.testing.assert_allclose(found["s1"], buffers["s1"] * 0.01, rtol=1e-6)


@pytest.mark.parametrize("what", ["group", "block"])
def test_the_numbers_of_groups_and_labels_must_be_equal(what):
    names = {f"{what}s": np.array(["a", "b"])}
    with pytest.raises(InputError, match=f"one label and one {what} .*3 labels and 2 {what}s"):
        LabelledSplit(images=lambda _: {}, labels=np.zeros(3, np.int64), **names)


def places(data, folder):
    """Unit vectors of each split's cells."""
    rows = ShardSet.open(folder).metadata(["grid_cell", "lat", "lon"]).to_pylist()
    at = {row["grid_cell"]: unit_vectors(row["lon"], row["lat"]) for row in rows}
    return {
        name: np.stack([at[cell].ravel() for cell in split.groups])
        for name, split in data.splits.items()
    }


@pytest.mark.parametrize("split_by", ["shards", "blocks"])
def test_cells_of_different_splits_are_more_than_100_km_apart(tmp_path, split_by):
    rng = np.random.default_rng(0)
    own = rng.choice(["train", "val", "test"], 400, p=[0.02, 0.3, 0.68]).tolist()
    if split_by == "blocks":
        own *= 4  # 20 degrees of dense cells
    folder = grid_of_shards(tmp_path / "shards", step_deg=0.5, own=own)
    found = places(open_shards(folder, ShardLabels(split_by=split_by)), folder)
    for one, other in (("train", "val"), ("train", "test"), ("val", "test")):
        chord = np.linalg.norm(found[one][:, None] - found[other][None], axis=2).min()
        assert km_of_chord(chord) > APART_KM


def test_held_out_cells_near_training_cells_are_dropped(tmp_path):
    own = ["train", "test", "val", "test"]  # at 0°, 3° east; 3° north, 3° north and east
    folder = grid_of_shards(tmp_path / "far", step_deg=3, own=own)
    data = open_shards(folder, ShardLabels())
    assert data.settings["left_out"] == 0
    own = ["train", "test", "train", "val", "test", "test", "val", "val", "test"]
    folder = grid_of_shards(tmp_path / "near", step_deg=0.7, own=own)
    data = open_shards(folder, ShardLabels())
    assert len(data.split("train")) == 2
    # 78 km are too near; along a diagonal 110 km are not. Cells 1, 3 and 5 touch train.
    assert sorted(data.split("test").groups) == ["cell-4", "cell-8"]
    assert sorted(data.split("val").groups) == ["cell-6"]


def test_splits_that_are_too_close_are_a_one_line_error(tmp_path):
    folder = learnable_shards(tmp_path / "shards", train=8, val=4, test=4)
    with pytest.raises(InputError, match="more than 100 km from .*, found none for val, test"):
        open_shards(folder, ShardLabels())


def test_patches_without_a_label_are_a_one_line_error(tmp_path):
    metadata = with_columns(made_up_metadata(3), {"landcover": ["water", "", "water"]})
    write_shards(
        tmp_path / "shards", tensors=made_up_tensors(3, 4), metadata=metadata,
        provenance=PROVENANCE, rows_per_shard=3,
    )  # fmt: skip
    with pytest.raises(
        InputError, match="column landcover, found 1 without one, the first in cell 0U"
    ):
        open_shards(tmp_path / "shards", ShardLabels())


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"labels": [0, 1]}, "labels must be a NumPy array of class numbers.*found list"),
        ({"labels": np.array(["a", "b"])}, "labels must be a NumPy array.*an array of <U1"),
        ({"labels": np.array([0.0, 1.0])}, "labels must be a NumPy array.*an array of float64"),
        ({"images": 3}, "images must be a function .*found 3"),
    ],
)
def test_a_split_of_another_kind_is_an_error_that_says_what_was_expected(wrong, message):
    fields = {"images": lambda _: {}, "labels": np.array([0, 1])} | wrong

    with pytest.raises(InputError, match=message):
        LabelledSplit(**fields)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"task": "regression"}, "task must be one of multiclass, multilabel, segmentation"),
        ({"name": 3}, "name must be text, found 3"),
    ],
)
def test_a_set_of_another_kind_is_an_error_that_says_what_was_expected(wrong, message):
    fields = {"name": "x", "task": "multiclass", "classes": ("a",), "bands": {}, "splits": {}}

    with pytest.raises(InputError, match=message):
        LabelledSet(**fields | wrong, sha256="")
