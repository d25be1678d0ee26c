"""`csmoe_model.train`: the command `csmoe train` as a Python function."""

import inspect
import json
from dataclasses import fields

import numpy as np
import pytest
import yaml
from minortom_cli.console import run as run_command
from minortom_cli.model.app import app

import csmoe_model
from csmoe_model.config import ModelConfig
from csmoe_model.training.config import TrainConfig
from csmoe_model.training.field_arguments import field_help
from minortom.errors import InputError

pytest_plugins = ("training_fixtures",)
pytestmark = pytest.mark.usefixtures("small_steps")
FIELDS = [
    field.name for config in (ModelConfig, TrainConfig) for field in fields(config)
    if field.name != "kept_experts"  # a model of `prune`; training has no option for it
]  # fmt: skip
SHORT = {"recipe": "tiny", "steps": 2, "batch_size": 4, "image_size": 16}


def test_the_function_and_the_command_make_the_same_run(shards, tmp_path, capsys):
    result = csmoe_model.train(str(shards), out=tmp_path / "function", tensorboard=False, **SHORT)
    assert (result.status, result.steps, result.epochs) == ("trained", 2, 1)
    assert result.weights == tmp_path / "function" / "model"
    words = [w for name, value in SHORT.items() for w in (f"--{name.replace('_', '-')}", value)]
    words = ["train", shards, "--out", tmp_path / "command", "--no-tensorboard", *words]
    assert run_command(app, [str(word) for word in words]) == 0
    for name in ("config.yaml", "experts.csv", "model/model.safetensors", "model/config.json"):
        found, wanted = (tmp_path / out / name for out in ("function", "command"))
        assert found.read_bytes() == wanted.read_bytes(), name

    again = csmoe_model.train(shards, out=tmp_path / "command", tensorboard=False, **SHORT)
    capsys.readouterr()
    assert run_command(app, [str(word) for word in words]) == 0
    assert capsys.readouterr().out == f"{again}\n"
    assert run_command(app, [*map(str, words), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == again.as_dict()
    assert again.status == "up to date"


def test_signature_and_help_have_every_field(capsys):
    parameters = inspect.signature(csmoe_model.train).parameters
    names = list(parameters)
    assert names[0] == "shards"
    assert names[-1] == "on_step"
    assert [name for name in names if name in FIELDS] == FIELDS
    assert all(parameters[name].default is None for name in FIELDS)
    assert parameters["batch_size"].annotation == int | None
    help(csmoe_model.train)
    shown = " ".join(capsys.readouterr().out.split())
    for config in (ModelConfig, TrainConfig):
        for name, text in field_help(config).items():
            assert f"{name}: {text}" in shown


@pytest.mark.parametrize(
    ("name", "hint"),
    [("batchsize", ": did you mean batch_size?"), ("learning_rate", "; help(train) lists all")],
)
def test_an_unknown_name_is_refused_with_the_nearest_name(shards, tmp_path, name, hint):
    with pytest.raises(InputError) as refused:
        csmoe_model.train(shards, out=tmp_path / "run", **{name: 1})
    assert f"train() has no parameter {name}{hint}" in str(refused.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"batch_size": "4"}, "batch_size must be a whole number, found '4'"),
        ({"width": 9.5}, "width must be a whole number"),
        ({"save_every": 0}, "save_every must be a whole number of at least 1, found 0"),
        ({"workers": 10**30}, "workers must be at most 1024 threads, found 1000"),
        ({"join_timeout": 0}, "join_timeout must be a whole number of at least 1, found 0"),
        ({"workers": "all"}, "workers must be a whole number of at least 1, found 'all'"),
        ({"config": 3}, r"config must be a path \(str or Path\), found 3"),
        ({"recipe": 3}, "recipe must be a name"),
    ],
)
def test_a_wrong_value_is_refused_in_one_line(shards, tmp_path, arguments, message):
    with pytest.raises(InputError, match=message) as refused:
        csmoe_model.train(shards, out=tmp_path / "run", **arguments)
    assert "\n" not in str(refused.value)
    assert list(tmp_path.iterdir()) == []


def test_numpy_scalars_are_numbers(shards, tmp_path):
    values = {**SHORT, "steps": np.int64(1), "lr": np.float32(0.5)}
    csmoe_model.train(shards, out=tmp_path / "run", tensorboard=False, **values)
    train = yaml.safe_load((tmp_path / "run" / "config.yaml").read_text())["train"]
    assert (train["steps"], train["lr"]) == (1, 0.5)
