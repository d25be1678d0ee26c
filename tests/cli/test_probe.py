"""The command `csmoe probe`: output, files and errors."""

import json
import signal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from error_lines import json_error, one_line
from geotiff_maker import tiff
from minortom_cli.console import run
from minortom_cli.model.app import app
from model_folders import write_model
from training_shards import label_table, learnable_shards

from minortom.io.provenance import sha256_of
from minortom.shards.shard_set import ShardSet


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cli-probe")
    learnable_shards(folder / "shards", train=16, val=8, test=8, apart_deg=5)
    write_model(folder / "model", ShardSet.open(folder / "shards"))
    return folder


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr("csmoe_model.probing.probe.NUM_DRAWS", 20)
    monkeypatch.setattr("csmoe_model.probing.heads.STRENGTHS", (1e-2, 1.0))
    monkeypatch.setattr("csmoe_model.probing.heads.EPOCHS", 2)
    former = signal.getsignal(signal.SIGTERM)  # `run` takes it over for good
    yield
    signal.signal(signal.SIGTERM, former)


def probe(folder, out, *more, data="shards", root="shards"):
    words = [
        "probe",
        folder / "model",
        "--data",
        data,
        "--root",
        folder / root,
        "--out",
        out,
        *more,
    ]
    return run(app, [str(word) for word in words])


def printed(capsys):
    return json.loads(capsys.readouterr().out)


def test_few_training_samples_of_each_class_are_probed(folder, tmp_path, capsys):
    assert probe(folder, tmp_path / "out", "--seeds", 2, "--shots", 3, "--json") == 0
    found = printed(capsys)
    assert found["settings"]["shots"]["a_class"] == 3
    assert {len(row["chosen"]) for row in found["rows"]} == {5, 10}
    tuned = [row for row in found["rows"] if row["probe"] == "logistic, cross-validated"]
    assert [row["features"] for row in tuned] == [
        "model", "band statistics", "random convolutions", "untrained model",
    ]  # fmt: skip
    assert {name for row in tuned for one in row["chosen"] for name in one} == {
        "C", "cross-validated",
    }  # fmt: skip
    more = ("--protocol", "paper", "--seeds", 2, "--shots", 3, "--json")
    assert probe(folder, tmp_path / "paper", *more) == 0
    assert {len(row["chosen"]) for row in printed(capsys)["rows"]} == {5, 10}


def test_it_writes_the_result_and_shows_a_row_for_each_kind_of_features(folder, tmp_path, capsys):
    assert probe(folder, tmp_path / "out", "--seeds", 1) == 0
    shown = capsys.readouterr().out
    for name in ("model", "band statistics", "random convolutions", "untrained model"):
        assert name in shown
    assert (tmp_path / "out" / "table.tex").is_file()
    assert (tmp_path / "out.run.json").is_file()


def test_labels_of_a_table_are_probed(folder, tmp_path, capsys):
    table = label_table(folder / "shards")
    labels = ["ab"[name in ("water", "cropland")] for name in table["label"].to_pylist()]
    pq.write_table(table.set_column(3, "label", pa.array(labels)), tmp_path / "labels.parquet")
    words = ("--labels", tmp_path / "labels.parquet", "--seeds", 1, "--json")
    assert probe(folder, tmp_path / "out", *words) == 0
    found = printed(capsys)
    assert found["classes"] == ["a", "b"]
    assert found["minortom"]["options"]["labels_sha256"] == sha256_of(tmp_path / "labels.parquet")
    assert probe(folder, tmp_path / "out", *words, "--label", "climate") == 1
    assert "expected --label or --labels" in capsys.readouterr().err


def test_every_option_is_in_the_record(folder, tmp_path, capsys):
    words = (
        "--label", "stratum", "--protocol", "paper", "--pooling", "both", "--sensor", "s2",
        "--seeds", 2, "--seed", 3, "--lr", 0.5, "--json",
    )  # fmt: skip
    assert probe(folder, tmp_path / "out", *words) == 1
    # All patches of these shards have one stratum.
    assert "found only Af/tree_cover in all 16 samples" in json_error(capsys.readouterr().err)
    assert probe(folder, tmp_path / "out", *words[2:]) == 0
    found = printed(capsys)
    settings = found["settings"]
    assert (settings["protocol"], settings["pooling"]) == ("paper", "both")
    assert (settings["sensors"], settings["seeds"], settings["lr"]) == (["s2"], [3, 4], 0.5)
    assert found["rows"][0]["width"] == 64
    assert found["minortom"]["options"]["label"] == "landcover"


def test_shards_are_split_by_blocks_on_request(folder, tmp_path, capsys):
    # All in one place: with any seed, one block holds everything.
    learnable_shards(tmp_path / "near", train=12, val=4)
    words = ("--split-by", "blocks", "--seed", "1")
    assert probe(folder, tmp_path / "out", *words, root=tmp_path / "near") == 1
    message = one_line(capsys.readouterr().err)
    assert "more than 100 km" in message
    assert "larger region" in message


def test_another_result_is_replaced_only_when_allowed(folder, tmp_path, capsys):
    words = ("--seeds", 1, "--sensor", "s1")
    assert probe(folder, tmp_path / "out", *words) == 0
    assert probe(folder, tmp_path / "out", *words, "--pooling", "mean") == 1
    assert "--overwrite" in one_line(capsys.readouterr().err)
    assert probe(folder, tmp_path / "out", *words, "--pooling", "mean", "--overwrite") == 0


def test_features_are_cached_on_request(folder, tmp_path, capsys):
    words = ("--seeds", 1, "--sensor", "s1", "--cache", tmp_path / "cache")
    assert probe(folder, tmp_path / "out", *words) == 0
    assert len(list((tmp_path / "cache").iterdir())) == 4 * 3 + 1  # kinds × splits, image size
    (tmp_path / "file").touch()
    assert probe(folder, tmp_path / "other", "--cache", tmp_path / "file") == 1
    assert "--cache must be a folder, found the file" in one_line(capsys.readouterr().err)


@pytest.fixture
def images(tmp_path):
    """Two kinds of land as GeoTIFFs of Sentinel-1 without band names, and their labels."""
    rng = np.random.default_rng(0)
    lines = ["file,label,split"]
    for number in range(24):
        kind, split = number % 2, ("train", "train", "val", "test")[number // 2 % 4]
        db = rng.normal(-15 + 5 * kind, 1, (2, 12, 12))
        tiff(tmp_path / "set" / f"{number}.tif", db)
        lines.append(f"{number}.tif,{('water', 'town')[kind]},{split}")
    (tmp_path / "set" / "labels.csv").write_text("\n".join(lines))
    return tmp_path / "set"


def test_a_folder_of_geotiffs_with_labels_is_probed(folder, images, tmp_path, capsys):
    words = ("--seeds", 1, "--s1-bands", "vv,vh", "--json")
    assert probe(folder, tmp_path / "out", *words, data="folder", root=images) == 0
    found = printed(capsys)
    assert found["splits"] == {"train": 12, "val": 6, "test": 6}
    assert (found["data"], found["classes"]) == ("set/", ["town", "water"])
    assert found["settings"]["sensors"] == ["s1"]
    statistics = next(row for row in found["rows"] if row["features"] == "band statistics")
    assert statistics["scores"]["average_accuracy"]["value"] == 1


def test_other_band_names_are_another_result_with_other_features(folder, images, tmp_path, capsys):
    words = ("--seeds", 1, "--cache", tmp_path / "cache", "--s1-bands")
    assert probe(folder, tmp_path / "out", *words, "vv,vh", data="folder", root=images) == 0
    assert len(list((tmp_path / "cache").iterdir())) == 4 * 3 + 1  # kinds × splits, image size
    capsys.readouterr()
    assert probe(folder, tmp_path / "out", *words, "vh,vv", data="folder", root=images) == 1
    assert "--overwrite" in one_line(capsys.readouterr().err)
    assert probe(folder, tmp_path / "other", *words, "vh,vv", data="folder", root=images) == 0
    assert len(list((tmp_path / "cache").iterdir())) == 2 * (4 * 3 + 1)


def test_a_folder_without_band_names_or_with_other_bands_is_a_one_line_error(
    folder, images, tmp_path, capsys
):
    assert probe(folder, tmp_path / "out", data="folder", root=images) == 1
    assert "without a name; give --s2-bands" in one_line(capsys.readouterr().err)
    words = ("--s1-bands", "vv,hh")
    assert probe(folder, tmp_path / "out", *words, data="folder", root=images) == 1
    assert "needs the s1 bands vv vh, found vv hh; add vh" in one_line(capsys.readouterr().err)
    words = ("--s2-bands", "B02,B03")
    assert probe(folder, tmp_path / "out", *words, data="folder", root=images) == 1
    assert "found B02 B03; add B04" in one_line(capsys.readouterr().err)


def test_notes_on_a_folder_are_printed_when_the_result_is_made(folder, images, tmp_path, capsys):
    labels = images / "labels.csv"
    labels.write_text(labels.read_text().replace(",val", ",train"))
    words = ("--seeds", 1, "--s1-bands", "vv,vh")
    refused = (*words, "--sensor", "s2")
    assert probe(folder, tmp_path / "out", *refused, data="folder", root=images) == 1
    assert "found only s1" in one_line(capsys.readouterr().err)
    assert probe(folder, tmp_path / "out", *words, data="folder", root=images) == 0
    assert f"note: {images} has no validation images: drew 4 of 18" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("data", "option", "value"),
    [("folder", "--label", "climate"), ("eurosat", "--split-by", "blocks"),
     ("shards", "--s2-bands", "B02"), ("eurosat", "--s1-bands", "vv")],
)  # fmt: skip
def test_an_option_of_another_kind_of_set_is_a_one_line_error(
    folder, tmp_path, capsys, data, option, value
):
    assert probe(folder, tmp_path / "out", option, value, data=data) == 1
    assert f"{option} applies to --data" in one_line(capsys.readouterr().err)


def test_a_folder_named_like_a_published_set_is_not_that_set(folder, images, tmp_path, capsys):
    own = images.rename(tmp_path / "m-eurosat")
    words = ("--seeds", 1, "--s1-bands", "vv,vh", "--protocol", "paper", "--json")
    assert probe(folder, tmp_path / "out", *words, data="folder", root=own) == 0
    found = printed(capsys)
    assert (found["settings"]["lr"], found["published"]) == (0.01, [])


def test_an_unknown_set_is_wrong_usage(folder, tmp_path, capsys):
    assert probe(folder, tmp_path / "out", data="shreds") == 2
    assert "shreds" in capsys.readouterr().err


def test_a_folder_that_is_not_shards_is_a_one_line_error(folder, tmp_path, capsys):
    assert probe(folder, tmp_path / "out", root=tmp_path) == 1
    assert "expected a folder of shards, but " in one_line(capsys.readouterr().err)


def test_a_result_never_replaces_the_set(folder, capsys):
    assert probe(folder, folder / "shards", "--overwrite") == 1
    assert "is the input " in one_line(capsys.readouterr().err)
