"""Settings of a run: ranges, recipes, options."""

import math
from dataclasses import replace

import pytest
import yaml
from training_runs import SHORT
from training_shards import MODEL

from csmoe_model.training.config import TrainConfig, changed, train_recipe
from csmoe_model.training.configuration import configure
from minortom.errors import InputError

pytest_plugins = ("training_fixtures",)
pytestmark = pytest.mark.usefixtures("small_steps")


def test_the_learning_rate_rises_linearly_and_falls_as_a_cosine():
    config = TrainConfig(warmup=0.2)
    factors = [config.lr_factor(step, 10) for step in range(10)]
    wanted = [0.5, 1.0] + [(1 + math.cos(math.pi * step / 8)) / 2 for step in range(8)]
    assert factors == pytest.approx(wanted)


def test_epochs_count_whole_batches():
    assert TrainConfig(epochs=3, batch_size=8).num_steps(30) == 9
    assert TrainConfig(epochs=None, steps=5, batch_size=8).num_steps(30) == 5


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"epochs": 3, "steps": 5}, "either epochs or steps, found epochs 3 and steps 5"),
        ({"epochs": None}, "either epochs or steps, found epochs None and steps None"),
        ({"lr": 0.0}, "lr must be above 0"),
        ({"lr": math.inf}, "lr must be above 0"),
        ({"batch_size": 0}, "batch_size must be 1 or more"),
        ({"accumulate": 0}, "accumulate must be 1 or more"),
        ({"ema_decay": 1.0}, "ema_decay must be at least 0 and below 1"),
        ({"batch_size": 2.5}, "batch_size must be a whole number, found 2.5"),
        ({"warmup": 1.0}, "warmup must be at least 0 and below 1"),
        ({"weight_decay": -1.0}, "weight_decay must be 0 or more"),
        ({"keep_every": -1}, "keep_every must be 0 or more"),
        ({"flips": 1}, "flips must be true or false, found 1"),
        ({"seed": 2**63}, "seed must be below 2"),
        ({"seed": True}, "seed must be a whole number, found True"),
        ({"learning_rate": 1.0}, "unknown training option learning_rate; known options are seed"),
    ],
)
def test_settings_out_of_range_are_refused_by_name(values, message):
    with pytest.raises(InputError, match=message):
        changed(TrainConfig(), {"steps": None, "epochs": 9, **values})


def test_settings_survive_yaml():
    for name in ("tiny", "tiny-p12", "small", "csmoe-b16"):
        config = train_recipe(name)
        text = yaml.safe_dump(config.to_dict())
        assert TrainConfig.from_dict(yaml.safe_load(text)) == config


def test_setting_epochs_removes_the_steps_of_the_recipe():
    found = configure("tiny", {"epochs": 3})
    assert (found.train.epochs, found.train.steps) == (3, None)


def test_options_change_their_field_and_the_rest_is_the_recipe():
    found = configure("tiny", {"mask_ratio": 0.75, "lr": 0.5})
    assert found.model.mask_ratio == 0.75
    assert found.train.lr == 0.5
    assert replace(found.train, lr=train_recipe("tiny").lr) == train_recipe("tiny")
    assert configure(None, {}).recipe == "csmoe-b16"


def test_missing_options_come_from_the_resumed_run(finished):
    found = configure(None, {}, resume=finished)
    assert (found.recipe, found.model, found.train) == ("test", MODEL, SHORT)
    assert configure(None, {"lr": 0.5}, resume=finished).train == replace(SHORT, lr=0.5)


def test_an_unknown_recipe_is_an_error_that_lists_them():
    with pytest.raises(InputError, match=r"csmoe-b16.*tiny-p12, found 'huge'"):
        configure("huge", {})


def test_published_recipes_have_the_published_settings():
    config = train_recipe("csmoe-b16")
    assert (config.lr, config.weight_decay, config.beta1, config.beta2) == (1e-4, 0.05, 0.9, 0.95)
    assert (config.epochs, config.warmup) == (150, pytest.approx(10 / 150))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"train": [1]}, "train must be keys and values, found list"),
        ({"model": "tiny"}, "model must be keys and values, found 'tiny'"),
        ({"model": {"num_experts": "4"}}, "model.num_experts must be a whole number"),
        ({"recipe": 3}, "recipe must be text, found 3"),
        ({"minortom": {"inputs": {"shards": 3}}}, "minortom.inputs.shards must be text"),
        ({"lengthened": "3"}, "lengthened must be a list, found '3'"),
    ],
)
def test_a_value_of_another_type_in_the_configuration_of_a_run_is_named(tmp_path, change, message):
    stored = {"recipe": "tiny", "model": {}, "train": {}, "minortom": {}}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(stored | change))
    with pytest.raises(InputError, match=rf"config.yaml is damaged \({message}.*; restore it"):
        configure(None, {}, resume=tmp_path)


def test_null_in_the_configuration_of_a_run_is_a_value_that_is_not_given(finished, tmp_path):
    stored = yaml.safe_load((finished / "config.yaml").read_text())
    stored |= {"lengthened": None, "weights": None}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(stored))
    assert configure(None, {}, resume=tmp_path) == configure(None, {}, resume=finished)


@pytest.mark.parametrize("text", ["[" * 50_000 + "]" * 50_000, "{lr: " * 300 + "1" + "}" * 300])
def test_a_configuration_that_is_nested_deeply_is_one_line(tmp_path, text):
    (tmp_path / "own.yaml").write_text(text)
    with pytest.raises(InputError, match="nested more than 200 levels deep.*; check --config"):
        configure("tiny", {}, file=tmp_path / "own.yaml")
