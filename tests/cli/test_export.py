"""`minortom export` as a user types it."""

import json
import shutil

import pyarrow.parquet as pq
import pytest
from archive_maker import CELLS, write_pair_of_archives, write_selection
from minortom_cli.console import run
from minortom_cli.curate.app import app

from minortom.shards.shard_set import ShardSet


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("inputs")
    s2, s1 = write_pair_of_archives(folder, CELLS[:3])
    write_selection(folder / "selection.parquet", CELLS[:3])
    write_selection(folder / "more.parquet", [*CELLS[:3], "90U_1R"])
    return folder, s2, s1


@pytest.fixture
def export(inputs, tmp_path):
    folder, s2, s1 = inputs

    def call(*options, selection="selection.parquet", s2=s2, s1=s1):
        arguments = [folder / selection, "--s2", s2, "--s1", s1, "--out", tmp_path / "shards",
                     "--patch-size", 12, "--workers", 1, *options]  # fmt: skip
        return run(app, ["export", *map(str, arguments)])

    return call


def error_line(capsys):
    [line] = [line for line in capsys.readouterr().err.splitlines() if line.strip()]
    assert line.startswith("error: ")
    return line


def test_it_makes_shards_and_says_what_is_in_them(export, tmp_path, capsys):
    assert export() == 0
    out = capsys.readouterr().out
    assert "written" in out
    assert len(ShardSet.open(tmp_path / "shards")) == 48
    assert sorted(path.name for path in tmp_path.iterdir()) == ["shards", "shards.run.json"]
    assert sorted(path.name for path in (tmp_path / "shards").iterdir()) == [
        "README.md", "dataset.json", "shard-00000-of-00001.parquet"
    ]  # fmt: skip


def test_json_is_the_result_alone(export, tmp_path, capsys):
    assert export("--json") == 0
    result = json.loads(capsys.readouterr().out)
    assert result["out"] == str(tmp_path / "shards")
    assert (result["patches"], result["tiles"], result["shards"]) == (48, 3, 1)
    assert result["tiles_unreadable"] == {}


def test_codec_packs_the_tensors_and_the_same_shards_are_read(export, tmp_path):
    assert export("--codec", "blosc2") == 0
    shards = ShardSet.open(tmp_path / "shards")
    assert (shards.spec.codec, len(shards)) == ("blosc2", 48)
    assert shards.provenance["options"]["codec"] == "blosc2"
    packed = shards.buffers(48)
    shards.read_rows(range(48), packed)
    assert export("--codec", "none", "--overwrite") == 0
    plain = ShardSet.open(tmp_path / "shards").buffers(48)
    ShardSet.open(tmp_path / "shards").read_rows(range(48), plain)
    assert all((plain[column] == packed[column]).all() for column in plain)


def test_format_webdataset_makes_tars_that_verify_reads(export, tmp_path, capsys):
    assert export("--format", "webdataset") == 0
    assert sorted(path.name for path in (tmp_path / "shards").iterdir()) == [
        "README.md", "dataset.json", "shard-00000-of-00001.tar"
    ]  # fmt: skip
    assert run(app, ["verify", str(tmp_path / "shards"), "--deep"]) == 0
    capsys.readouterr()
    assert export("--format", "webdataset", "--json") == 0
    assert '"status": "up to date"' in capsys.readouterr().out


def test_packed_tars_are_one_line(export, capsys):
    assert export("--format", "webdataset", "--codec", "blosc2") == 1
    assert "--codec none or --format parquet" in error_line(capsys)


def test_again_it_is_up_to_date(export, capsys):
    assert [export(), export("--json")] == [0, 0]
    assert '"status": "up to date"' in capsys.readouterr().out


def test_other_options_need_overwrite(export, tmp_path, capsys):
    assert export() == 0
    capsys.readouterr()
    assert export("--seed", 1) == 1
    assert "give --overwrite or another --out" in error_line(capsys)
    assert export("--seed", 1, "--overwrite") == 0
    assert ShardSet.open(tmp_path / "shards").provenance["seed"] == 1


def test_missing_cells_are_an_error_unless_skipped(export, tmp_path, capsys):
    assert export(selection="more.parquet") == 1
    assert (
        "have no tile for 1 of 4 selected cells, first 90U_1R (Sentinel-2); give --missing skip to "
        "export the others, or select among the cells that have tiles: `minortom annotate --s2 A"
        in (error_line(capsys))
    )
    assert list(tmp_path.iterdir()) == []
    assert export("--missing", "skip", "--json", selection="more.parquet") == 0
    assert json.loads(capsys.readouterr().out)["cells_missing"] == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"s2": "Core-S2L2A"},
            "Core-S2L2A does not exist; expected an archive in Major TOM's layout",
        ),
        ({"s1": "hf://Major-TOM"}, "hf://datasets/"),
        ({"selection": "none.parquet"}, "none.parquet does not exist; make it with `minortom"),
        ({"selection": "Core-S2L2A/metadata.parquet"}, "must have the column climate, landcover"),
    ],
)
def test_bad_input_is_one_line_and_exit_1(export, tmp_path, capsys, options, message):
    assert export(**options) == 1
    assert message in error_line(capsys)
    assert list(tmp_path.iterdir()) == []


def test_swapped_archives_are_an_error(export, inputs, capsys):
    assert export(s2=inputs[2], s1=inputs[1]) == 1
    assert "expected the column cloud_cover in the metadata" in error_line(capsys)


def test_a_patch_of_an_odd_side_is_an_error(export, capsys):
    assert export("--patch-size", 13) == 1
    assert (
        "must be a positive multiple of 2 px, so that bands of 20 m have whole pixels, found 13 px"
        in error_line(capsys)
    )


def test_an_unreadable_tile_is_named_and_does_not_end_the_run(inputs, tmp_path, capsys):
    s2, s1 = write_pair_of_archives(tmp_path, CELLS[:3])
    part = s1 / "images" / "part_00002.parquet"
    table = pq.read_table(part)
    garbled = table.set_column(table.column_names.index("vv"), "vv", [[b"II*\0garbled"]])
    pq.write_table(garbled, part, row_group_size=1)
    selection, out = inputs[0] / "selection.parquet", tmp_path / "out"
    arguments = [selection, "--s2", s2, "--s1", s1, "--out", out, "--patch-size", 12, "--json"]
    assert run(app, ["export", *map(str, arguments)]) == 0
    result = json.loads(capsys.readouterr().out)
    assert list(result["tiles_unreadable"]) == [CELLS[2]]
    assert result["patches"] == 32


def test_replacements_are_counted(inputs, tmp_path, capsys):
    _, s2, s1 = inputs
    columns = {"role": ["selected", "selected", "reserve"], "reserve_rank": [None, None, 1]}
    selection = write_selection(tmp_path / "r.parquet", [CELLS[0], "90U_1R", CELLS[2]], **columns)
    arguments = [selection, "--s2", s2, "--s1", s1, "--out", tmp_path / "out", "--patch-size", 12]
    for _ in range(2):  # the second time it is up to date, and says the same
        assert run(app, ["export", *map(str, arguments), "--json"]) == 0
        result = json.loads(capsys.readouterr().out)
        assert (result["tiles"], result["cells_missing"]) == (2, 1)
        assert (result["tiles_replaced"], result["tiles_not_replaced"]) == ({"missing": 1}, 0)
    assert run(app, ["export", *map(str, arguments)]) == 0
    assert "tiles replaced missing 1" in " ".join(capsys.readouterr().out.split())


def test_archives_may_be_addresses(inputs, web_server, tmp_path, capsys):
    folder, s2, s1 = inputs
    for place in (s2, s1):
        shutil.copytree(place, web_server.folder / place.name)
    s2, s1 = (f"{web_server.url}/{place.name}" for place in (s2, s1))
    arguments = [folder / "selection.parquet", "--s2", s2, "--s1", s1, "--out", tmp_path / "out"]
    options = ["--patch-size", 12, "--workers", 1, "--json"]
    assert run(app, ["export", *map(str, [*arguments, *options])]) == 0
    assert json.loads(capsys.readouterr().out)["patches"] == 48


@pytest.mark.parametrize("options", [["--missing", "maybe"], ["--patch-size", "0"], ["--what"]])
def test_wrong_usage_is_exit_2(export, options):
    assert export(*options) == 2
