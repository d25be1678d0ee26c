"""Options of `csmoe train`: each field is an option and a key of a configuration file."""

import json
import re
from dataclasses import fields

import pytest
import yaml
from minortom_cli.console import run
from minortom_cli.model.app import app
from training_shards import learnable_shards

from csmoe_model.config import ModelConfig
from csmoe_model.distributed.collectives import OtherProcessError
from csmoe_model.training.config import TrainConfig
from csmoe_model.training.configuration import configure
from csmoe_model.training.field_arguments import field_help

pytest_plugins = ("training_fixtures",)
pytestmark = pytest.mark.usefixtures("small_steps")
SHORT = ("--recipe", "tiny", "--steps", "2", "--batch-size", "4", "--image-size", "16")


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    return str(learnable_shards(tmp_path_factory.mktemp("cli") / "shards", train=10, val=2))


def train(*arguments):
    return run(app, ["train", *(str(argument) for argument in arguments)])


OTHER_VALUES = {
    "patch_size": 4, "image_size": 16, "width": 24, "num_heads": 2, "sensor_layers": 1,
    "shared_layers": 2, "mlp_ratio": 2, "num_experts": 3, "slots": "fixed", "slots_per_expert": 2,
    "logit_scale": 0.5, "decoder_width": 8, "decoder_layers": 2, "decoder_heads": 1,
    "condition": "both", "local_global": 0.5, "crop_side": 0.25,
    "mask_ratio": 0.75, "mask_mode": "disjoint", "mi_form": "eq10", "mi_temperature": 0.2,
    "logit_scale_of": "dispatch", "mi_features": "mean", "projector": "off",
    "rep_form": "printed", "rep_weight": 0.2, "bal_form": "printed", "bal_weight": 0.3,
    "seed": 3, "epochs": 1, "batch_size": 6, "accumulate": 2, "lr": 0.003, "warmup": 0.5,
    "weight_decay": 0.1, "beta1": 0.8, "beta2": 0.9, "grad_clip": 2.0, "ema_decay": 0.9,
    "flips": False, "log_every": 2, "val_every": 1, "keep_every": 3,
}  # fmt: skip
"""A value of every field that differs from that of the recipe `tiny`."""


def words_of(values):
    words = []
    for name, value in values.items():
        option = name.replace("_", "-")
        words += [f"--no-{option}"] if value is False else [f"--{option}", str(value)]
    return words


def test_every_field_is_an_option_that_reaches_the_configuration(shards, tmp_path):
    every = {f.name for config in (ModelConfig, TrainConfig) for f in fields(config)}
    assert set(OTHER_VALUES) == every - {"steps", "kept_experts"}
    words = [*words_of(OTHER_VALUES), "--workers", "1", "--save-every", "1", "--recipe", "tiny"]
    assert train(shards, "--out", tmp_path / "run", *words) == 0
    config = yaml.safe_load((tmp_path / "run" / "config.yaml").read_text())
    assert {**config["model"], **config["train"]} == {**OTHER_VALUES, "steps": None}
    assert config["recipe"] == "tiny"
    assert config["minortom"]["seed"] == 3
    tiny = configure("tiny", {})
    same = {
        name for name, value in {**tiny.model.to_dict(), **tiny.train.to_dict()}.items()
        if value == OTHER_VALUES.get(name)
    }  # fmt: skip
    assert same == set()


def test_every_field_is_a_key_of_the_configuration_file(shards, tmp_path):
    file = tmp_path / "fields.yaml"
    file.write_text(yaml.safe_dump({"recipe": "tiny", **OTHER_VALUES}))
    assert train(shards, "--out", tmp_path / "run", "--config", file) == 0
    config = yaml.safe_load((tmp_path / "run" / "config.yaml").read_text())
    assert {**config["model"], **config["train"]} == {**OTHER_VALUES, "steps": None}


def test_the_help_lists_every_field_with_its_docstring(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    assert train("--help") == 0
    shown = " ".join(re.sub("[│╭╮╰╯─]", " ", capsys.readouterr().out).split())
    for config in (ModelConfig, TrainConfig):
        texts = field_help(config)
        assert set(texts) == {field.name for field in fields(config)} - {"kept_experts"}
        for name, text in texts.items():
            assert f"--{name.replace('_', '-')}" in shown
            assert text.split("`")[0][:40].strip() in shown


def test_the_configuration_of_a_run_repeats_it_byte_for_byte(shards, tmp_path, capsys):
    first, second = tmp_path / "first", tmp_path / "second"
    assert train(shards, "--out", first, *SHORT, "--lr", "0.01", "--mask-ratio", "0.75") == 0
    assert train(shards, "--out", second, "--config", first / "config.yaml") == 0
    for name in ("config.yaml", "model/model.safetensors", "model/config.json"):
        assert (first / name).read_bytes() == (second / name).read_bytes()
    capsys.readouterr()
    assert train(shards, "--out", first, "--config", second / "config.yaml", "--json") == 0
    assert json.loads(capsys.readouterr().out)["status"] == "up to date"


def test_an_unknown_key_is_an_error_that_names_it(shards, tmp_path, capsys):
    file = tmp_path / "fields.yaml"
    file.write_text("learning_rate: 1\n")
    assert train(shards, "--out", tmp_path / "run", "--config", file) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: unknown ")
    assert "learning_rate; known options are recipe" in line


@pytest.fixture
def settings(monkeypatch):
    """Return the settings that runs get beside their configuration."""
    seen = []

    def remember(*_, settings, **__):
        seen.append(settings)
        return {}

    monkeypatch.setattr("csmoe_model.training.train.run_training", remember)
    return seen


def test_options_that_change_no_result_reach_the_run(settings, shards, tmp_path, monkeypatch):
    (tmp_path / "wandb.py").touch()  # installed, as far as the check of the options goes
    monkeypatch.syspath_prepend(tmp_path)
    words = ("--workers", "3", "--save-every", "7", "--compile", "--no-tensorboard")
    assert train(shards, "--out", tmp_path / "run", *words, "--wandb-project", "trees") == 0
    assert train(shards, "--out", tmp_path / "run", "--no-compile") == 0
    assert train(shards, "--out", tmp_path / "run") == 0
    first, second, third = settings
    assert (first.workers, first.save_every, first.compile) == (3, 7, True)
    assert (first.tracking.tensorboard, first.tracking.wandb_project) == (False, "trees")
    assert (second.compile, second.tracking.tensorboard) == (False, True)
    assert (third.workers, third.save_every, third.compile) == (None, 500, None)
    assert third.tracking.wandb_project is None


def test_an_error_of_another_process_is_not_printed_again(shards, tmp_path, capsys, monkeypatch):
    def fail(*_, **__):
        raise OtherProcessError("printed there")

    monkeypatch.setattr("csmoe_model.training.train.run_training", fail)
    assert train(shards, "--out", tmp_path / "run") == 1
    assert capsys.readouterr() == ("", "")
