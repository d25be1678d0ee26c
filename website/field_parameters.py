"""Griffe extension: parameters that a decorator makes from the fields of dataclasses.

Griffe reads source text, where `csmoe_model.train` has the one parameter `fields`. At run time it
has a parameter for each field; this extension takes those, and their descriptions, from there.
"""

import importlib
import inspect
from typing import Any

import griffe

DECORATOR = "csmoe_model.training.field_arguments.with_fields"


class FieldParameters(griffe.Extension):
    """Replace signature and docstring of functions under the decorator ``with_fields``."""

    def on_function_instance(self, *, func: griffe.Function, **_: Any) -> None:  # noqa: ANN401
        """Fill in a function as soon as griffe has read it."""
        if not any(decorator.callable_path == DECORATOR for decorator in func.decorators):
            return
        function = getattr(importlib.import_module(func.module.path), func.name)
        known = {parameter.name: parameter for parameter in func.parameters}
        func.parameters = griffe.Parameters(
            *(known.get(name) or _parameter(name, parameter)
              for name, parameter in inspect.signature(function).parameters.items())
        )  # fmt: skip
        assert func.docstring is not None
        func.docstring.value = inspect.getdoc(function) or ""


def _parameter(name: str, parameter: inspect.Parameter) -> griffe.Parameter:
    return griffe.Parameter(
        name,
        annotation=inspect.formatannotation(parameter.annotation),
        kind=griffe.ParameterKind.keyword_only,
        default=repr(parameter.default),
    )
