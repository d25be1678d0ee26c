"""Packages that only some work needs: loaded when it begins, and missed in one line."""

from importlib import import_module
from typing import Any

from minortom.errors import InputError


def load_package(module: str, *, extra: str) -> Any:  # noqa: ANN401
    """Import a module of a package that an extra of minortom installs.

    Raises:
        InputError: If the package is not installed, or is and does not load.
    """
    package = module.partition(".")[0]
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        if error.name is not None and f"{module}.".startswith(f"{error.name}."):
            wanted = f"`pip install 'minortom[{extra}]'`"
            raise InputError(f"{package} is not installed; wanted {wanted}") from None
        raise _broken(package, error) from error
    except (ImportError, RuntimeError, OSError) as error:
        # Such as torchvision made for another torch, which torchgeo and TerraTorch import.
        raise _broken(package, error) from error


def _broken(package: str, error: Exception) -> InputError:
    return InputError(
        f"{package} is installed and does not load ({str(error).splitlines()[0]}); install what "
        "it needs, torch and torchvision of one build among it"
    )
