"""Without torch, every command that needs it says how to install it, before any work."""

import sys

import pytest
from minortom_cli.console import run
from minortom_cli.main import app as minortom_app
from minortom_cli.model.app import app, train_app

EXPECTED = "error: {} is not installed; run `pip install 'minortom[train]'`\n"
COMMANDS = [
    "train shards --out run", "embed run shards --out out.parquet",
    "export run --out encoder --sensor s2", "probe run --data eurosat --root eurosat --out probe",
    "compare one two --out table",
    "finetune run --data eurosat --root eurosat --out tuned", "predict run shards --out p.parquet",
    "retrieve run --data shards --root shards --out retrieve",
    "search vectors.parquet --shards shards --html hits.html --like 1U_1R:0:0",
    "inspect run shards --out experts.html",
    "prune run --shards shards --sensor s2 --out small",
    "plot quality-cost --out plot.png", "plot tokens --out plot.png",
    "plot pruning small --out plot.png",
    "plot epochs run --data shards --root shards --out plot.png",
    "specialist train --data shards --root shards --sensor s2 --out specialist",
    "ensemble build run --data shards --root shards --out ensemble",
    "ensemble add ensemble run --out larger",
    "text train vectors.parquet --out text",
    "text search text vectors.parquet forest --shards shards --html hits.html",
    "text classify text vectors.parquet --classes forest,water --out classes.parquet",
]  # fmt: skip


@pytest.fixture(params=["torch", "lightning", "safetensors"])
def missing(request, monkeypatch, tmp_path):
    """Hide a package, as if it were not installed."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, request.param, None)
    return request.param


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_says_how_to_install_it(missing, command, tmp_path, capsys):
    assert run(app, command.split()) == 1
    assert capsys.readouterr().err == EXPECTED.format(missing)
    assert list(tmp_path.iterdir()) == []


def test_these_are_all_commands_but_info_which_needs_no_torch(monkeypatch, capsys):
    groups = {group.name: group.typer_instance for group in app.registered_groups}
    commands = [one for group in (app, *groups.values()) for one in group.registered_commands]
    names = {command.name for command in commands}
    tested = {next(w for w in words.split() if w not in groups) for words in COMMANDS}
    assert names - tested == {"info"}
    monkeypatch.setitem(sys.modules, "torch", None)
    assert run(app, ["info", "--recipe", "tiny", "--json"]) == 0
    assert '"params": 1181376' in capsys.readouterr().out


def test_csmoe_train_and_the_quickstart_say_it_too(missing, tmp_path, capsys):
    assert run(train_app, ["shards", "--out", "run"]) == 1
    assert run(minortom_app, ["quickstart", "--out", "all"]) == 1
    assert capsys.readouterr().err == 2 * EXPECTED.format(missing)
    assert list(tmp_path.iterdir()) == []


def test_help_needs_no_torch(missing, capsys):
    assert run(app, ["train", "--help"]) == 0
    assert "--weights" in capsys.readouterr().out, missing
