"""`verify` finds each kind of damage and names the shard; undamaged shards have no problem."""

import json
import os

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from shard_maker import PROVENANCE, made_up_metadata, made_up_tensors, write_made_up_shards

from minortom.dataset.verify import verify
from minortom.errors import ShardError
from minortom.io.provenance import sha256_of
from minortom.shards.layout import SampleSpec, shard_schema
from minortom.shards.writer import seal_shard, shard_record, start_shard, write_shards

FIRST, SECOND = "shard-00000-of-00002.parquet", "shard-00001-of-00002.parquet"


@pytest.fixture
def folder(tmp_path):
    """150 patches in two shards; the first 12, of three cells, are for validation."""
    write_made_up_shards(tmp_path / "shards", num_val=12)
    return tmp_path / "shards"


def problems(folder, *, deep=False, workers=2):
    return list(verify(folder, deep=deep, workers=workers).problems)


def record_of(folder):
    return json.loads((folder / "dataset.json").read_text())


def edit_record(folder, **changes):
    (folder / "dataset.json").write_text(json.dumps(record_of(folder) | changes))


def flip_bit(path, place):
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(data)


def place_of_pixel(path, column, *, group=0):
    """The last byte of a column's chunk: part of the last patch of its row group."""
    footer = pq.read_metadata(path)
    chunk = footer.row_group(group).column(footer.schema.names.index(column))
    return chunk.data_page_offset + chunk.total_compressed_size - 1


def write_with(tmp_path, metadata):
    write_shards(
        tmp_path / "own", tensors=made_up_tensors(len(metadata), 8), metadata=metadata,
        provenance=PROVENANCE, rows_per_shard=100,
    )  # fmt: skip
    return tmp_path / "own"


@pytest.mark.parametrize("deep", [False, True])
def test_whole_shards_have_no_problems(folder, deep):
    found = verify(folder, deep=deep)
    assert found.problems == ()
    assert (found.shards, found.patches) == (2, 150)
    total = sum(path.stat().st_size for path in folder.glob("*.parquet"))
    assert found.megabytes == round(total / 1e6, 1)


def test_a_shard_without_patches_has_no_problem(folder):
    path = folder / "shard-00002-of-00003.parquet"
    with start_shard(path, spec=SampleSpec(patch_px=8), provenance=PROVENANCE):
        pass
    record = record_of(folder)
    seal_shard(path, shard_record(SampleSpec(patch_px=8), record["statistics"], PROVENANCE))
    entry = {"file": path.name, "bytes": path.stat().st_size, "sha256": sha256_of(path)}
    edit_record(folder, shards=[*record["shards"], {**entry, "rows": 0}])
    assert problems(folder, deep=True) == []


def test_progress_ends_with_all_shards(folder):
    told = []
    verify(folder, on_progress=lambda *counts: told.append(counts))
    assert told[-1] == (2, 2)


def test_a_missing_shard_is_one_line(folder):
    (folder / SECOND).unlink()
    assert problems(folder) == [f"{SECOND}: is missing"]


@pytest.mark.parametrize("column", ["s2_10m", "s2_20m", "s1"])
def test_a_flipped_bit_in_a_pixel_is_one_line_of_deep_that_names_the_row_group(folder, column):
    flip_bit(folder / FIRST, place_of_pixel(folder / FIRST, column, group=1))
    assert problems(folder) == []
    [line] = problems(folder, deep=True)
    assert line.startswith(f"{FIRST}: its SHA-256 is not the one in dataset.json; row group 1: ")


def test_a_flipped_bit_is_found_by_its_page_where_the_record_was_made_to_agree(folder):
    from minortom.io.provenance import sha256_of

    flip_bit(folder / FIRST, place_of_pixel(folder / FIRST, "s1"))
    shards = record_of(folder)["shards"]
    shards[0]["sha256"] = sha256_of(folder / FIRST)
    edit_record(folder, shards=shards)
    [line] = problems(folder, deep=True)
    assert line.startswith(f"{FIRST}: row group 0: ")


@pytest.mark.parametrize("seed", range(5))
def test_a_flipped_bit_anywhere_is_found_by_deep(folder, seed):
    size = (folder / SECOND).stat().st_size
    flip_bit(folder / SECOND, int(np.random.default_rng(seed).integers(size)))
    assert any(line.startswith(f"{SECOND}: ") for line in problems(folder, deep=True))


def test_a_hash_missing_from_the_record_is_one_line(folder):
    first, *others = record_of(folder)["shards"]
    del first["sha256"]
    edit_record(folder, shards=[first, *others])
    assert problems(folder) == [f"{FIRST}: dataset.json does not record its SHA-256"]


def test_a_shard_that_is_cut_is_one_line(folder):
    size = (folder / FIRST).stat().st_size
    os.truncate(folder / FIRST, 50_000)
    [line] = problems(folder)
    assert line.startswith(
        f"{FIRST}: 50000 bytes where dataset.json records {size}; cannot be read ("
    )


def test_a_wrong_count_of_rows_is_one_line(folder):
    shards = record_of(folder)["shards"]
    shards[1]["rows"] = 49
    edit_record(folder, shards=shards)
    assert problems(folder) == [f"{SECOND}: 50 rows where dataset.json records 49"]


def test_a_wrong_count_of_a_split_is_one_line(folder):
    edit_record(folder, splits={"train": 139, "val": 11})
    [line] = problems(folder)
    assert line.endswith("but the shards have {'train': 138, 'val': 12}")


def test_a_shard_with_patches_of_another_split_than_its_own_is_one_line(folder):
    shards = record_of(folder)["shards"]
    shards[1]["split"] = "val"
    edit_record(folder, shards=shards)
    assert problems(folder) == [f"{SECOND}: has patches of the split train, not only val"]


def test_a_shard_that_another_tool_rewrote_is_one_line(folder):
    pq.write_table(pq.read_table(folder / FIRST), folder / FIRST)
    [line] = problems(folder)
    assert line.startswith(f"{FIRST}: ")
    for column in ("s2_10m", "s2_20m", "s1"):
        assert f"values of {column} are not at their offsets" in line


def test_a_length_before_a_value_that_is_damaged_is_one_line(folder):
    place = place_of_pixel(folder / FIRST, "s1") - 256  # 8 x 8 pixels of 2 bands of 2 bytes
    flip_bit(folder / FIRST, place)
    assert problems(folder) == [f"{FIRST}: values of s1 are not at their offsets"]


def test_columns_of_another_type_are_found(folder):
    table = pq.read_table(folder / FIRST)
    number = table.column_names.index("epsg")
    wrong = table.set_column(number, "epsg", table["epsg"].cast(pa.int64()))
    pq.write_table(wrong, folder / FIRST)
    assert "its columns are not those of the schema" in problems(folder)[0]


def test_a_shard_of_another_data_set_is_found_by_its_provenance(folder, tmp_path):
    from dataclasses import replace

    write_shards(
        tmp_path / "other", tensors=made_up_tensors(150, 8),
        metadata=made_up_metadata(150, num_val=12), provenance=replace(PROVENANCE, seed=1),
        rows_per_shard=100,
    )  # fmt: skip
    (folder / SECOND).write_bytes((tmp_path / "other" / SECOND).read_bytes())
    [line] = problems(folder)
    assert line == f"{SECOND}: its provenance is not that of dataset.json"


def test_statistics_missing_from_the_footer_are_found(folder):
    statistics = record_of(folder)["statistics"]
    statistics["s1"]["mean"][0] += 1
    edit_record(folder, statistics=statistics)
    assert problems(folder) == [
        f"{name}: its footer has another statistics than dataset.json" for name in (FIRST, SECOND)
    ]


@pytest.mark.parametrize(("share", "found"), [(1e-8, 0), (1e-5, 1)])
def test_statistics_are_compared_to_a_millionth(folder, share, found):
    statistics = record_of(folder)["statistics"]
    statistics["s2_20m"]["std"][3] *= 1 + share
    edit_record(folder, statistics=statistics)
    lines = [line for line in problems(folder, deep=True) if line.startswith("dataset.json: ")]
    assert len(lines) == found
    assert all(line.startswith("dataset.json: std of s2_20m B8A is") for line in lines)


def test_statistics_of_many_bands_are_one_line(folder):
    statistics = record_of(folder)["statistics"]
    for name in ("mean", "std"):
        statistics["s1"][name] = [value + 1 for value in statistics["s1"][name]]
    edit_record(folder, statistics=statistics)
    [line] = [line for line in problems(folder, deep=True) if line.startswith("dataset.json: ")]
    assert line.startswith("dataset.json: mean of s1 vv is ")
    assert line.endswith(" (the first of 4 that differ)")


def test_a_shard_that_lost_its_patches_is_one_line(folder):
    pq.write_table(pq.read_table(folder / FIRST).slice(0, 0), folder / FIRST)
    [line] = problems(folder, deep=True)
    assert line.startswith(f"{FIRST}: ")
    assert "0 rows where dataset.json records 100" in line


def test_a_shard_whose_patches_occur_twice_is_one_line(folder):
    table = pq.read_table(folder / FIRST)
    pq.write_table(pa.concat_tables([table, table]), folder / FIRST)
    [line] = problems(folder, deep=True)
    assert "200 rows where dataset.json records 100" in line
    assert "; 100 patches occur more than once, first " in line


def test_a_patch_that_occurs_twice_is_found(tmp_path):
    metadata = made_up_metadata(150, num_val=12)
    number = metadata.column_names.index("patch_col")
    columns = np.arange(150) % 2
    columns[149] = 0  # the patch before it, of the same cell and row
    metadata = metadata.set_column(
        number, metadata.schema.field(number), pa.array(columns, "int16")
    )
    assert problems(write_with(tmp_path, metadata)) == []
    assert problems(tmp_path / "own", deep=True) == [
        f"{SECOND}: 1 patches occur more than once, first 37U_37R"
    ]


def test_a_cell_in_two_splits_is_found(tmp_path):
    folder = write_with(tmp_path, made_up_metadata(150, num_val=10))
    assert problems(folder, deep=True) == [
        f"{FIRST}: 1 cells are in more than one split, first 2U_2R"
    ]


def test_a_shard_that_the_record_does_not_name_is_found(folder):
    pq.write_table(
        shard_schema(SampleSpec(patch_px=8)).empty_table(), folder / "shard-00002-of-00003.parquet"
    )
    assert problems(folder) == ["shard-00002-of-00003.parquet: dataset.json does not name it"]


def test_a_name_that_leads_out_of_the_folder_is_refused(folder):
    shards = record_of(folder)["shards"]
    shards[0]["file"] = f"../shards/{FIRST}"
    edit_record(folder, shards=shards)
    with pytest.raises(ShardError, match=r"shards\[0\].file must be the name of a file without"):
        verify(folder)


def test_without_a_record_there_is_nothing_to_check_against(folder):
    (folder / "dataset.json").unlink()
    with pytest.raises(ShardError, match="has no dataset.json"):
        verify(folder)


def test_one_thread_and_four_find_the_same(folder):
    flip_bit(folder / FIRST, place_of_pixel(folder / FIRST, "s1"))
    (folder / SECOND).unlink()
    assert problems(folder, deep=True, workers=1) == problems(folder, deep=True, workers=4)
