"""Export: every patch, its values, its metadata and its position in the shards."""

import itertools
import json

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pyproj
import pytest
from archive_maker import CELLS, geotiff, write_selection
from export_maker import files_of, places_of, record_of, replace_row
from rasterio.io import MemoryFile

from minortom.dataset.verify import verify
from minortom.extraction.options import Missing
from minortom.extraction.plan import patch_key, split_of
from minortom.shards.shard_set import ShardSet

pytest_plugins = ("export_fixtures",)


def test_every_patch_of_every_tile_occurs_once(export, tmp_path):
    summary = export()
    wanted = {(cell, row, col) for cell in CELLS for row in range(4) for col in range(4)}
    found = places_of(tmp_path / "shards")
    assert len(found) == len(wanted) == summary.patches == 112
    assert set(found) == wanted
    assert (summary.tiles, summary.shards) == (7, 4)
    assert sum(summary.splits.values()) == 112


def test_shards_inherit_the_licences_of_the_archive_and_of_the_maps(export, tmp_path):
    path = tmp_path / "shards.selection.parquet"
    write_selection(path, CELLS)
    archives = "Major TOM Core: CC-BY-SA-4.0, contains modified Copernicus Sentinel data"
    record = {"licences": [archives, "Köppen-Geiger (CC BY 4.0)"]}
    table = pq.read_table(path).replace_schema_metadata({"minortom": json.dumps(record)})
    pq.write_table(table, path)
    export()
    archive, *maps = ShardSet.open(tmp_path / "shards").provenance["licences"]
    assert archive.startswith("Major TOM Core: CC-BY-SA-4.0")
    assert maps == ["Köppen-Geiger (CC BY 4.0)"]


def test_patches_of_the_tiles_of_a_window_are_mixed(export, tmp_path):
    export(shard_bytes=10**9, columns={"split": ["train"] * len(CELLS)})
    cells = [cell for cell, _, _ in places_of(tmp_path / "shards")]
    changes = sum(a != b for a, b in itertools.pairwise(cells))
    assert changes > 80  # of 111; six if tile followed tile


def test_a_shard_has_patches_of_one_split(export, tmp_path):
    splits = dict(zip(CELLS, ["val", "train", "test", "train", "train", "val", "val"], strict=True))
    export(columns={"split": list(splits.values())})
    entries = record_of(tmp_path / "shards")["shards"]
    # Two tiles a shard: three of train, three of val, one of test.
    assert [entry["split"] for entry in entries] == ["train", "train", "val", "val", "test"]
    for entry in entries:
        table = pq.read_table(tmp_path / "shards" / entry["file"], columns=["grid_cell", "split"])
        assert {splits[cell] for cell in table["grid_cell"].to_pylist()} == {entry["split"]}
        assert set(table["split"].to_pylist()) == {entry["split"]}


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


@pytest.mark.parametrize(
    "damaged", [b"no image at all", geotiff(np.arange(2304, dtype=np.uint16).reshape(48, 48))[:900]]
)
def test_two_exports_with_an_unreadable_tile_are_the_same_bytes(
    export, own_archives, damaged, tmp_path
):
    replace_row(own_archives[0], 3, B04=damaged)
    assert list(export("one", folders=own_archives).tiles_unreadable) == [CELLS[3]]
    export("two", folders=own_archives)
    assert files_of(tmp_path / "one") == files_of(tmp_path / "two")


def test_an_unreadable_tile_moves_no_patch_of_another_shard(export, own_archives, tmp_path):
    export("whole", folders=own_archives)
    replace_row(own_archives[0], 3, B04=b"garbled")
    summary = export("damaged", folders=own_archives)
    assert list(summary.tiles_unreadable) == [CELLS[3]]
    assert "B04 is not a readable GeoTIFF" in summary.tiles_unreadable[CELLS[3]]
    assert (summary.tiles, summary.patches) == (6, 96)
    whole, damaged = (places_of(tmp_path / name) for name in ("whole", "damaged"))
    assert damaged == [place for place in whole if place[0] != CELLS[3]]


def test_a_split_whose_tiles_all_fail_leaves_no_shard_behind(export, own_archives, tmp_path):
    replace_row(own_archives[0], 3, B04=b"garbled")
    columns = {"split": ["val" if cell == CELLS[3] else "train" for cell in CELLS]}
    export(folders=own_archives, columns=columns)
    shards = tmp_path / "shards"
    names = [f"shard-{number:05d}-of-00003.parquet" for number in range(3)]
    assert sorted(path.name for path in shards.glob("*.parquet")) == names
    told = [(entry["file"], entry["rows"]) for entry in record_of(shards)["shards"]]
    assert told == [(name, 32) for name in names]
    assert verify(shards, deep=True).problems == ()


def test_a_truncated_part_makes_only_its_tiles_unreadable(export, own_archives):
    part = own_archives[1] / "images" / "part_00002.parquet"
    part.write_bytes(part.read_bytes()[:-100])
    summary = export(folders=own_archives)
    assert sorted(summary.tiles_unreadable) == sorted(CELLS[2:4])
    assert summary.tiles == 5


def test_tiles_without_a_valid_patch_and_dropped_patches_are_counted(export, own_archives):
    black = geotiff(np.zeros((48, 48), np.uint16))
    stripe = np.ones((48, 48), np.uint16)
    stripe[:, :12] = 0
    replace_row(own_archives[0], 0, B02=black)
    replace_row(own_archives[0], 1, B02=geotiff(stripe))
    tally = export(folders=own_archives)
    assert (tally.tiles, tally.tiles_without_valid_patch, tally.patches_dropped) == (6, 1, 20)
    assert tally.patches == 5 * 16 + 12


def test_resampled_tiles_and_tiles_without_baseline_are_counted(export, own_archives):
    wide = geotiff(np.ones((60, 60), np.float32), west_m=499_990.0)
    replace_row(own_archives[1], 0, vv=wide, vh=wide)
    metadata = pq.read_table(own_archives[0] / "metadata.parquet").to_pylist()
    metadata[1]["product_id"] = "TerraMesh:1"
    pq.write_table(pa.Table.from_pylist(metadata), own_archives[0] / "metadata.parquet")
    replace_row(own_archives[0], 1, product_id="TerraMesh:1")
    tally = export(folders=own_archives)
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


def test_the_order_of_patches_depends_on_seed_cell_row_and_column():
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


REAL_CELLS = ("282D_485L", "38D_378R", "433D_629L", "609U_541L", "637U_59R")


def test_every_patch_of_the_real_archive_is_what_rasterio_reads(export, real_data, tmp_path):
    """Five windows of 224 px: 4 × 4 patches of 56 px, from pixel 0; nothing is subtracted."""
    sample = real_data / "majortom-sample"
    folders = (sample / "Core-S2L2A", sample / "Core-S1RTC")
    cells = [*REAL_CELLS, "0U_199R", "199U_1099R"]
    summary = export(cells=cells, folders=folders, patch_px=56, missing=Missing.SKIP)
    assert (summary.patches, summary.cells_missing) == (80, 2)
    assert summary.tiles_of_doubtful_offset == ["433D_629L"]
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
