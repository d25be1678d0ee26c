"""Export: invalid selections, and the files beside the shards."""

import json
import os
import re
from pathlib import Path

import numpy as np
import pytest
from archive_maker import CELLS, geotiff
from export_maker import replace_row

from minortom.errors import ArchiveError, InputError
from minortom.extraction.export import export as export_selection
from minortom.extraction.options import Missing
from minortom.shards.shard_set import ShardSet

pytest_plugins = ("export_fixtures",)


def test_cells_without_a_tile_are_named(export, tmp_path):
    with pytest.raises(
        ArchiveError, match=r"have no tile for 2 of 9 .* first 90U_1R \(Sentinel-2\), 91U_1R"
    ):
        export(cells=[*CELLS, "90U_1R", "91U_1R"])
    assert not (tmp_path / "shards.partial").exists()


def test_cells_without_a_tile_are_skipped_with_missing_skip(export):
    summary = export(cells=[*CELLS[:2], "90U_1R"], missing=Missing.SKIP)
    assert (summary.cells_missing, summary.tiles) == (1, 2)


def test_an_archive_without_any_selected_cell_is_an_error_even_then(export):
    with pytest.raises(ArchiveError, match="expected selected cells in both .* found none of 1"):
        export(cells=["90U_1R"], missing=Missing.SKIP)


def test_an_export_without_a_valid_patch_is_an_error_and_leaves_nothing(export, own_archives):
    for row in range(7):
        replace_row(own_archives[0], row, B02=b"" if row else geotiff(np.zeros((48, 48), "uint16")))
    with pytest.raises(ArchiveError, match=r"6 tiles could not be read \(first .*: B02 .*1 have"):
        export(folders=own_archives)
    folder = own_archives[0].parent
    assert not list(folder.glob("shards*"))[1:]  # the selection alone


def test_an_export_without_training_patches_is_an_error_and_leaves_nothing(export, tmp_path):
    with pytest.raises(InputError, match="must be in the split `train`, .* found none"):
        export(columns={"split": ["val"] * 7})
    assert [path.name for path in tmp_path.glob("shards*")] == ["shards.selection.parquet"]


@pytest.mark.parametrize(
    ("cells", "columns", "message"),
    [
        (CELLS, {"role": ["reserve"] * 7}, "must have rows with the role `selected`, found none"),
        (CELLS, {"split": [1] * 7}, "the column split must have text, found int64"),
        (
            CELLS,
            {"split": ["train"] * 6 + [None]},
            "split must have a value in all selected rows,",
        ),
        ([CELLS[0], *CELLS[:6]], {}, f"found 1 cells twice, first {CELLS[0]}"),
        (["no cell", *CELLS[:6]], {}, "'no cell'"),
    ],
)
def test_a_selection_that_cannot_be_exported_says_why(export, cells, columns, message):
    with pytest.raises(InputError, match=message):
        export(cells=cells, columns=columns)


def test_a_file_that_is_not_a_selection_is_an_error_that_names_the_command(archives, tmp_path):
    with pytest.raises(InputError, match="minortom sample"):
        s2, s1 = archives
        export_selection(tmp_path / "none.parquet", s2=s2, s1=s1, out=tmp_path / "out")


def test_an_output_without_a_name_says_so(export, archives, tmp_path):
    export()
    with pytest.raises(InputError, match="has no file name; give one"):
        s2, s1 = archives
        export_selection(tmp_path / "shards.selection.parquet", s2=s2, s1=s1, out="", patch_size=12)


def test_a_patch_of_an_odd_side_is_an_error(export):
    with pytest.raises(InputError, match="positive multiple of 2"):
        export(patch_px=13)


def test_the_card_s_lines_decode_a_sample(export, tmp_path, monkeypatch):
    export()
    card = (tmp_path / "shards" / "README.md").read_text()
    code, _ = re.findall(r"```python\n(.*?)```", card, re.DOTALL)
    assert "minortom" not in code
    monkeypatch.chdir(tmp_path / "shards")
    names: dict[str, np.ndarray] = {}
    exec(code, names)
    shards = ShardSet.open(Path())
    buffers = shards.buffers(1)
    shards.read_into(0, buffers, 0)
    for column, wanted in buffers.items():
        np.testing.assert_array_equal(names[column], wanted[0])
    assert "license: cc-by-sa-4.0" in card
    assert "contains modified Copernicus Sentinel data" in card
    assert "112 pairs of patches of 12 × 12 pixels" in card


def test_the_run_record_is_beside_the_shards(export, tmp_path):
    export()
    run = json.loads((tmp_path / "shards.run.json").read_text())
    assert run["libraries"]["pyarrow"]
    inside = (tmp_path / "shards" / "dataset.json").read_text()
    assert str(tmp_path) not in inside
    assert str(os.getuid()) not in json.loads(inside)["minortom"]


@pytest.mark.soak
def test_the_datasets_library_reads_the_shards(export, tmp_path):
    datasets = pytest.importorskip("datasets")
    export()
    splits = datasets.load_dataset(
        str(tmp_path / "shards"), streaming=True, cache_dir=str(tmp_path / "cache")
    )
    shards, count = ShardSet.open(tmp_path / "shards"), 0
    buffers = shards.buffers(1)
    for name, stream in splits.items():
        split = {"validation": "val"}.get(name, name)
        for index, row in zip(shards.indices(split), stream, strict=True):
            shards.read_into(index, buffers, 0)
            for column, wanted in buffers.items():
                found = np.frombuffer(row[column], wanted.dtype).reshape(wanted.shape)
                np.testing.assert_array_equal(found, wanted)
            count += 1
    assert count == len(shards)
