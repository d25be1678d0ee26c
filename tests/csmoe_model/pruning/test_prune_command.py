"""The commands `csmoe prune` and `csmoe plot pruning`, and what they refuse."""

import json
import shutil
from dataclasses import replace

import pytest
from error_lines import one_line
from file_hashes import hashes
from minortom_cli.console import run
from minortom_cli.model.app import app
from model_folders import write
from pruning_models import WIDE, random_model
from pruning_runs import pruned, record_of
from shard_maker import PROVENANCE, made_up_metadata, made_up_tensors

from minortom.shards.layout import SampleSpec
from minortom.shards.writer import write_shards


def prune_command(work, *words, checkpoint="model"):
    shards = () if "--shards" in words else ("--shards", work / "shards")
    sensor = () if "--sensor" in words else ("--sensor", "s2")
    return run(app, ["prune", *map(str, (work / checkpoint, *shards, *sensor, *words))])


def test_the_command_prints_json_and_plot_draws_the_results(work, tmp_path, capsys):
    out = tmp_path / "tiny"
    words = ("--out", out, "--keep", 1, "--by", "norm", "--calibrate", 4, "--seed", 3, "--json")
    assert prune_command(work, *words, "--workers", 1) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["experts"] == {"s2.0": "1 of 4", "s2.1": "1 of 4", "shared.0": "1 of 4"}
    assert printed["by"] == "norm"
    assert printed["html"] is None

    plot = ("plot", "pruning", out, "--out", tmp_path / "p.png")
    assert run(app, list(map(str, plot))) == 0
    points = json.loads((tmp_path / "p.json").read_text())["points"]
    assert [point["experts"] for point in points] == [4, 3, 2, 1]
    curve = record_of(out)["curve"]
    assert [point["macs"] for point in points] == [row["macs_full"] for row in curve]
    assert [point["drift"] for point in points] == [row["drift"]["s2"] for row in curve]
    assert run(app, list(map(str, plot))) == 1
    assert "--overwrite" in one_line(capsys.readouterr().err)
    assert run(app, ["plot", "pruning", str(work / "model"), "--out", str(tmp_path / "q.png")]) == 1
    assert "expected a record of `csmoe prune`" in one_line(capsys.readouterr().err)


def test_the_plot_takes_results_with_different_names_only(small, tmp_path, capsys):
    for seed in ("seed-0", "seed-1"):
        shutil.copytree(small[1], tmp_path / seed / "small")
    words = ("plot", "pruning", tmp_path / "seed-0/small", tmp_path / "seed-1/small")
    assert run(app, [*map(str, words), "--out", str(tmp_path / "p.png")]) == 1
    assert "found the same name twice in small, small" in one_line(capsys.readouterr().err)
    assert not (tmp_path / "p.png").exists()

    (tmp_path / "seed-1/small").rename(tmp_path / "seed-1/other")
    words = ("plot", "pruning", tmp_path / "seed-0/small", tmp_path / "seed-1/other")
    assert run(app, [*map(str, words), "--out", str(tmp_path / "p.png")]) == 0
    points = json.loads((tmp_path / "p.json").read_text())["points"]
    assert {point["from"] for point in points} == {"small", "other"}


def test_the_plot_never_replaces_the_record_of_a_model(small, capsys):
    _, out = small
    before = hashes(out)
    for words in ((), ("--overwrite",)):
        plot = ("plot", "pruning", out, "--out", out / "pruning.png", *words)
        assert run(app, list(map(str, plot))) == 1
        assert "pruning.json is a file of the input" in one_line(capsys.readouterr().err)
    assert hashes(out) == before


@pytest.mark.parametrize("content", [None, "", '{"points": []}'])
def test_a_model_with_a_damaged_record_is_made_again(work, small, tmp_path, content):
    whole, out = hashes(small[1]), shutil.copytree(small[1], tmp_path / "small")
    (out / "pruning.json").unlink()
    if content is not None:
        (out / "pruning.json").write_text(content)
    assert pruned(work, out, keep=2).status == "written"
    assert hashes(out) == whole


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--keep", 5), "keep must be at most 4, the experts of the largest layer, found 5"),
        (("--keep", 2, "--budget", 1), "found keep 2 and budget 1.0; leave one out"),
        (("--budget", 1e-5), "the cost of one expert in each layer, found 1e-05; give a larger"),
        (("--recover", 1, "--seed", 2**63), "seed must be below 2**63, found 9223372036854775808"),
        (("--budget", "inf"), "budget must be a finite number, found inf"),
        (("--recover", 1, "--lr", 0), "lr must be above 0 and below 1, found 0.0"),
        (("--lr", 0.1), "--lr is the learning rate of --recover, found --lr 0.1 without --recover"),
        (("--html", "page.pdf"), "--html must end in .html, found page.pdf; give another --html"),
    ],
)
def test_what_cannot_be_done_is_one_line_and_leaves_nothing(work, tmp_path, capsys, words, message):
    assert prune_command(work, "--out", tmp_path / "out", *words) == 1
    assert message in one_line(capsys.readouterr().err)
    assert list(tmp_path.iterdir()) == []


def test_a_page_inside_the_new_model_is_one_line(work, tmp_path, capsys):
    page = tmp_path / "out" / "page.html"
    assert prune_command(work, "--out", tmp_path / "out", "--html", page) == 1
    assert "--html must lie outside --out" in one_line(capsys.readouterr().err)
    assert list(tmp_path.iterdir()) == []


def test_shards_without_all_bands_are_one_line(work, tmp_path, capsys):
    spec = SampleSpec(patch_px=16, bands=("B02", "B03", "B04", "B08", "vv", "vh"))
    write_shards(
        tmp_path / "shards", tensors=made_up_tensors(6, 16, bands=spec.bands), spec=spec,
        metadata=made_up_metadata(6), provenance=PROVENANCE,
    )  # fmt: skip

    shards = ("--shards", tmp_path / "shards")
    assert prune_command(work, "--out", tmp_path / "o", *shards) == 1
    assert "does not have B05, B06, B07, B8A, B11, B12" in one_line(capsys.readouterr().err)


def test_a_checkpoint_without_experts_or_without_the_sensor_is_one_line(
    work, data, tmp_path, capsys
):
    plain = replace(WIDE, num_experts=0, bal_weight=0.0)
    write(tmp_path / "plain", random_model(plain), data.statistics)
    write(tmp_path / "s1", random_model(encoder_of=("s1",)), data.statistics)

    for name, message in (
        ("plain", "expected a model with experts, found one without experts in"),
        ("s1", "expected a checkpoint with an encoder of s2, found encoders of s1"),
    ):
        assert prune_command(work, "--out", tmp_path / "o", checkpoint=tmp_path / name) == 1
        assert message in one_line(capsys.readouterr().err)
    assert not (tmp_path / "o").exists()
