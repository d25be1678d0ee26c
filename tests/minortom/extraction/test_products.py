"""Export: the products that a selection names, and archives behind HTTP."""

import json
import shutil
from datetime import UTC, datetime

import pyarrow.parquet as pq
import pytest
from archive_maker import (
    CELLS,
    open_pair,
    s2_geotiffs,
    s2_pixels,
    write_archive,
    write_pair_of_archives,
    write_selection,
)
from export_maker import files_of, places_of

from minortom.errors import ArchiveError, InputError, RemoteError
from minortom.extraction.options import Missing
from minortom.extraction.products import pairs_of
from minortom.extraction.selection import read_selection
from minortom.remote import remote_parquet
from minortom.shards.shard_set import ShardSet

pytest_plugins = ("export_fixtures",)

S2_ID, S1_ID = "S2A_MSIL2A_20200101T000000_N0213_R001", "S1A_IW"
TIMES = {
    "s2_timestamp": datetime(2020, 1, 1, tzinfo=UTC),
    "s1_timestamp": datetime(2020, 1, 2, 12, tzinfo=UTC),
    "dt_days": 1.5,
}


def products(cells=CELLS, **changed):
    """Columns that name the products of the archives of ``write_pair_of_archives``."""
    columns = {
        "s2_product_id": S2_ID, "s1_product_id": S1_ID, **TIMES,
        "s2_part": [f"part_{n // 2 + 1:05d}.parquet" for n in range(len(cells))],
        "s1_part": [f"part_{n // 2 + 1:05d}.parquet" for n in range(len(cells))],
        "s2_row": [n % 2 for n in range(len(cells))], "s1_row": [n % 2 for n in range(len(cells))],
        **changed,
    }  # fmt: skip
    return {
        name: values if isinstance(values, list) else [values] * len(cells)
        for name, values in columns.items()
    }


@pytest.fixture
def two_products(tmp_path):
    """Archives with two products of Sentinel-2 for each of two cells; pairing takes the first."""
    rows = [
        {"grid_cell": cell, "product_id": name, "timestamp": "20200101T000000", "nodata": nodata,
         "bands": s2_geotiffs(s2_pixels(seed=seed))}
        for cell in CELLS[:2] for seed, (name, nodata) in enumerate([("best", 0.0), ("meant", 0.2)])
    ]  # fmt: skip
    _, s1 = write_pair_of_archives(tmp_path, CELLS[:2])
    return write_archive(tmp_path / "two", rows), s1


def test_the_products_that_the_selection_names_are_used(export, two_products, tmp_path):
    columns = products(
        CELLS[:2], s2_product_id="meant", s2_part=["part_00001.parquet", "part_00002.parquet"],
        s2_row=1, s1_part="part_00001.parquet",
    )  # fmt: skip
    export("named", CELLS[:2], folders=two_products, columns=columns)
    export("paired", CELLS[:2], folders=two_products)
    for name, wanted in (("named", "meant"), ("paired", "best")):
        table = ShardSet.open(tmp_path / name).metadata(["s2_product_id"])
        assert set(table["s2_product_id"].to_pylist()) == {wanted}


def test_naming_the_products_that_pairing_finds_gives_the_same_patches(export, tmp_path):
    export("paired")
    export("named", columns=products())
    paired, named = (ShardSet.open(tmp_path / name) for name in ("paired", "named"))
    names = ["grid_cell", "patch_row", "patch_col", "dt_days", "s2_timestamp", "s1_timestamp"]
    assert paired.metadata(names).equals(named.metadata(names))
    assert paired.statistics == named.statistics  # sums of all pixels


def test_times_are_those_of_the_selection(export, tmp_path):
    when = datetime(1999, 1, 1, tzinfo=UTC)
    export(columns=products(s2_timestamp=when, s1_timestamp=None, dt_days=None))
    table = ShardSet.open(tmp_path / "shards").metadata(["s2_timestamp", "s1_timestamp", "dt_days"])
    assert set(table["s2_timestamp"].to_pylist()) == {when}
    assert table["s1_timestamp"].null_count == table["dt_days"].null_count == len(table)


def test_products_are_found_in_a_copy_that_is_cut_into_other_parts(export, tmp_path):
    copy = write_pair_of_archives(tmp_path, CELLS[::-1])
    summary = export(folders=copy, columns=products())
    assert (summary.tiles, summary.tiles_unreadable) == (7, {})


def test_a_missing_product_is_a_missing_tile(export):
    columns = products(s2_product_id=[S2_ID] * 6 + ["another"])
    with pytest.raises(
        ArchiveError, match=rf"have no tile for 1 of 7 .* first {CELLS[6]} \(Sentinel-2\)"
    ):
        export(columns=columns)
    summary = export(missing=Missing.SKIP)
    assert (summary.tiles, summary.cells_missing) == (6, 1)


def test_a_reserve_replaces_a_missing_product(export, tmp_path):
    columns = products(s1_product_id=["another"] + [S1_ID] * 6) | {
        "role": ["selected"] * 6 + ["reserve"], "reserve_rank": [None] * 6 + [1]
    }  # fmt: skip
    export(columns=columns)
    assert {cell for cell, _, _ in places_of(tmp_path / "shards")} == set(CELLS[1:])


def test_archives_without_any_of_the_products_are_an_error(export):
    with pytest.raises(
        ArchiveError, match=r"none of 7 pairs: 7 are missing from .*-2 and 0 from .*-1; give"
    ):
        export(columns=products(s2_product_id="x"))


def named_pair(tmp_path, s2_rows, cell, **named):
    """Look up one cell's products in archives with these rows of Sentinel-2, and one of -1."""
    archives = open_pair(tmp_path, s2_rows, [{"grid_cell": cell, "product_id": "b"}])
    metadata = pq.read_table(archives[0].metadata_path)
    pq.write_table(metadata.take(list(range(len(metadata)))[::-1]), archives[0].metadata_path)
    columns = products([cell], s2_product_id="a", s1_product_id="b", **named)
    path = write_selection(tmp_path / "selection.parquet", [cell], **columns)
    [row] = pairs_of(read_selection(path), archives).table.to_pylist()
    return row


@pytest.mark.parametrize("row", [0, 1])
def test_the_named_row_of_a_product_with_two_rows_is_used(tmp_path, row):
    found = named_pair(tmp_path, [{"product_id": "a"}] * 2, "1U_1R", s2_row=row)
    assert (found["s2_part"], found["s2_row"]) == ("part_00001.parquet", row)


def test_the_first_row_of_a_product_with_two_other_rows_is_used(tmp_path):
    rows = [{"product_id": "z"}] + [{"product_id": "a"}] * 3
    found = named_pair(tmp_path, rows, "1U_1R", s2_row=9)
    assert (found["s2_part"], found["s2_row"]) == ("part_00001.parquet", 1)


def test_a_cell_at_the_antimeridian_is_found_under_its_published_name(tmp_path):
    rows = [{"product_id": "z"}, {"product_id": "a", "grid_cell": "502U_1415R"}]
    found = named_pair(tmp_path, rows, "502U_1415L")
    assert (found["grid_cell"], found["s2_row"]) == ("502U_1415L", 1)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"s2_row": None}, "s2_row must have a value in all selected rows, found null in 7"),
        ({"s1_product_id": None}, "s1_product_id must have a value in all selected .* null in 7"),
        ({"s2_row": "x"}, "the column s2_row must hold int64, as `minortom sample` .* found"),
        ({"dt_days": "soon"}, "the column dt_days must hold double, .* found"),
    ],
)
def test_products_that_cannot_be_read_say_why(export, changed, message):
    with pytest.raises(InputError, match=message):
        export(columns=products(**changed))


def test_some_columns_of_products_without_the_others_are_an_error(export):
    columns = products()
    del columns["s1_part"], columns["dt_days"]
    with pytest.raises(
        InputError,
        match="found s2_part, s2_row, s1_row without s1_part, dt_days; .* pair tiles again",
    ):
        export(columns=columns)


@pytest.fixture
def served(web_server, archives):
    """The server of both archives, and their addresses."""
    for folder in archives:
        shutil.copytree(folder, web_server.folder / folder.name)
    return web_server, tuple(f"{web_server.url}/{folder.name}" for folder in archives)


def test_archives_behind_http_give_the_same_bytes(export, served, tmp_path):
    export("local")
    shutil.copy(tmp_path / "local.selection.parquet", tmp_path / "remote.selection.parquet")
    export("remote", folders=served[1])
    assert files_of(tmp_path / "remote") == files_of(tmp_path / "local")
    run = json.loads((tmp_path / "remote.run.json").read_text())
    assert (run["s2"], run["s1"]) == served[1]


def test_a_part_missing_on_the_server_makes_its_tiles_unreadable(export, served):
    (served[0].folder / "Core-S1RTC" / "images" / "part_00002.parquet").unlink()
    assert sorted(export(folders=served[1]).tiles_unreadable) == sorted(CELLS[2:4])


def test_a_server_that_fails_ends_the_export_which_resumes_later(export, served, tmp_path):
    """A network fault drops no tile and uses no reserve."""
    remote_parquet._footer.cache_clear()
    server, places = served
    server.fail("/Core-S1RTC/images/part_00002.parquet", status=500, times=50)
    with pytest.raises(RemoteError, match=r"part_00002\.parquet"):
        export("remote", folders=places)
    assert not (tmp_path / "remote").exists()
    server.faults.clear()
    assert export("remote", folders=places).tiles == 7
