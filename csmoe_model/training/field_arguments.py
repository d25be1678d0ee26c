"""Keyword arguments of a function, made from the fields of configuration dataclasses.

The name, type and description of a field are written once, in its dataclass. The command line
and the Python function both take them from there.
"""

import ast
import difflib
import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from functools import wraps
from itertools import pairwise
from textwrap import dedent, fill
from typing import TYPE_CHECKING, Any, TypeVar, cast

import numpy as np

from minortom.errors import InputError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

R = TypeVar("R")
C = TypeVar("C", bound="DataclassInstance")


def with_fields(*configs: type) -> Callable[[Callable[..., R]], Callable[..., R]]:
    """Return a decorator that adds the fields of dataclasses as keyword-only parameters.

    The decorated function gets those that are not None as a dictionary in its parameter
    `fields`. The new parameters take the place of `fields` in the signature (before callbacks)
    and in the section "Args" of the docstring.

    Args:
        configs: The dataclasses. They check the values themselves.
    """

    def decorate(function: Callable[..., R]) -> Callable[..., R]:
        added = field_parameters(*configs)
        names = [parameter.name for parameter in added]
        signature = inspect.signature(function)
        own = [p for p in signature.parameters.values() if p.name != "fields"]
        callbacks = [p for p in own if p.name.startswith("on_")]
        own = [p for p in own if p not in callbacks]
        parameters = [*own, *added, *callbacks]
        known = [parameter.name for parameter in parameters]

        @wraps(function)
        def filled(*args: Any, **arguments: Any) -> R:  # noqa: ANN401  # any field
            for name in arguments:
                check_name(name, known, function=function.__name__)
            given = {name: arguments.pop(name) for name in names if name in arguments}
            values = {name: value for name, value in given.items() if value is not None}
            return function(*args, fields=values, **arguments)

        filled.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
        hints = {p.name: p.annotation for p in parameters}
        filled.__annotations__ = hints | {"return": signature.return_annotation}
        filled.__doc__ = _with_field_help(function.__doc__ or "", configs)
        return filled

    return decorate


def field_parameters(*configs: type) -> list[inspect.Parameter]:
    """Return a keyword-only parameter for each field of some dataclasses, with default None."""
    return [
        inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            default=None,
            # The type is known at run time only, where no type checker can read it.
            annotation=cast(Any, kind) | None,
        )
        for config in configs
        for name, kind in option_types(config).items()
    ]


def config_of(config: type[C], values: Mapping[str, object]) -> C:
    """Build a configuration from those values that are its fields; NumPy scalars become numbers.

    Raises:
        InputError: If a value is not allowed.
    """
    own = {field.name: values[field.name] for field in fields(config) if field.name in values}
    return config(**plain_values(own))


def plain_values(values: Mapping[str, object]) -> dict[str, object]:
    """Return values with a Python number for each NumPy scalar."""
    return {
        name: value.item() if isinstance(value, np.generic) else value
        for name, value in values.items()
    }


def option_types(config: type) -> dict[str, object]:
    """Return the type of each field of a dataclass that is an option, by name."""
    return {one.name: one.type for one in fields(config) if one.metadata.get("option", True)}


def field_help(config: type) -> dict[str, str]:
    """Return the docstring of each option of a dataclass, by name, as one line.

    Python does not store these strings, so they are read from the source code.
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
    return {name: found[name] for name in option_types(config) if name in found}


def check_name(name: str, known: Sequence[str], *, function: str) -> None:
    """Check that an argument is one of the parameters of a function.

    Raises:
        InputError: If it is not; the message names the most similar parameter.
    """
    if name in known:
        return
    nearest = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    hint = f": did you mean {nearest[0]}?" if nearest else ";"
    raise InputError(
        f"{function}() has no parameter {name}{hint} help({function}) lists all parameters"
    )


def _with_field_help(doc: str, configs: Sequence[type]) -> str:
    """Replace the line on `fields` in a docstring by one entry for each field."""

    def entries(line: re.Match[str]) -> str:
        found = []
        for config in configs:
            defaults = {field.name: field.default for field in fields(config)}
            for name, text in field_help(config).items():
                entry = f"{name}: {text} [default: {defaults[name]}]"
                indent = line[1]
                found.append(
                    fill(
                        entry,
                        width=100,
                        initial_indent=indent,
                        subsequent_indent=f"{indent}    ",
                        break_long_words=False,
                        break_on_hyphens=False,
                    )
                )
        return "\n".join(found)

    return re.sub(r"^( *)fields: .*$", entries, doc, flags=re.MULTILINE)
