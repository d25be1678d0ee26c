"""Optional packages, which are looked for before any work is done or any file is made."""

import sys
from importlib.util import find_spec

from minortom.errors import InputError


def require_package(module: str, *, needed_by: str, extra: str) -> None:
    """Check that an optional package is installed, without importing it.

    Args:
        module: Name of the package's module, such as ``sklearn``.
        needed_by: What needs it, for the error message.
        extra: Extra of minortom that installs it.

    Raises:
        InputError: If it is not installed.
    """
    is_there = sys.modules[module] if module in sys.modules else find_spec(module)
    if is_there is None:
        raise InputError(
            f"{needed_by} needs the package {module}, which is not installed; run "
            f"`pip install 'minortom[{extra}]'`"
        )
