"""Command-line options made from the fields of configuration dataclasses."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Annotated, Any, cast

import typer

from csmoe_model.training.field_arguments import field_help, field_parameters


def with_field_options(
    command: Callable[..., None], panels: Mapping[str, type]
) -> Callable[..., None]:
    """Add an option to a command for every field of some dataclasses.

    Args:
        command: Gets the options that were given in its parameter `fields`, by name.
        panels: The dataclasses, by the title under which `--help` lists their options. The
            dataclasses check the values.
    """
    options = [
        option for panel, config in panels.items() for option in _options(panel, config)
    ]  # fmt: skip
    names = [option.name for option in options]

    def filled(**arguments: Any) -> None:  # noqa: ANN401  # the options have different types
        given = {name: arguments.pop(name) for name in names}
        values = {name: value for name, value in given.items() if value is not None}
        command(fields=values, **arguments)

    signature = inspect.signature(command)
    own = [p for p in signature.parameters.values() if p.name != "fields"]
    parameters = [*own, *options]
    filled.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    filled.__annotations__ = {p.name: p.annotation for p in parameters} | {"return": None}
    filled.__doc__ = command.__doc__
    return filled


def _options(panel: str, config: type) -> list[inspect.Parameter]:
    texts = field_help(config)
    defaults = {field.name: field.default for field in fields(config)}
    found = []
    for parameter in field_parameters(config):
        default = defaults[parameter.name]
        option = typer.Option(
            help=texts[parameter.name].replace("`", ""),
            rich_help_panel=panel,
            show_default="none" if default is None else str(default),
        )
        annotation = cast(Any, Annotated)[parameter.annotation, option]
        found.append(parameter.replace(annotation=annotation))
    return found
