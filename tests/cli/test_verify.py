"""`minortom verify` as a user types it."""

import json

import pytest
from minortom_cli.console import run
from minortom_cli.curate.app import app
from shard_maker import write_made_up_shards

FIRST = "shard-00000-of-00002.parquet"


@pytest.fixture
def folder(tmp_path):
    write_made_up_shards(tmp_path / "shards", num_val=12)
    return tmp_path / "shards"


def verify(folder, *options):
    return run(app, ["verify", str(folder), *options])


def test_whole_shards_end_with_0(folder, capsys):
    assert verify(folder, "--deep", "--workers", "2") == 0
    out, err = capsys.readouterr()
    assert "whole" in out
    assert "every byte" in out
    assert err == ""


def test_a_missing_shard_is_a_line_and_1(folder, capsys):
    (folder / FIRST).unlink()
    assert verify(folder) == 1
    assert capsys.readouterr().err == f"error: {FIRST}: is missing\n"


def test_json_is_the_result_alone_and_ends_with_1_where_something_is_wrong(folder, capsys):
    (folder / FIRST).unlink()
    assert verify(folder, "--json") == 1
    found = json.loads(capsys.readouterr().out)
    assert found["problems"] == [f"{FIRST}: is missing"]
    assert (found["status"], found["shards"], found["patches"]) == ("damaged", 2, 150)


def test_a_flipped_bit_needs_deep(folder, capsys):
    data = bytearray((folder / FIRST).read_bytes())
    data[3000] ^= 128
    (folder / FIRST).write_bytes(data)
    assert verify(folder, "--deep") == 1
    assert capsys.readouterr().err.startswith(f"error: {FIRST}: its SHA-256 is not")


def test_no_shards_are_one_line(tmp_path, capsys):
    assert verify(tmp_path / "none") == 1
    assert capsys.readouterr().err.startswith("error: ")
