"""Optional packages: imported when they are needed, with a one-line error if they are missing."""

from importlib import import_module
from importlib.util import find_spec
from typing import Any

from minortom.errors import InputError


def load_package(module: str, *, extra: str) -> Any:  # noqa: ANN401
    """Return a module of a package that an extra of minortom installs.

    Args:
        module: Dotted name of the module.
        extra: Extra of minortom that installs the package.

    Raises:
        InputError: If the package is not installed, or its import fails.
    """
    package = module.partition(".")[0]
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        if error.name is not None and f"{module}.".startswith(f"{error.name}."):
            raise _missing(package, extra) from None
        raise _broken(package, error) from error
    except (ImportError, RuntimeError, OSError) as error:
        # Such as a torchvision built for another torch, which torchgeo and TerraTorch import.
        raise _broken(package, error) from error


def require_packages(*packages: str, extra: str) -> None:
    """Check that packages are installed, without importing them.

    Raises:
        InputError: If one is missing.
    """
    for package in packages:
        if find_spec(package) is None:
            raise _missing(package, extra)


def _missing(package: str, extra: str) -> InputError:
    return InputError(f"{package} is not installed; run `pip install 'minortom[{extra}]'`")


def _broken(package: str, error: Exception) -> InputError:
    return InputError(
        f"{package} is installed and its import fails ({str(error).splitlines()[0]}); install its "
        "dependencies, with torch and torchvision of the same build"
    )
