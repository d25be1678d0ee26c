"""Export: reserves replace tiles that turn out unusable."""

import dataclasses
import itertools

import numpy as np
import pytest
from archive_maker import CELLS, geotiff
from export_maker import files_of, places_of, record_of, replace_row

from minortom.errors import ArchiveError, InputError
from minortom.extraction.options import Missing
from minortom.extraction.plan import split_of

pytest_plugins = ("export_fixtures",)

BLACK = geotiff(np.zeros((48, 48), np.uint16))


def roles(*ranks):
    """Columns of a selection: a tile whose rank is None is selected, the others are reserves."""
    return {
        "role": ["selected" if rank is None else "reserve" for rank in ranks],
        "reserve_rank": list(ranks),
    }


FIVE_AND_TWO = roles(None, None, None, None, None, 2, 1)


def cells_of(folder):
    return {cell for cell, _, _ in places_of(folder)}


def test_reserves_are_left_out_where_no_tile_fails(export, tmp_path):
    summary = export(columns=FIVE_AND_TWO)
    assert cells_of(tmp_path / "shards") == set(CELLS[:5])
    assert (summary.tiles_replaced, summary.tiles_not_replaced) == ({}, 0)
    assert record_of(tmp_path / "shards")["replaced"] == []


def test_without_reserves_the_record_has_no_replacements(export, tmp_path):
    export()
    assert not [key for key in record_of(tmp_path / "shards") if "replaced" in key]


def test_the_first_reserve_replaces_a_missing_cell(export, tmp_path):
    cells = [*CELLS[:4], "90U_1R", *CELLS[5:]]
    summary = export(cells=cells, columns=FIVE_AND_TWO)
    assert cells_of(tmp_path / "shards") == {*CELLS[:4], CELLS[6]}
    assert (summary.cells_missing, summary.tiles_replaced) == (1, {"missing": 1})
    assert summary.tiles_not_replaced == 0
    record = record_of(tmp_path / "shards")
    assert record["replaced"] == [{"cell": "90U_1R", "by": CELLS[6], "reason": "missing"}]
    assert record["replaced_by_stratum"] == {"Cfb/cropland": 1}
    assert record["not_replaced_by_stratum"] == {}


def test_reserves_replace_tiles_that_turn_out_unusable(export, own_archives, tmp_path):
    replace_row(own_archives[0], 0, B02=b"garbled")
    replace_row(own_archives[0], 1, B02=BLACK)
    summary = export(
        folders=own_archives, columns={**FIVE_AND_TWO, "split": ["train"] * len(CELLS)}
    )
    assert cells_of(tmp_path / "shards") == set(CELLS[2:])
    assert summary.tiles_replaced == {"unreadable": 1, "no valid patch": 1}
    replaced = record_of(tmp_path / "shards")["replaced"]
    assert {entry["cell"]: entry["reason"] for entry in replaced} == {
        CELLS[0]: "unreadable", CELLS[1]: "no valid patch"
    }  # fmt: skip
    assert [entry["by"] for entry in replaced] == [CELLS[6], CELLS[5]]  # in order of rank
    # Two tiles a shard: five tiles, of which the last gives no patch and no shard; then two more.
    names = [f"shard-{number:05d}-of-00003.parquet" for number in range(3)]
    assert sorted(path.name for path in (tmp_path / "shards").glob("*.parquet")) == names
    assert [entry["file"] for entry in record_of(tmp_path / "shards")["shards"]] == names


def test_a_reserve_that_is_unusable_is_replaced_by_the_next(export, own_archives, tmp_path):
    replace_row(own_archives[0], 2, B02=BLACK)
    replace_row(own_archives[0], 6, B02=b"garbled")
    export(folders=own_archives, columns=FIVE_AND_TWO)
    assert cells_of(tmp_path / "shards") == {*CELLS[:2], *CELLS[3:6]}
    assert record_of(tmp_path / "shards")["replaced"] == [
        {"cell": CELLS[2], "by": CELLS[6], "reason": "no valid patch"},
        {"cell": CELLS[6], "by": CELLS[5], "reason": "unreadable"},
    ]


def test_a_reserve_without_a_tile_is_skipped(export, tmp_path):
    cells = [*CELLS[:4], "90U_1R", CELLS[5], "91U_1R"]
    summary = export(cells=cells, columns=FIVE_AND_TWO)
    assert cells_of(tmp_path / "shards") == {*CELLS[:4], CELLS[5]}
    assert summary.cells_missing == 1


def test_a_tile_is_replaced_within_its_stratum(export, own_archives, tmp_path):
    replace_row(own_archives[0], 0, B02=BLACK)
    strata = ["a", "b", "b", "b", "b", "a", "b"]
    export(folders=own_archives, columns=FIVE_AND_TWO | {"stratum": strata})
    assert cells_of(tmp_path / "shards") == {*CELLS[1:5], CELLS[5]}
    assert record_of(tmp_path / "shards")["replaced_by_stratum"] == {"a": 1}


def test_a_tile_is_replaced_within_its_split(export, own_archives, tmp_path):
    replace_row(own_archives[0], 0, B02=BLACK)
    splits = ["val", "train", "train", "train", "train", "val", "train"]
    export(folders=own_archives, columns=FIVE_AND_TWO | {"split": splits})
    assert cells_of(tmp_path / "shards") == {*CELLS[1:5], CELLS[5]}


def test_without_a_split_column_a_reserve_has_the_random_split_of_its_cell(
    export, own_archives, tmp_path
):
    replace_row(own_archives[0], 0, B02=BLACK)
    seed = next(s for s in range(99) if split_of(CELLS[6], s) == "val")
    summary = export(folders=own_archives, columns=FIVE_AND_TWO, seed=seed)
    assert CELLS[6] in cells_of(tmp_path / "shards")
    assert summary.splits["val"] >= 16


def test_a_tile_that_no_reserve_is_left_for_is_counted(export, own_archives, tmp_path):
    for row in (0, 1, 2):
        replace_row(own_archives[0], row, B02=BLACK)
    summary = export(folders=own_archives, columns=FIVE_AND_TWO)
    assert cells_of(tmp_path / "shards") == set(CELLS[3:])
    assert (summary.tiles_replaced, summary.tiles_not_replaced) == ({"no valid patch": 2}, 1)
    assert record_of(tmp_path / "shards")["not_replaced_by_stratum"] == {"Cfb/cropland": 1}


def test_missing_cells_without_a_reserve_are_an_error_unless_skipped(export, tmp_path):
    cells = [*CELLS[:3], "90U_1R", "91U_1R", "92U_1R", CELLS[6]]
    with pytest.raises(
        ArchiveError,
        match=r"have no tile for 1 of 5 selected cells and no reserve is left for them, first 9",
    ):
        export(cells=cells, columns=FIVE_AND_TWO)
    summary = export(cells=cells, columns=FIVE_AND_TWO, missing=Missing.SKIP)
    assert cells_of(tmp_path / "shards") == {*CELLS[:3], CELLS[6]}
    assert (summary.cells_missing, summary.tiles_not_replaced) == (2, 1)


def test_no_cell_and_no_reserve_of_its_stratum_is_an_error_even_if_skipped(export):
    columns = roles(None, 1) | {"stratum": ["a", "b"]}
    with pytest.raises(
        ArchiveError,
        match="found none of 1 and no reserve; .* or select among the cells that have tiles: `min",
    ):
        export(cells=["90U_1R", CELLS[0]], columns=columns, missing=Missing.SKIP)


@pytest.fixture
def failing(own_archives):
    """Archives in which two chosen tiles and the first reserve are unusable."""
    for row, bytes_ in ((0, b"garbled"), (3, BLACK), (6, BLACK)):
        replace_row(own_archives[0], row, B02=bytes_)
    return {"folders": own_archives, "columns": roles(None, None, None, None, 3, 2, 1)}


def test_the_number_of_workers_does_not_change_what_replaces_what(export, failing, tmp_path):
    one, two = export("one", **failing), export("two", workers=2, **failing)
    assert sum(one.tiles_replaced.values()) == 3  # one of them a reserve
    assert dataclasses.replace(one, out=two.out) == two
    assert files_of(tmp_path / "one") == files_of(tmp_path / "two")


def test_the_order_of_the_selection_does_not_change_what_replaces_what(export, failing, tmp_path):
    export("one", **failing)
    columns = {name: values[::-1] for name, values in failing["columns"].items()}
    export("two", CELLS[::-1], folders=failing["folders"], columns=columns)
    assert places_of(tmp_path / "one") == places_of(tmp_path / "two")
    one, two = (record_of(tmp_path / name)["replaced"] for name in ("one", "two"))
    assert one == two


def test_the_order_of_the_selection_does_not_change_what_replaces_a_missing_cell(export, tmp_path):
    cells, columns = (
        ["90U_1R", "91U_1R", "92U_1R", *CELLS[:4]],
        roles(None, None, None, None, 1, 2, 3),
    )
    export("one", cells, columns=columns)
    export("two", cells[::-1], columns={name: values[::-1] for name, values in columns.items()})
    one, two = (record_of(tmp_path / name)["replaced"] for name in ("one", "two"))
    assert one == two
    assert [entry["by"] for entry in one] == list(CELLS[1:4])


class StopHereError(Exception):
    pass


@pytest.mark.parametrize("tiles", [2, 4, 5, 6, 7])
def test_a_stopped_export_with_replacements_resumes_to_the_same_bytes(
    export, failing, tmp_path, tiles
):
    def stop(done, _):
        if done == tiles:
            raise StopHereError

    export("unbroken", **failing)
    with pytest.raises(StopHereError):
        export("broken", on_progress=stop, **failing)
    assert not (tmp_path / "broken").exists()
    export("broken", **failing)
    assert files_of(tmp_path / "broken") == files_of(tmp_path / "unbroken")
    assert not (tmp_path / "broken.partial").exists()


@pytest.mark.parametrize("named", [0, 1, 3])
def test_an_export_stopped_while_shards_were_renamed_resumes(
    export, failing, tmp_path, monkeypatch, named
):
    from minortom.extraction.job import ExportJob

    export("unbroken", **failing)
    rename, calls = ExportJob._named, itertools.count()

    def stop(job, number, name):
        if next(calls) == named:
            raise StopHereError
        return rename(job, number, name)

    monkeypatch.setattr(ExportJob, "_named", stop)
    with pytest.raises(StopHereError):
        export("broken", **failing)
    monkeypatch.undo()
    export("broken", **failing)
    assert files_of(tmp_path / "broken") == files_of(tmp_path / "unbroken")


NULL = "{} must have a value in all reserves, found null in 1"


@pytest.mark.parametrize(
    ("cells", "columns", "message"),
    [
        (
            CELLS,
            {"role": ["selected"] * 6 + ["reserve"]},
            "must have the column reserve_rank to order its reserves",
        ),
        (
            CELLS,
            FIVE_AND_TWO | {"reserve_rank": [None] * 6 + [1]},
            "reserve_rank must have a value in all reserves, found null in 1",
        ),
        (
            CELLS,
            FIVE_AND_TWO | {"reserve_rank": ["x"] * 7},
            "reserve_rank must hold int64",
        ),
        (
            CELLS,
            FIVE_AND_TWO | {"stratum": ["a"] * 6 + [None]},
            NULL.format("stratum"),
        ),
        ([*CELLS[:6], CELLS[0]], FIVE_AND_TWO, f"found 1 cells twice, first {CELLS[0]}"),
    ],
)
def test_reserves_that_cannot_be_used_say_why(export, cells, columns, message):
    with pytest.raises(InputError, match=message):
        export(cells=cells, columns=columns)
