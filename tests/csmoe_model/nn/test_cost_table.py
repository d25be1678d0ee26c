"""`csmoe_model.info`: the same rows and the same text as the command."""

import json

import pytest
import typer
from minortom_cli.console import run
from minortom_cli.model import info as command

import csmoe_model
from csmoe_model.config import ModelConfig
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
