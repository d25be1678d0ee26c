"""Help texts: every option says what it does and shows its default in one style."""

import re

import click
import pytest
import typer
from minortom_cli.main import app as minortom_app
from minortom_cli.model.app import app as csmoe_app


def options():
    """Return every option of every command, named as it is typed."""

    def walk(command, words):
        for name, child in getattr(command, "commands", {}).items():
            yield from walk(child, (*words, name))
        for parameter in command.params:
            if isinstance(parameter, click.Option) or parameter.param_type_name == "option":
                yield pytest.param(parameter, id=" ".join((*words, parameter.opts[0])))

    yield from walk(typer.main.get_command(minortom_app), ("minortom",))
    yield from walk(typer.main.get_command(csmoe_app), ("csmoe",))


def is_flag(option):
    return option.is_flag and not option.secondary_opts


@pytest.mark.parametrize("option", list(options()))
def test_an_option_says_what_it_does_and_its_default(option):
    if option.name == "help":
        return
    text = option.help or ""

    assert re.match(r"[A-Z0-9`\[]", text), "a help text begins as a sentence"
    assert text.rstrip().endswith("."), "a help text ends as a sentence"
    assert "by default" not in text, "the default stands in [default: ...] alone"
    assert not re.search(r"\(\d[\d.]*\)\.?$", text), "the default stands in [default: ...] alone"
    shown = (
        option.required or is_flag(option) or option.show_default not in (None, False, True)
        or option.default is not None
    )  # fmt: skip
    assert shown, f"{option.opts[0]} shows no default"
