"""Public names of a package, imported when they are first used (PEP 562).

An eager ``__init__.py`` would load numpy, pyarrow or torch for everybody who imports the package.
"""

import sys
from collections.abc import Callable, Mapping
from importlib import import_module


def lazy_names(
    package: str, places: Mapping[str, str]
) -> tuple[Callable[[str], object], Callable[[], list[str]]]:
    """Return ``__getattr__`` and ``__dir__`` of a package with lazy public names.

    Args:
        package: Name of the package, its ``__name__``.
        places: Module that defines each public name. A module whose own name is the public name,
            and that defines nothing of that name, is itself the value.
    """

    def get(name: str) -> object:
        if name not in places:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        module = import_module(places[name])
        is_module = places[name].rpartition(".")[2] == name and not hasattr(module, name)
        value: object = module if is_module else getattr(module, name)
        setattr(sys.modules[package], name, value)  # from now on without this function
        return value

    def names() -> list[str]:
        # For completion in a shell: the public names, without what this mechanism imports.
        dunder = {name for name in vars(sys.modules[package]) if name.startswith("__")}
        return sorted(dunder | set(places))

    return get, names
