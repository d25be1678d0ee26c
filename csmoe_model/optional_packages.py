"""Packages that only some work needs: loaded when it begins, and missed in one line."""

from importlib import import_module
from typing import Any

from minortom.errors import InputError


def load_package(module: str, *, extra: str) -> Any:  # noqa: ANN401
    """Import a module of a package that an extra of minortom installs.

    Raises:
        InputError: If the package is not installed.
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module}.".startswith(f"{error.name}."):
            raise  # something that the package itself lacks
        raise InputError(
            f"{module.partition('.')[0]} is not installed; wanted `pip install 'minortom[{extra}]'`"
        ) from None
