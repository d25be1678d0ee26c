"""`csmoe_model.info`: the same rows and the same text as the command."""

import json
from dataclasses import replace

import pytest
import typer
from minortom_cli.console import run
from minortom_cli.model import info as command

import csmoe_model
from csmoe_model.config import ModelConfig
from csmoe_model.nn.cost import encoder_cost
from csmoe_model.nn.cost_table import dense_of_equal_cost
from csmoe_model.recipes import RECIPES, recipe
from minortom.errors import InputError


@pytest.fixture
def app():
    app = typer.Typer(pretty_exceptions_enable=False)
    app.command(name="info")(command.info)
    return app


@pytest.mark.parametrize("options", [{}, {"recipe": "tiny", "slots": "fixed"}])
def test_the_result_is_what_the_command_prints(app, capsys, options):
    words = [word for name, value in options.items() for word in (f"--{name}", value)]
    result = csmoe_model.info(**options)

    assert run(app, [*words, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == result.as_dict()
    assert run(app, words) == 0
    assert capsys.readouterr().out.rstrip("\n") == str(result)


def test_the_result_has_the_configurations():
    result = csmoe_model.info(recipe="tiny", slots="fixed", slots_per_expert=3)

    (config,) = result.models.values()
    assert isinstance(config, ModelConfig)
    assert (config.slots, config.slots_per_expert) == ("fixed", 3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"recipe": 16}, "recipe must be one of csmoe-b32, .*, found 16"),
        ({"recipe": ["tiny"]}, r"recipe must be one of csmoe-b32, .*, found \['tiny'\]"),
        ({"slots_per_expert": "3"}, "slots_per_expert must be a whole number, found '3'"),
        ({"slots": 3}, "slots must be one of dynamic, fixed, found 3"),
    ],
)
def test_wrong_types_are_refused_in_one_line(options, message):
    with pytest.raises(InputError, match=message) as caught:
        csmoe_model.info(**options)
    assert "\n" not in str(caught.value)


def dense_macs(layers, *, tokens=197, width=768, values=16 * 16 * 10):
    """Multiply-adds of a dense ViT as `macs_paper` counts them, by hand."""
    norm = 5 * tokens * width
    return layers * (12 * tokens * width**2 + 2 * norm) + (tokens - 1) * values * width + 2 * norm


def test_the_dense_encoder_of_equal_cost_has_one_layer_more_than_the_published_model():
    config = recipe("csmoe-b16")
    dense = dense_of_equal_cost(config)
    assert (dense.num_experts, dense.sensor_layers, dense.shared_layers) == (0, 5, 2)
    assert encoder_cost(dense).macs_paper == dense_macs(7)
    assert encoder_cost(replace(config, num_experts=0)).macs_paper == dense_macs(6) == 8762006016
    unchanged = {"sensor_layers": 4, "num_experts": 8}
    assert replace(dense, **unchanged) == config


@pytest.mark.parametrize(
    "config",
    [
        *(make() for name, make in RECIPES.items() if name != "csmae-b15"),
        *(replace(make(), slots="fixed") for name, make in RECIPES.items() if name != "csmae-b15"),
        replace(recipe("tiny"), shared_layers=3, condition="sensor", kept_experts={"s2.0": (1,)}),
        replace(recipe("tiny"), shared_layers=0, slots="fixed", slots_per_expert=9),
    ],
)
def test_no_other_number_of_layers_is_nearer_in_cost(config):
    wanted, dense = encoder_cost(config).macs_full, dense_of_equal_cost(config)
    gaps = {}
    for layers in range(1, 40):
        other = replace(dense, sensor_layers=layers, shared_layers=0)
        gaps[layers] = abs(encoder_cost(other).macs_full - wanted)
    assert min(gaps, key=gaps.__getitem__) == dense.sensor_layers + dense.shared_layers
    assert dense.shared_layers == config.shared_layers or dense.sensor_layers == 1


def test_a_model_without_experts_has_no_dense_encoder_beside_it():
    (row,) = csmoe_model.info(recipe="csmae-b15").as_dict()
    assert row["dense"] is None
    assert dense_of_equal_cost(replace(recipe("tiny"), num_experts=0)) is None
