"""`minortom quickstart`: its errors, and its check that training learned.

`make quickstart` runs the whole command.
"""

import pytest
from minortom_cli import quickstart
from minortom_cli.console import run
from minortom_cli.main import app

from minortom.errors import MinorTomError


def write_log(folder, errors):
    """Write the log of a run whose uni-modal errors are these, S2 and S1 half a unit apart."""
    (folder / "run").mkdir()
    rows = [f"train,{error - 0.25},{error + 0.25}" for error in errors]
    text = "\n".join(["split,rec_s2_s2,rec_s1_s1", *rows, "val,9,9"])
    (folder / "run" / "log.csv").write_text(text + "\n")


def error_line(capsys):
    return capsys.readouterr().err.strip().splitlines()[-1]


def test_real_files_that_are_not_there_are_named_and_nothing_is_made(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("MINORTOM_DATA", str(tmp_path / "nowhere"))

    assert run(app, ["quickstart", "--out", str(tmp_path / "out")]) == 1
    told = error_line(capsys)
    assert told.startswith("error: MINORTOM_DATA: expected the folders majortom-sample and")
    assert f"in {tmp_path / 'nowhere'}, found neither;" in told
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("below", ["", "below"])
def test_a_file_in_the_place_of_its_folder_is_one_line(tmp_path, monkeypatch, capsys, below):
    monkeypatch.delenv("MINORTOM_DATA", raising=False)
    (tmp_path / "file").write_text("mine")

    assert run(app, ["quickstart", "--out", str(tmp_path / "file" / below)]) == 1
    assert error_line(capsys).startswith("error: ")
    assert (tmp_path / "file").read_text() == "mine"


def test_the_error_is_the_mean_of_both_sensors_over_the_first_and_the_last_tenth(tmp_path):
    write_log(tmp_path, [3.0, 1.0, *[5.0] * 16, 0.5, 0.25])

    found = quickstart.reconstruction(tmp_path / "run" / "log.csv")

    assert found == pytest.approx((2.0, 0.375))


@pytest.mark.parametrize(("first", "last"), [(1.0, 0.81), (2.0, 1.01)])
def test_training_that_did_not_learn_is_an_error(tmp_path, first, last):
    write_log(tmp_path, [first, *[5.0] * 8, last])

    with pytest.raises(MinorTomError, match="training did not learn"):
        quickstart._summary(tmp_path, 1.0)


def test_training_that_learned_is_told_with_its_figures(tmp_path):
    write_log(tmp_path, [1.0, *[5.0] * 8, 0.79])

    assert list(quickstart._summary(tmp_path, 1.0).values())[:2] == [1.0, 0.79]


@pytest.mark.parametrize(
    ("resumes", "has_run", "resumed"),
    [(True, True, True), (True, False, False), (False, True, False)],
)
def test_an_unfinished_training_is_resumed(tmp_path, monkeypatch, resumes, has_run, resumed):
    monkeypatch.delenv("MINORTOM_DATA", raising=False)
    if has_run:
        (tmp_path / "run").mkdir()
        (tmp_path / "run" / "config.yaml").touch()
    [train] = [c for c in quickstart._commands(tmp_path, resumes=resumes) if c[1] == "train"]
    assert ("--resume" in train) == resumed
