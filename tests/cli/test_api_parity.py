"""Each command is one public function: the same arguments, order and defaults."""

import inspect

import pytest
from minortom_cli.main import app as minortom_app
from minortom_cli.model.app import app as csmoe_app

import csmoe_model
import minortom

COMMAND_LINE_ONLY = {"as_json", "version"}
ROOMS = {"ensemble": "ensembles", "specialist": "specialists", "text": "text"}
"""Public packages with the functions of a group of commands."""
NO_FUNCTION = {"quickstart"}


def commands():
    """Return (the command as typed, its callback, the public function) of every command."""
    for program, app, package in (
        ("minortom", minortom_app, minortom), ("csmoe", csmoe_app, csmoe_model),
    ):  # fmt: skip
        for command in app.registered_commands:
            if command.name not in NO_FUNCTION:
                function = getattr(package, command.name)
                yield pytest.param(command.callback, function, id=f"{program} {command.name}")
        for group in app.registered_groups:
            for command in group.typer_instance.registered_commands:
                room = getattr(package, ROOMS.get(group.name, group.name))
                function = getattr(room, command.name.replace("-", "_"))
                yield pytest.param(
                    command.callback, function, id=f"{program} {group.name} {command.name}"
                )


def shape(function):
    """Return (name, whether positional, default) of each parameter that both sides share."""
    found = []
    for parameter in inspect.signature(function).parameters.values():
        if parameter.name in COMMAND_LINE_ONLY or parameter.name.startswith("on_"):
            continue
        positional = parameter.kind is not inspect.Parameter.KEYWORD_ONLY
        found.append((parameter.name, positional, parameter.default))
    return found


@pytest.mark.parametrize(("command", "function"), list(commands()))
def test_a_command_is_the_function_of_its_name(command, function):
    typed, called = shape(command), shape(function)

    assert [name for name, _, _ in typed] == [name for name, _, _ in called]
    for (name, positional, default), (_, positional_there, default_there) in zip(
        typed, called, strict=True
    ):
        assert positional == positional_there, name
        if name == "out" and default is inspect.Parameter.empty:
            # Required on the command line; in memory where a function returns tables.
            assert default_there in (None, inspect.Parameter.empty)
        else:
            assert default == default_there, name


@pytest.mark.parametrize("function", [case.values[1] for case in commands()])
def test_callbacks_of_a_function_come_last_and_by_name(function):
    names = list(inspect.signature(function).parameters)
    callbacks = [name for name in names if name.startswith("on_")]

    assert names[len(names) - len(callbacks) :] == callbacks
    for name in callbacks:
        assert inspect.signature(function).parameters[name].kind is inspect.Parameter.KEYWORD_ONLY


def test_every_public_function_is_a_command_or_has_none_on_purpose():
    commands = {command.name for command in minortom_app.registered_commands} - NO_FUNCTION
    rooms = {"engine", "grid", "sampling", "shards", "synthetic"}
    assert set(minortom.__all__) - commands - rooms == {"metrics"}

    commands = {command.name for command in csmoe_app.registered_commands}
    commands |= {"plot", *ROOMS.values()}
    assert set(csmoe_model.__all__) - commands == {
        "CSMoE",
        "LabelledSet",
        "LabelledSplit",
        "PatchDataset",
        "choose_experts",
        "keep_experts",
        "measure_saliency",
        "load_extractor",
        "recipe",
    }
