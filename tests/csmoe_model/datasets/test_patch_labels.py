"""Labels of the patches of shards from a table."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from training_shards import LANDCOVERS, label_table, learnable_shards

from csmoe_model.datasets.open_set import open_set
from minortom.errors import InputError
from minortom.io.provenance import KEY, Provenance, sha256_of


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    out = tmp_path_factory.mktemp("labels") / "shards"
    return learnable_shards(out, train=8, val=8, test=12, apart_deg=5)


def with_labels(table, labels):
    return table.set_column(3, "label", pa.array(labels))


def opened(folder, table, path, **options):
    pq.write_table(table, path)
    return open_set("shards", folder, labels=path, **options)


@pytest.mark.parametrize("split_by", ["shards", None])
def test_the_labels_of_a_table_are_joined_by_patch(folder, tmp_path, split_by):
    table = label_table(folder)
    more = pa.table({"grid_cell": ["1U_1R"], "patch_row": [99], "patch_col": [0], "label": ["x"]})
    table = pa.concat_tables([table, more.cast(table.schema)])
    found = opened(folder, table, tmp_path / "labels.parquet", split_by=split_by)
    expected = open_set("shards", folder)
    assert found.classes == expected.classes == tuple(sorted(LANDCOVERS))
    for name, split in expected.splits.items():
        np.testing.assert_array_equal(found.splits[name].labels, split.labels)
        np.testing.assert_array_equal(found.splits[name].groups, split.groups)
    assert found.settings["unlabelled"] == 0
    assert found.settings["labels_sha256"] == sha256_of(tmp_path / "labels.parquet")
    assert found.sha256 != expected.sha256


def test_patches_without_a_label_are_left_out(folder, tmp_path):
    numbers = list(range(28))
    table = with_labels(label_table(folder), [None if n % 3 == 0 else n % 2 for n in numbers])
    found = opened(folder, table, tmp_path / "labels.parquet")
    assert found.classes == ("0", "1")
    assert found.settings["unlabelled"] == 10
    assert {name: len(split) for name, split in found.splits.items()} == {
        "train": 5, "val": 5, "test": 8,
    }  # fmt: skip
    # Row n of the table is patch 27 - n of the shards: 16 to 27 are those of the test split.
    kept = [n for n in reversed(numbers[:12]) if n % 3]
    assert found.split("test").labels.tolist() == [n % 2 for n in kept]
    images = found.split("test").images(np.array([0, len(kept) - 1]))
    whole = open_set("shards", folder).split("test").images(np.array([11 - kept[0], 11 - kept[-1]]))
    np.testing.assert_array_equal(images["s1"], whole["s1"])


def made_by_label(table, shards):
    """Return the table with the provenance of `minortom label`."""
    record = Provenance(
        command="label", options={}, inputs={"shards": shards}, licences=("the map",)
    )
    return table.replace_schema_metadata({KEY: record.to_json()})


def test_the_hash_of_the_shards_is_compared_and_the_licences_of_the_map_are_kept(folder, tmp_path):
    path, table = tmp_path / "labels.parquet", label_table(folder)
    found = opened(folder, made_by_label(table, sha256_of(folder / "dataset.json")), path)
    assert found.licences == (*open_set("shards", folder).licences, "the map")
    with pytest.raises(InputError, match="found labels of other shards; run `minortom label`"):
        opened(folder, made_by_label(table, "0" * 64), path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda table: table.slice(2),
            "a label for each patch of .*, found none for 2 of 28, the first is 6U_6R:1:0",
        ),
        (lambda table: pa.concat_tables([table, table.slice(3, 1)]), "each patch once"),
        (lambda table: with_labels(table, [None] * 28), "text or whole numbers, found null"),
        (lambda table: with_labels(table, [""] * 28), "must have labels, found none"),
        (lambda table: with_labels(table, [0.5] * 28), "text or whole numbers, found double"),
        (lambda table: table.drop_columns("patch_col"), "must have the column patch_col"),
        (
            lambda table: table.set_column(1, "patch_row", pa.array(["a"] * 28)),
            "patch_row must have whole numbers, found string",
        ),
    ],
)
def test_a_table_that_does_not_fit_is_a_one_line_error(folder, tmp_path, change, message):
    with pytest.raises(InputError, match=message):
        opened(folder, change(label_table(folder)), tmp_path / "labels.parquet")


def test_a_column_and_a_table_of_labels_exclude_each_other(folder, tmp_path):
    with pytest.raises(InputError, match="expected --label or --labels, found both"):
        opened(folder, label_table(folder), tmp_path / "labels.parquet", label="landcover")
    with pytest.raises(InputError, match="--labels applies to --data shards only, found folder"):
        open_set("folder", tmp_path, labels=tmp_path / "labels.parquet")
