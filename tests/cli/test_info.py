import json
import subprocess
import sys

import pytest
import typer
from minortom_cli.console import run
from minortom_cli.model import info

KEYS = [
    "recipe", "patch_size", "image_size", "params", "params_trainable", "macs_paper",
    "macs_full", "c2c", "sensor_layers", "shared_layers", "dense",
]  # fmt: skip
NAMES = [
    "csmoe-b32", "csmoe-b28", "csmoe-b16", "csmoe-b14", "csmae-b15", "small", "tiny", "tiny-p12",
]  # fmt: skip


@pytest.fixture
def app():
    app = typer.Typer(pretty_exceptions_enable=False)
    app.command(name="info")(info.info)
    return app


def test_json_lists_every_recipe(app, capsys):
    assert run(app, ["--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["recipe"] for row in rows] == NAMES
    assert all(list(row) == KEYS for row in rows)


def test_json_of_one_recipe_is_a_list_of_one(app, capsys):
    assert run(app, ["--recipe", "csmoe-b16", "--json"]) == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out) == [
        {
            "recipe": "csmoe-b16", "patch_size": 16, "image_size": 224,
            "params": 271312128, "params_trainable": 271160832,
            "macs_paper": 10107689472, "macs_full": 10446468096, "c2c": 26.84,
            "sensor_layers": 4, "shared_layers": 2,
            "dense": {
                "sensor_layers": 5, "shared_layers": 2, "params": 51737088,
                "params_trainable": 51585792, "macs_paper": 10157862912, "macs_full": 10563033600,
                "c2c": 5.09,
            },
        }
    ]  # fmt: skip
    assert captured.err == ""


def test_the_table_shows_table_iv_and_what_it_leaves_out(app, capsys):
    assert run(app, []) == 0
    printed = [line.split() for line in capsys.readouterr().out.splitlines() if line.split()]
    lines = [words for words in printed if words[0] in (*NAMES, "dense")]
    below = [(name, "dense") if name != "csmae-b15" else (name,) for name in NAMES]
    assert [words[0] for words in lines] == [name for names in below for name in names]
    moe, dense = lines[4:6]
    #                       layers patch  image  S2     S1+S2    pretr.   paper    full     C2C
    assert moe[1:] == ["4+2", "16", "224", "271.3", "451.2", "459.9", "10.11", "10.45", "26.84"]
    assert dense[1:] == ["5+2", "16", "224", "51.74", "87.57", "96.31", "10.16", "10.56", "5.093"]


def test_the_cost_of_the_slots_in_the_papers_text_is_computed(app, capsys):
    assert run(app, ["--recipe", "csmoe-b16", "--slots", "fixed", "--json"]) == 0
    (one,) = json.loads(capsys.readouterr().out)
    assert one["macs_paper"] / 1e9 == pytest.approx(3.42, rel=0.005)
    assert one["c2c"] > 70
    options = ["--recipe", "csmoe-b16", "--slots", "fixed", "--slots-per-expert", "25", "--json"]
    assert run(app, options) == 0
    (many,) = json.loads(capsys.readouterr().out)
    # As many slots as dynamic ones: the work is theirs but for making the slots.
    assert many["macs_paper"] / 1e9 == pytest.approx(10.1 - 6 * 25 * 8 * 0.768**2 / 1e3, rel=0.01)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--recipe", "csmoe-b17"], "tiny-p12, found 'csmoe-b17'"),
        (["--slots", "static"], "slots must be one of dynamic, fixed, found 'static'"),
        (["--slots-per-expert", "2"], "slots_per_expert 2 needs slots = fixed"),
    ],
)
def test_an_invalid_option_is_one_line_and_exit_1(app, capsys, options, message):
    assert run(app, options) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("error: ")
    assert message in captured.err
    assert captured.err.count("\n") == 1


def test_wrong_usage_is_exit_2(app, capsys):
    assert run(app, ["--slots-per-expert", "0"]) == 2
    assert "slots-per-expert" in capsys.readouterr().err


def test_the_command_needs_no_torch():
    code = (
        "import sys; from minortom_cli.model.info import info; "
        "info(recipe=None, slots=None, slots_per_expert=None, as_json=True); "
        "assert 'torch' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
