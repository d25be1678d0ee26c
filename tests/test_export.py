"""Export: the right patches, in a place of their own, whatever happens on the way."""

import itertools
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pyproj
import pytest
from archive_maker import CELLS, geotiff, write_pair_of_archives, write_selection
from rasterio.io import MemoryFile

from minortom.errors import ArchiveError, InputError, OutputExistsError
from minortom.export import export_selection
from minortom.export_options import Missing
from minortom.export_plan import patch_key, split_of
from minortom.shards import ShardSet

PATCH_PX = 12
TWO_TILES = 30_000_000
"""Bytes of the patches of two tiles of 1000 px: two tiles a shard."""


@pytest.fixture(scope="module")
def archives(tmp_path_factory):
    """Seven cells with 16 patches of 12 px each."""
    return write_pair_of_archives(tmp_path_factory.mktemp("archives"))


@pytest.fixture
def export(archives, tmp_path):
    """Export cells to ``tmp_path/name``; returns the summary."""

    def call(name="shards", cells=CELLS, *, folders=archives, columns=None, **options):
        selection = tmp_path / f"{name}.selection.parquet"
        if not selection.exists():
            write_selection(selection, cells, **columns or {})
        options = {"patch_px": PATCH_PX, "workers": 1, "shard_bytes": TWO_TILES, **options}
        return export_selection(selection, *folders, tmp_path / name, **options)

    return call


def replace_row(folder: Path, row: int, **values) -> None:
    """Put other values into a row of images, counted over all parts of two rows."""
    path = folder / "images" / f"part_{row // 2 + 1:05d}.parquet"
    rows = pq.read_table(path).to_pylist()
    rows[row % 2] |= values
    pq.write_table(pa.Table.from_pylist(rows), path, row_group_size=1)


@pytest.fixture
def own_archives(tmp_path):
    """Archives that a test may damage."""
    return write_pair_of_archives(tmp_path)


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def places_of(folder: Path) -> list[tuple[str, int, int]]:
    table = ShardSet.open(folder).metadata(["grid_cell", "patch_row", "patch_col"])
    return list(zip(*(table[name].to_pylist() for name in table.column_names), strict=True))


def test_every_patch_of_every_tile_is_there_once(export, tmp_path):
    summary = export()
    wanted = {(cell, row, col) for cell in CELLS for row in range(4) for col in range(4)}
    found = places_of(tmp_path / "shards")
    assert len(found) == len(wanted) == summary.tally.patches == 112
    assert set(found) == wanted
    assert (summary.tally.tiles, summary.shards) == (7, 4)
    assert sum(summary.splits.values()) == 112


def test_patches_of_the_tiles_of_a_window_are_mixed(export, tmp_path):
    export(shard_bytes=10**9)
    cells = [cell for cell, _, _ in places_of(tmp_path / "shards")]
    changes = sum(a != b for a, b in itertools.pairwise(cells))
    assert changes > 80  # of 111; six if tile followed tile


def test_the_number_of_workers_does_not_change_a_byte(export, tmp_path):
    export("one")
    write_selection(tmp_path / "two.selection.parquet", CELLS)
    export("two", workers=2)
    assert files_of(tmp_path / "one") == files_of(tmp_path / "two")


def test_the_order_of_the_selection_does_not_change_a_place(export, tmp_path):
    export("one")
    export("two", CELLS[::-1])
    assert places_of(tmp_path / "one") == places_of(tmp_path / "two")


def test_another_seed_gives_another_order_of_the_same_patches(export, tmp_path):
    export("one")
    export("two", seed=1)
    one, two = places_of(tmp_path / "one"), places_of(tmp_path / "two")
    assert one != two
    assert sorted(one) == sorted(two)


def test_an_unreadable_tile_moves_no_patch_of_another_shard(export, own_archives, tmp_path):
    export("whole", folders=own_archives)
    replace_row(own_archives[0], 3, B04=b"garbled")
    summary = export("damaged", folders=own_archives)
    assert list(summary.tally.tiles_unreadable) == [CELLS[3]]
    assert "B04 is no readable GeoTIFF" in summary.tally.tiles_unreadable[CELLS[3]]
    assert (summary.tally.tiles, summary.tally.patches) == (6, 96)
    whole, damaged = (places_of(tmp_path / name) for name in ("whole", "damaged"))
    assert damaged == [place for place in whole if place[0] != CELLS[3]]


def test_a_truncated_part_costs_its_tiles_and_no_more(export, own_archives):
    part = own_archives[1] / "images" / "part_00002.parquet"
    part.write_bytes(part.read_bytes()[:-100])
    summary = export(folders=own_archives)
    assert sorted(summary.tally.tiles_unreadable) == sorted(CELLS[2:4])
    assert summary.tally.tiles == 5


def test_tiles_without_a_valid_patch_and_dropped_patches_are_counted(export, own_archives):
    black = geotiff(np.zeros((48, 48), np.uint16))
    stripe = np.ones((48, 48), np.uint16)
    stripe[:, :12] = 0
    replace_row(own_archives[0], 0, B02=black)
    replace_row(own_archives[0], 1, B02=geotiff(stripe))
    tally = export(folders=own_archives).tally
    assert (tally.tiles, tally.tiles_without_valid_patch, tally.patches_dropped) == (6, 1, 20)
    assert tally.patches == 5 * 16 + 12


def test_warped_and_unknown_tiles_are_counted(export, own_archives):
    wide = geotiff(np.ones((60, 60), np.float32), west_m=499_990.0)
    replace_row(own_archives[1], 0, vv=wide, vh=wide)
    metadata = pq.read_table(own_archives[0] / "metadata.parquet").to_pylist()
    metadata[1]["product_id"] = "TerraMesh:1"
    pq.write_table(pa.Table.from_pylist(metadata), own_archives[0] / "metadata.parquet")
    replace_row(own_archives[0], 1, product_id="TerraMesh:1")
    tally = export(folders=own_archives).tally
    assert (tally.tiles_warped, tally.tiles_of_unknown_baseline) == (1, 1)
    assert tally.tiles_of_doubtful_offset == [CELLS[1]]  # made of values from 1200 on


def test_metadata_of_a_patch_say_where_it_comes_from(export, tmp_path):
    export(columns={"climate": list("ABCDEFG")})
    shards = ShardSet.open(tmp_path / "shards")
    table = shards.metadata(["grid_cell", "climate", "dt_days", "s2_product_id", "s1_product_id",
                             "s2_timestamp", "s2_offset", "epsg", "stratum"])  # fmt: skip
    row = table.filter(pc.equal(table["grid_cell"], CELLS[2])).to_pylist()[0]
    assert row["climate"] == "C"
    assert row["stratum"] == "Cfb/cropland"
    assert row["dt_days"] == 1.5
    assert row["s2_timestamp"].isoformat() == "2020-01-01T00:00:00+00:00"
    assert (row["s1_product_id"], row["s2_offset"], row["epsg"]) == ("S1A_IW", 0, 32631)


def test_only_selected_tiles_are_exported(export):
    roles = ["selected"] * 5 + ["reserve"] * 2
    assert export(columns={"role": roles}).tally.tiles == 5


def test_the_split_of_the_selection_is_kept(export, tmp_path):
    splits = ["train"] * 4 + ["val"] * 2 + ["test"]
    summary = export(columns={"split": splits})
    assert summary.splits == {"test": 16, "train": 64, "val": 32}
    shards = ShardSet.open(tmp_path / "shards")
    cells = shards.metadata(["grid_cell"])["grid_cell"].to_numpy()
    assert set(cells[shards.indices("val")]) == set(CELLS[4:6])
    assert set(cells[shards.indices("test")]) == {CELLS[6]}


def test_without_a_split_one_cell_in_twenty_is_drawn_for_validation():
    splits = [split_of(f"{number}U_0R", seed=3) for number in range(20_000)]
    # Binomial: a standard deviation of 31.
    assert abs(splits.count("val") - 1000) < 120
    assert set(splits) == {"val", "train"}
    assert splits != [split_of(f"{number}U_0R", seed=4) for number in range(20_000)]


def test_patches_of_a_tile_are_in_one_split(export, tmp_path):
    seed = next(s for s in range(99) if "val" in {split_of(cell, s) for cell in CELLS})
    export(seed=seed)
    table = ShardSet.open(tmp_path / "shards").metadata(["grid_cell", "split"])
    for cell in CELLS:
        of_cell = table.filter(pc.equal(table["grid_cell"], cell))["split"].to_pylist()
        assert of_cell == [split_of(cell, seed)] * 16


def test_the_place_of_a_patch_is_drawn_from_seed_cell_row_and_column():
    keys = {
        patch_key(cell, row, col, seed=seed)
        for cell in CELLS for row in range(4) for col in range(4) for seed in range(3)
    }  # fmt: skip
    assert len(keys) == 7 * 16 * 3
    # One golden number: it must not change between versions or machines.
    assert patch_key("1U_4R", 2, 3, seed=0) == 4159008462441643665


def test_statistics_equal_a_pass_over_all_pixels(export, tmp_path):
    seed = next(s for s in range(99) if "val" in {split_of(cell, s) for cell in CELLS})
    export(seed=seed)
    shards = ShardSet.open(tmp_path / "shards")
    train = shards.indices("train")
    assert 0 < len(train) < len(shards)
    buffers = shards.buffers(len(train))
    for row, index in enumerate(train.tolist()):
        shards.read_into(index, buffers, row)
    for column, found in shards.statistics.items():
        pixels = buffers[column].astype(float)
        np.testing.assert_allclose(found["mean"], pixels.mean(axis=(0, 2, 3)), rtol=1e-9)
        np.testing.assert_allclose(found["std"], pixels.std(axis=(0, 2, 3)), rtol=1e-9)


class StopHereError(Exception):
    pass


@pytest.mark.parametrize("tiles", [1, 3, 6, 7])
def test_an_export_that_was_stopped_goes_on_to_the_same_bytes(export, tmp_path, tiles):
    export("unbroken")

    def stop(done, _):
        if done == tiles:
            raise StopHereError

    with pytest.raises(StopHereError):
        export("broken", on_progress=stop)
    assert not (tmp_path / "broken").exists()
    seen = []
    export("broken", on_progress=lambda done, _: seen.append(done))
    # Shards of two tiles: what was finished is not read again.
    assert seen[0] == (tiles - 1) // 2 * 2
    assert seen[-1] == 7
    assert files_of(tmp_path / "broken") == files_of(tmp_path / "unbroken")
    assert not (tmp_path / "broken.partial").exists()


COMMAND = """
import sys
from pathlib import Path
from minortom.export import export_selection
if __name__ == "__main__":
    selection, s2, s1, out, workers = sys.argv[1:]
    export_selection(Path(selection), Path(s2), Path(s1), Path(out), patch_px=12,
                     workers=int(workers), shard_bytes=30_000_000)
"""


def start_export(tmp_path, archives, out, *, workers=1):
    script = tmp_path / "command.py"
    script.write_text(COMMAND)
    selection = write_selection(tmp_path / "selection.parquet", CELLS)
    arguments = [selection, *archives, out, workers]
    return subprocess.Popen(
        [sys.executable, script, *map(str, arguments)], stderr=subprocess.PIPE, text=True
    )


def check_killed_exports(tmp_path, archives, delays_s, *, workers):
    export = start_export(tmp_path, archives, tmp_path / "unbroken", workers=workers)
    assert export.communicate()[1] == ""
    wanted = files_of(tmp_path / "unbroken")
    for number, delay_s in enumerate(delays_s):
        out = tmp_path / f"killed{number}"
        export = start_export(tmp_path, archives, out, workers=workers)
        time.sleep(delay_s)
        export.send_signal(signal.SIGKILL)
        export.communicate()
        export = start_export(tmp_path, archives, out, workers=workers)
        assert export.communicate()[1] == ""
        assert files_of(out) == wanted
        assert not out.with_name(f"{out.name}.partial").exists()


def test_an_export_that_was_killed_goes_on_to_the_same_bytes(tmp_path, archives):
    check_killed_exports(tmp_path, archives, [1.2, 1.6], workers=1)


@pytest.mark.soak
def test_an_export_killed_at_many_moments_goes_on_to_the_same_bytes(tmp_path, archives):
    delays = np.random.default_rng(0).uniform(0.8, 3.5, 25)
    check_killed_exports(tmp_path, archives, delays[:13], workers=1)
    (tmp_path / "two").mkdir()
    check_killed_exports(tmp_path / "two", archives, delays[13:], workers=2)


def test_a_disk_that_is_full_is_told_and_the_export_goes_on_later(export, tmp_path):
    resource = pytest.importorskip("resource")
    export("unbroken")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    old = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, before[1]))
        with pytest.raises(
            InputError, match=r"cannot write to .*\.partial: .*File too large; the same"
        ):
            export("full")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, old)
    export("full")
    assert files_of(tmp_path / "full") == files_of(tmp_path / "unbroken")


def test_unfinished_work_of_another_export_is_not_taken_up(export, tmp_path):
    def stop(done, _):
        if done == 4:
            raise StopHereError

    with pytest.raises(StopHereError):
        export(on_progress=stop)
    with pytest.raises(OutputExistsError, match=r"unfinished work made with other inputs"):
        export(seed=1)
    export(seed=1, overwrite=True)
    export("fresh", seed=1)
    assert places_of(tmp_path / "shards") == places_of(tmp_path / "fresh")


def test_an_export_that_is_there_is_up_to_date(export, tmp_path):
    first = export()
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "shards").iterdir()}
    again = export(workers=2)
    assert again.up_to_date
    assert (again.tally, again.splits, again.shards) == (first.tally, first.splits, first.shards)
    assert before == {path: path.stat().st_mtime_ns for path in (tmp_path / "shards").iterdir()}


def test_a_shard_that_got_lost_is_made_again(export, tmp_path):
    export()
    before = files_of(tmp_path / "shards")
    next((tmp_path / "shards").glob("*.parquet")).unlink()
    assert not export().up_to_date
    assert files_of(tmp_path / "shards") == before


def test_an_export_made_otherwise_is_replaced_only_when_asked(export, tmp_path):
    export()
    with pytest.raises(OutputExistsError, match="made with other inputs or options"):
        export(seed=1)
    assert not (tmp_path / "shards.partial").exists()
    export(seed=1, overwrite=True)
    assert ShardSet.open(tmp_path / "shards").provenance["seed"] == 1


def test_leftovers_of_a_finished_export_are_tidied_up(export, tmp_path):
    export()
    work = tmp_path / "shards.partial"
    work.mkdir()
    record = json.loads((tmp_path / "shards" / "dataset.json").read_text())
    (work / "provenance.json").write_text(json.dumps({"minortom": record["minortom"]}))
    assert export().up_to_date
    assert not work.exists()


def test_cells_that_an_archive_lacks_are_named(export, tmp_path):
    with pytest.raises(ArchiveError, match=r"lack 2 of 9 .* first 90U_1R \(Sentinel-2\), 91U_1R"):
        export(cells=[*CELLS, "90U_1R", "91U_1R"])
    assert not (tmp_path / "shards.partial").exists()


def test_cells_that_an_archive_lacks_are_skipped_when_asked(export):
    summary = export(cells=[*CELLS[:2], "90U_1R"], missing=Missing.SKIP)
    assert (summary.cells_missing, summary.tally.tiles) == (1, 2)


def test_an_archive_without_any_selected_cell_is_an_error_even_then(export):
    with pytest.raises(ArchiveError, match="none of the 1 selected cells"):
        export(cells=["90U_1R"], missing=Missing.SKIP)


def test_an_export_without_a_valid_patch_is_an_error_and_leaves_nothing(export, own_archives):
    for row in range(7):
        replace_row(own_archives[0], row, B02=b"" if row else geotiff(np.zeros((48, 48), "uint16")))
    with pytest.raises(ArchiveError, match=r"6 tiles could not be read \(first .*: B02 .*1 have"):
        export(folders=own_archives)
    folder = own_archives[0].parent
    assert not list(folder.glob("shards*"))[1:]  # the selection alone


def test_an_export_without_training_patches_is_an_error_and_leaves_nothing(export, tmp_path):
    with pytest.raises(InputError, match="no patch is in the split `train`"):
        export(columns={"split": ["val"] * 7})
    assert [path.name for path in tmp_path.glob("shards*")] == ["shards.selection.parquet"]


@pytest.mark.parametrize(
    ("cells", "columns", "message"),
    [
        (CELLS, {"role": ["reserve"] * 7}, "no row whose role is `selected`"),
        (CELLS, {"split": ["train"] * 6 + [None]}, "split is null in 1 selected rows"),
        ([CELLS[0], *CELLS[:6]], {}, f"selects 1 cells twice, first {CELLS[0]}"),
        (["no cell", *CELLS[:6]], {}, "'no cell'"),
    ],
)
def test_a_selection_that_cannot_be_exported_says_why(export, cells, columns, message):
    with pytest.raises(InputError, match=message):
        export(cells=cells, columns=columns)


def test_a_file_that_is_no_selection_says_what_makes_one(archives, tmp_path):
    with pytest.raises(InputError, match="minortom sample"):
        export_selection(tmp_path / "none.parquet", *archives, tmp_path / "out")


def test_a_patch_of_an_odd_side_is_an_error(export):
    with pytest.raises(InputError, match="positive multiple of 2"):
        export(patch_px=13)


def test_the_card_s_lines_decode_a_sample(export, tmp_path, monkeypatch):
    export()
    card = (tmp_path / "shards" / "README.md").read_text()
    [code] = re.findall(r"```python\n(.*?)```", card, re.DOTALL)
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


def test_how_it_came_about_is_told_beside_the_shards(export, tmp_path):
    export()
    run = json.loads((tmp_path / "shards.run.json").read_text())
    assert run["libraries"]["pyarrow"]
    inside = (tmp_path / "shards" / "dataset.json").read_text()
    assert str(tmp_path) not in inside
    assert str(os.getuid()) not in json.loads(inside)["minortom"]


REAL_CELLS = ("282D_485L", "38D_378R", "433D_629L", "609U_541L", "637U_59R")


def test_every_patch_of_the_real_archive_is_what_rasterio_reads(export, real_data, tmp_path):
    """Five windows of 224 px: 4 × 4 patches of 56 px, from pixel 0; nothing is subtracted."""
    sample = real_data / "majortom-sample"
    folders = (sample / "Core-S2L2A", sample / "Core-S1RTC")
    cells = [*REAL_CELLS, "0U_199R", "199U_1099R"]
    summary = export(cells=cells, folders=folders, patch_px=56, missing=Missing.SKIP)
    assert (summary.tally.patches, summary.cells_missing) == (80, 2)
    assert summary.tally.tiles_of_doubtful_offset == ["433D_629L"]
    rows = {
        folder.name: {
            row["grid_cell"]: row
            for part in sorted(folder.glob("images/*.parquet"))
            for row in pq.read_table(part).to_pylist()
        }
        for folder in folders
    }
    shards = ShardSet.open(tmp_path / "shards")
    table = shards.metadata(
        ["grid_cell", "patch_row", "patch_col", "ulx_m", "uly_m", "epsg", "lat", "lon"]
    ).to_pylist()
    buffers = shards.buffers(1)
    for index, row in enumerate(table):
        shards.read_into(index, buffers, 0)
        for column, product, names, side_px in (
            ("s2_10m", "Core-S2L2A", ("B02", "B03", "B04", "B08"), 56),
            ("s2_20m", "Core-S2L2A", ("B05", "B06", "B07", "B8A", "B11", "B12"), 28),
            ("s1", "Core-S1RTC", ("vv", "vh"), 56),
        ):
            first_row, first_col = row["patch_row"] * side_px, row["patch_col"] * side_px
            for band, name in enumerate(names):
                with (
                    MemoryFile(rows[product][row["grid_cell"]][name]) as file,
                    file.open() as dataset,
                ):
                    pixels = dataset.read(1)[
                        first_row : first_row + side_px, first_col : first_col + side_px
                    ]
                    x_m, y_m = dataset.xy(first_row, first_col, offset="ul")
                    assert (x_m, y_m) == pytest.approx((row["ulx_m"], row["uly_m"]), abs=1e-6)
                    assert dataset.crs.to_epsg() == row["epsg"]
                if column == "s1":
                    pixels = np.array([round(1000 * np.log10(v)) for v in pixels.ravel().tolist()])
                    pixels = pixels.reshape(side_px, side_px)
                np.testing.assert_array_equal(buffers[column][0, band], pixels)
        inverse = pyproj.Proj(row["epsg"])
        lon, lat = inverse(row["ulx_m"] + 280, row["uly_m"] - 280, inverse=True)
        assert (row["lon"], row["lat"]) == pytest.approx((lon, lat), abs=1e-9)
    assert len({(row["grid_cell"], row["patch_row"], row["patch_col"]) for row in table}) == 80


@pytest.mark.soak
def test_the_datasets_library_reads_the_shards(export, tmp_path):
    datasets = pytest.importorskip("datasets")
    export()
    stream = datasets.load_dataset(
        str(tmp_path / "shards"), split="train", streaming=True, cache_dir=str(tmp_path / "cache")
    )
    shards, count = ShardSet.open(tmp_path / "shards"), 0
    buffers = shards.buffers(1)
    for index, row in enumerate(stream):
        shards.read_into(index, buffers, 0)
        for column, wanted in buffers.items():
            found = np.frombuffer(row[column], wanted.dtype).reshape(wanted.shape)
            np.testing.assert_array_equal(found, wanted)
        count += 1
    assert count == len(shards)
