"""The commands of `csmoe text`."""

import json

import pyarrow.parquet as pq
from minortom_cli.console import run
from minortom_cli.model.app import app

pytest_plugins = ("text_fixtures",)


def typed(*words):
    return run(app, [str(word) for word in words])


def test_the_commands_take_their_options(seen, tmp_path, capsys):
    (tmp_path / "own.yaml").write_text("templates: ['behold {landcover}']")
    options = [
        "--shards", seen / "shards", "--sensor", "s2", "--templates", tmp_path / "own.yaml",
        "--captions", tmp_path / "c.csv", "--epochs", 2, "--batch-size", 8, "--lr", 0.01,
        "--seed", 1, "--save-every", 2,
    ]  # fmt: skip
    train = ["text", "train", seen / "e.parquet", "--out", tmp_path / "t", *options, "--json"]
    assert typed(*train) == 0
    result = json.loads(capsys.readouterr().out)
    assert (result["status"], result["sensor"], result["patches"]) == ("trained", "s2", 32)
    assert "behold" in (tmp_path / "c.csv").read_text()
    assert typed(*train[:-1]) == 0
    assert "up to date" in capsys.readouterr().out

    search = ["text", "search", tmp_path / "t", seen / "e.parquet", "water in zzz", "--shards",
              seen / "shards", "--html", tmp_path / "h.html", "--k", 3]  # fmt: skip
    assert typed(*search) == 0
    out, err = capsys.readouterr()
    assert len(out.strip().splitlines()) == 2 + 3
    assert err == "note: the text model does not know zzz; left out, understood: water in\n"
    assert typed(*search, "--json") == 0
    assert json.loads(capsys.readouterr().out)["unknown"] == ["zzz"]

    classify = ["text", "classify", tmp_path / "t", seen / "e.parquet", "--classes",
                "water, cropland", "--out", tmp_path / "c.parquet"]  # fmt: skip
    assert typed(*classify, "--json") == 0
    assert json.loads(capsys.readouterr().out)["classes"] == ["water", "cropland"]
    names = pq.read_schema(tmp_path / "c.parquet").names
    assert names[:7] == [
        "grid_cell", "patch_row", "patch_col", "split", "class", "score_water", "score_cropland",
    ]  # fmt: skip
    assert typed(*classify[:5], "water,zebra", *classify[6:], "--overwrite") == 1
    assert "found none in 'zebra'" in capsys.readouterr().err


def test_mistakes_are_one_line(seen, tmp_path, capsys):
    search = ["--shards", seen / "shards", "--html", tmp_path / "h.html"]
    assert typed("text", "search", seen / "text", seen / "e.parquet", "unicorn", *search) == 1
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("error: expected words that describe a patch")
    train = ["text", "train", seen / "e.parquet", "--out", tmp_path / "t"]
    both = ["--annotated", tmp_path / "a.parquet", "--own-captions", tmp_path / "c.csv"]
    assert typed(*train, *both) == 2
    assert "--own-captions alone, found --annotated" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
