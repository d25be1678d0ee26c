"""What the fields of a configuration are for: the string under each, as its class has it."""

import ast
import inspect
from itertools import pairwise
from textwrap import dedent


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
