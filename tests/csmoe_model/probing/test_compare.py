"""Stored predictions of a probe, and pooled probes of several checkpoints."""

import json

import numpy as np
import pytest
import scipy.stats
from error_lines import one_line
from labelled_sets import set_of, split_of
from minortom_cli.console import run
from minortom_cli.model.app import app

from csmoe_model.evaluation.bootstrap import Bootstrap
from csmoe_model.evaluation.metrics import Predictions
from csmoe_model.extractors.cost import ExtractorCost
from csmoe_model.probing.compare import compare
from csmoe_model.probing.heads import TrainedProbe
from csmoe_model.probing.pooling import spread
from csmoe_model.probing.predictions import PREDICTIONS, write_predictions
from csmoe_model.probing.rows import scored_row
from minortom.errors import InputError
from minortom.io.atomic_write import write_json
from minortom.io.provenance import KEY, Provenance

COST = ExtractorCost(parameters=1200, multiply_adds=34_000_000)
TRUTH = np.arange(200) % 2
CELLS = np.repeat([f"cell_{n}" for n in range(50)], 4)


def said(wrong, truth=TRUTH):
    """Return a probe that is wrong on some samples and right on the others."""
    right = np.where(np.isin(np.arange(len(truth)), wrong), 1 - truth, truth)
    return TrainedProbe(
        test=Predictions(task="multiclass", truth=truth, output=np.eye(2)[right]), settings={}
    )


def write_result(folder, rows, *, weights="a", groups=CELLS, truth=TRUTH, shots=None, **options):
    """Write the result that `csmoe probe` would write for these predictions."""
    data = set_of({"test": split_of({}, truth, groups)})
    provenance = Provenance(
        command="probe", options={"label": "landcover", **options}, seed=0,
        inputs={"data": "of the set", "weights": weights}, licences=("of the set",),
    )  # fmt: skip
    bootstrap = Bootstrap.over(len(truth), groups, seed=0, num_draws=2)
    made = [
        scored_row(
            name,
            "logistic",
            [said(wrong, truth) for wrong in runs],
            bootstrap,
            width=1,
            cost=COST,
        )
        for name, runs in rows.items()
    ]
    folder.mkdir()
    write_predictions(folder / PREDICTIONS, data, made, provenance)
    result = {
        "data": "own", "task": "multiclass", "headline": "average_accuracy", "groups": 50,
        "splits": {"test": len(truth)}, KEY: provenance.as_dict(),
        "rows": [row.record() for row in made],
        "settings": {
            "weights_sha256": weights, "recipe": "tiny", "protocol": "standard",
            "sensors": ["s2"], "set": {"label": "landcover"}, "shots": shots,
        },
    }  # fmt: skip
    write_json(folder / "result.json", result)
    return folder


def three(tmp_path):
    """Three checkpoints that miss 10, 20 and 30 of 200, beside a baseline that misses 40."""
    return [
        write_result(
            tmp_path / str(n),
            {"model": [range(10 * n, 20 * n)], "band statistics": [range(100, 140)]},
            weights=str(n),
        )
        for n in (1, 2, 3)
    ]


def test_the_difference_is_that_of_the_means(tmp_path):
    found = compare(three(tmp_path), out=tmp_path / "out")

    (gap,) = found.differences
    assert gap["value"] == pytest.approx(0.90 - 0.80)
    assert gap["each"] == pytest.approx([0.15, 0.10, 0.05])
    assert (gap["features"], gap["probe"]) == ("model − band statistics", "logistic")
    model = next(row for row in found.rows if row["features"] == "model")
    assert model["each"] == pytest.approx([0.95, 0.90, 0.85])
    assert found.minortom["licences"] == ["of the set"]


def test_errors_that_both_make_do_not_widen_the_interval_of_the_difference(tmp_path):
    """Both miss the same 40 of 200, in ten whole cells: scores vary, differences do not."""
    rows = {"model": [range(40)], "band statistics": [range(40)]}
    folders = [write_result(tmp_path / name, rows, weights=name) for name in ("a", "b")]

    found = compare(folders, out=tmp_path / "out")

    (gap,) = found.differences
    assert (gap["value"], gap["low"], gap["high"]) == (0, 0, 0)
    assert found.rows[0]["low"] < 0.72
    assert found.rows[0]["wider"]["low"] == found.rows[0]["low"]  # two that are alike


def test_an_interval_over_groups_is_that_of_a_share_of_whole_cells(tmp_path):
    rows = {"model": [range(40)], "band statistics": [range(200)]}
    found = compare([write_result(tmp_path / "a", rows)], out=tmp_path / "out")

    half = 1.96 * np.sqrt(0.2 * 0.8 / 50)
    gap = found.differences[0]
    assert (gap["low"], gap["high"]) == pytest.approx((0.8 - half, 0.8 + half), abs=0.025)


@pytest.mark.parametrize("value_m", [[0.1, 0.4], [0.1, 0.4, 0.7], [0.3, 0.5, 0.1, 0.8, 0.35]])
def test_an_interval_over_checkpoints_alone_is_that_of_student(value_m):
    wide_R = spread(np.tile(np.array(value_m)[:, None], 40_000), np.random.default_rng(0))

    error = np.std(value_m, ddof=1) / np.sqrt(len(value_m))
    wanted = scipy.stats.t.interval(0.95, len(value_m) - 1, np.mean(value_m), error)
    np.testing.assert_allclose(np.percentile(wide_R, (2.5, 97.5)), wanted, rtol=0.01)


def test_an_interval_over_checkpoints_that_are_alike_is_that_over_groups():
    draw_R = np.random.default_rng(1).normal(size=1000)
    np.testing.assert_array_equal(spread(draw_R[None], np.random.default_rng(0)), draw_R)
    np.testing.assert_allclose(spread(np.stack([draw_R] * 3), np.random.default_rng(0)), draw_R)


def test_checkpoints_that_differ_widen_the_interval(tmp_path):
    (gap,) = compare(three(tmp_path), out=tmp_path / "out").differences
    assert gap["wider"]["low"] < gap["low"]
    assert gap["wider"]["high"] > gap["high"]


def test_a_checkpoint_is_the_mean_of_its_seeds_and_a_baseline_has_seeds_of_its_own(tmp_path):
    rows = {"model": [range(10), range(30)], "random convolutions": [range(20), range(60)]}
    folders = [write_result(tmp_path / name, rows, weights=name) for name in ("a", "b", "c")]

    found = compare(folders, out=tmp_path / "out")

    model, baseline = found.rows
    assert model["each"] == pytest.approx([0.9] * 3)
    assert baseline["each"] == pytest.approx([0.9, 0.7])


def test_the_result_is_the_content_of_the_file_and_no_results_are_an_error(tmp_path):
    found = compare(three(tmp_path), out=str(tmp_path / "out"))
    stored = json.loads((tmp_path / "out" / "result.json").read_text())
    wanted = {"status": "written", "out": str(tmp_path / "out"), **stored}
    assert list(found.as_dict().items()) == list(wanted.items())
    for nothing in ([], str(tmp_path / "1"), 3, None):
        with pytest.raises(InputError, match="results must be a sequence of folders"):
            compare(nothing, out=tmp_path / "out")


def csmoe_compare(*words):
    return run(app, ["compare", *(str(word) for word in words)])


def test_the_command_writes_a_table_and_a_second_run_is_up_to_date(tmp_path, capsys):
    words = (*three(tmp_path), "--out", tmp_path / "out", "--seed", 4)
    assert csmoe_compare(*words) == 0
    assert "model − band statistics" in capsys.readouterr().out
    lines = (tmp_path / "out" / "table.md").read_text().splitlines()
    assert any(line.endswith("| 1.20 k | 34.0 M |") for line in lines)
    assert any(
        line.startswith("| model − band statistics | logistic | 10.0 [")
        and line.endswith("| 15.0, 10.0, 5.0 |  |  |")
        for line in lines
    )
    assert csmoe_compare(*words, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["status"], found["minortom"]["seed"]) == ("up to date", 4)
    assert csmoe_compare(*words[:-1], 5) == 1
    assert "--overwrite" in one_line(capsys.readouterr().err)
    assert csmoe_compare(*words[:-1], 5, "--overwrite") == 0


def test_results_of_different_probes_are_a_one_line_error(tmp_path):
    rows = {"model": [range(10)], "band statistics": [range(40)]}
    first = write_result(tmp_path / "first", rows)
    other = write_result(tmp_path / "other", rows, weights="b", label="climate")
    with pytest.raises(
        InputError, match="same options and the same set, found that .* differ in label; run"
    ):
        compare([first, other], out=tmp_path / "out")
    with pytest.raises(
        InputError, match="different checkpoints, found the same checkpoint in .*; give each"
    ):
        compare([first, first], out=tmp_path / "out")
    with pytest.raises(InputError, match="is not a result of `csmoe probe`; give"):
        compare([tmp_path], out=tmp_path / "out")
    (first / PREDICTIONS).write_bytes(b"none")
    with pytest.raises(
        InputError, match="must be a file of predictions, found another content; make it with"
    ):
        compare([first], out=tmp_path / "out")
    (first / PREDICTIONS).unlink()
    with pytest.raises(InputError, match="predictions.parquet does not exist; make it with"):
        compare([first], out=tmp_path / "out")


def test_draws_of_few_labels_are_averaged_and_are_not_seeds(tmp_path):
    """A baseline with the same predictions as the model has the same score and interval."""
    rng = np.random.default_rng(0)
    draws = [rng.choice(200, size, replace=False) for size in (5, 60, 10, 80, 30)]
    for number in range(3):
        rows = {"model": draws, "band statistics": draws, "untrained model": draws + draws[::-1]}
        shots = {"a_class": 3, "draws": 5}
        write_result(tmp_path / str(number), rows, weights=str(number), shots=shots)
    found = compare([tmp_path / str(number) for number in range(3)], out=tmp_path / "out")
    for gap in found.differences:
        for kind in (gap, gap["wider"]):
            assert (kind["value"], kind["low"], kind["high"]) == pytest.approx((0, 0, 0), abs=1e-12)
    assert [len(row["each"]) for row in found.rows] == [3, 1, 2]
    head = (tmp_path / "out" / "table.md").read_text().splitlines()[0]
    assert head == (
        "# own: landcover, s2, standard protocol, at most 3 labels a class, 5 draws, 3 checkpoints"
    )
