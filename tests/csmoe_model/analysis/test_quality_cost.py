"""`csmoe plot quality-cost` and `tokens`: points of probes and of the paper."""

import json

import pytest
from error_lines import one_line
from file_hashes import hashes
from minortom_cli.console import run
from minortom_cli.model.app import app
from PIL import Image

import csmoe_model
from csmoe_model.analysis.quality_cost import PAPER_MACS
from csmoe_model.nn.cost import encoder_cost
from csmoe_model.recipes import recipe
from minortom.errors import InputError


def result(folder, *, pooling="cls", percent=60.0, data="shards", probe="logistic"):
    """Write a result as a probe of `small` writes it."""

    def row(features, value):
        score = {"value": value / 100, "low": value / 100 - 0.02, "high": value / 100 + 0.03}
        return {"features": features, "probe": probe, "scores": {"average_accuracy": score}}

    found = {
        "data": data, "headline": "average_accuracy",
        "settings": {"recipe": "small", "pooling": pooling, "sensors": ["s2"],
                     "macs_paper": encoder_cost(recipe("small")).macs_paper},
        "rows": [row("model", percent), row("band statistics", 50.0)],
    }  # fmt: skip
    folder.mkdir()
    (folder / "result.json").write_text(json.dumps(found), encoding="utf-8")
    return folder


def plot(*words):
    return run(app, ["plot", *(str(word) for word in words)])


def points_of(path):
    return json.loads(path.read_text(encoding="utf-8"))["points"]


def test_a_point_has_the_cost_of_its_model_and_statistics_have_none(tmp_path):
    probed = result(tmp_path / "probe")

    assert plot("quality-cost", probed, "--out", tmp_path / "cost.png") == 0

    model, statistics = points_of(tmp_path / "cost.json")
    assert model["percent"] == pytest.approx(60)
    assert model["macs"] == pytest.approx(0.540e9, rel=1e-3)  # docs/model.md
    assert statistics["macs"] is None
    with Image.open(tmp_path / "cost.png") as picture:
        assert picture.width > 300


def test_the_command_is_the_python_function(tmp_path, capsys):
    result(tmp_path / "probe")
    drawn = csmoe_model.plot.quality_cost(str(tmp_path / "probe"), out=str(tmp_path / "a.png"))
    assert drawn.as_dict() == {
        "status": "drawn", "out": str(tmp_path / "a.png"), "data": str(tmp_path / "a.json"),
        "points": 2,
    }  # fmt: skip
    plot("tokens", tmp_path / "probe", "--out", tmp_path / "b.png")
    printed = capsys.readouterr().out
    again = csmoe_model.plot.tokens([tmp_path / "probe"], out=tmp_path / "b.png", overwrite=True)
    assert str(again) == printed.rstrip("\n")
    with pytest.raises(InputError, match=r"results must be a path \(str or Path\), found 3"):
        csmoe_model.plot.tokens([3], out=tmp_path / "c.png")
    for draw in (csmoe_model.plot.quality_cost, csmoe_model.plot.pruning):
        with pytest.raises(InputError, match="results must be .*, or a sequence of these, found 5"):
            draw(5, out=tmp_path / "c.png")


def test_a_set_of_the_paper_has_its_four_points_too(tmp_path):
    probed = result(tmp_path / "probe", data="m-eurosat")

    plot("quality-cost", probed, "--out", tmp_path / "cost.png")

    paper = [p for p in points_of(tmp_path / "cost.json") if p["from"].startswith("paper")]
    assert [(p["macs"], p["percent"]) for p in paper] == [
        (2.92e9, 84.9), (3.67e9, 84.9), (10.11e9, 86.2), (13.40e9, 88.3),
    ]  # fmt: skip


def test_a_segmentation_set_is_drawn_too(tmp_path):
    probed = result(tmp_path / "probe", data="m-cashew-plant", pooling=None, probe="dense")

    assert plot("quality-cost", probed, "--out", tmp_path / "cost.png") == 0

    points = points_of(tmp_path / "cost.json")
    assert [(p["features"], p["from"]) for p in points[:2]] == [
        ("model", "small"), ("band statistics", "small")
    ]  # fmt: skip
    assert [p["percent"] for p in points] == pytest.approx([60, 50, 46.0, 48.3, 55.7, 59.4])


@pytest.mark.parametrize("command", ["quality-cost", "tokens"])
def test_a_result_without_a_shown_probe_is_one_line(command, tmp_path, capsys):
    tuned = result(tmp_path / "tuned", probe="linear layer")

    assert plot(command, tuned, "--out", tmp_path / "cost.png") == 1

    error = one_line(capsys.readouterr().err)
    assert "rows of logistic, linear, dense, found rows of linear layer in" in error
    assert not (tmp_path / "cost.png").exists()


def test_the_paper_s_costs_are_those_of_the_recipes():
    for patch, macs in PAPER_MACS.items():
        ours = encoder_cost(recipe(f"csmoe-b{patch}")).macs_paper
        assert ours == pytest.approx(macs, rel=2e-3)


def test_without_results_the_paper_is_drawn_alone(tmp_path):
    plot("quality-cost", "--out", tmp_path / "cost.png")
    plot("tokens", "--out", tmp_path / "tokens.png")

    assert len({p["data"] for p in points_of(tmp_path / "cost.json")}) == 6
    assert len({p["data"] for p in points_of(tmp_path / "tokens.json")}) == 4


def test_poolings_are_ordered_cls_mean_both(tmp_path):
    given = [result(tmp_path / name, pooling=name) for name in ("both", "cls", "mean")]

    plot("tokens", *given, "--out", tmp_path / "tokens.png")

    assert [p["features"] for p in points_of(tmp_path / "tokens.json")] == ["cls", "mean", "both"]


def test_results_with_few_labels_are_refused(tmp_path, capsys):
    folder = result(tmp_path / "few")
    stored = json.loads((folder / "result.json").read_text())
    stored["settings"]["shots"] = {"a_class": 10, "draws": 5}
    (folder / "result.json").write_text(json.dumps(stored))
    assert plot("quality-cost", folder, "--out", tmp_path / "a.png") == 1
    assert "found one with few labels (--shots)" in one_line(capsys.readouterr().err)
    assert not (tmp_path / "a.png").exists()


def test_the_same_results_give_the_same_bytes(tmp_path):
    probed = result(tmp_path / "probe")
    for name in ("a.png", "b.png"):
        plot("quality-cost", probed, "--out", tmp_path / name)

    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


@pytest.mark.parametrize("command", ["quality-cost", "tokens"])
@pytest.mark.parametrize("given", ["probe", "probe/result.json"])
def test_a_result_is_never_replaced(command, given, tmp_path, capsys):
    before = hashes(result(tmp_path / "probe"))
    for words in ((), ("--overwrite",)):
        out = tmp_path / "probe" / "result.png"
        assert plot(command, tmp_path / given, "--out", out, *words) == 1
        assert "result.json is" in (line := one_line(capsys.readouterr().err))
        assert line.endswith("give another --out")
    assert hashes(tmp_path / "probe") == before


@pytest.mark.parametrize("command", ["quality-cost", "tokens"])
def test_a_folder_without_a_result_and_an_existing_picture_are_one_line(command, tmp_path, capsys):
    assert plot(command, tmp_path, "--out", tmp_path / "x.png") == 1
    assert "no result" in one_line(capsys.readouterr().err)

    (tmp_path / "x.json").write_text("mine", encoding="utf-8")
    assert plot(command, "--out", tmp_path / "x.png") == 1
    assert "--overwrite" in one_line(capsys.readouterr().err)
    assert (tmp_path / "x.json").read_text(encoding="utf-8") == "mine"
    assert plot(command, "--out", tmp_path / "x.png", "--overwrite", "--json") == 0
