"""Options made from the fields of configurations, so that each fact has one home."""

import ast
import inspect
from collections.abc import Callable, Mapping
from dataclasses import fields
from itertools import pairwise
from textwrap import dedent
from typing import Annotated, Any, Optional, cast

import typer


def with_fields(command: Callable[..., None], panels: Mapping[str, type]) -> Callable[..., None]:
    """Give a command an option for every field of some dataclasses.

    Args:
        command: Takes what is given of them as its argument `fields`, by name.
        panels: The dataclasses, by the title under which `--help` lists their options. Ranges
            are theirs to check.
    """
    options = {
        name: option for panel, config in panels.items() for name, option in _options(panel, config)
    }

    def filled(**arguments: Any) -> None:  # noqa: ANN401  # whatever the options are
        given = {name: arguments.pop(name) for name in options}
        command(**arguments, fields={k: v for k, v in given.items() if v is not None})

    signature = inspect.signature(command)
    own = [p for p in signature.parameters.values() if p.name != "fields"]
    parameters = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=option)
        for name, option in options.items()
    ]
    filled.__signature__ = signature.replace(parameters=own + parameters)  # type: ignore[attr-defined]
    filled.__annotations__ = {p.name: p.annotation for p in own + parameters} | {"return": None}
    filled.__doc__ = command.__doc__
    return filled


def field_help(config: type) -> dict[str, str]:
    """Read the docstring of each field of a dataclass, by name, as one line.

    Python drops these strings, so they come from the source: the one place where they stand.
    """
    (body,) = (
        node.body
        for node in ast.parse(dedent(inspect.getsource(config))).body
        if isinstance(node, ast.ClassDef)
    )
    found = {}
    for field, text in pairwise(body):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
            value = text.value if isinstance(text, ast.Expr) else None
            if isinstance(value, ast.Constant) and isinstance(value.value, str):
                found[field.target.id] = " ".join(value.value.split())
    return found


def _options(panel: str, config: type) -> list[tuple[str, object]]:
    texts = field_help(config)
    found: list[tuple[str, object]] = []
    for field in fields(config):
        text = texts[field.name].replace("`", "")
        option = typer.Option(
            help=text,
            rich_help_panel=panel,
            show_default=False if field.default is None else str(field.default),
        )
        # The types are known only here, where no checker can read them.
        kind = cast(Any, Optional)[field.type]
        found.append((field.name, cast(Any, Annotated)[kind, option]))
    return found
