"""Reference pages of the public Python API; mkdocstrings fills them from the docstrings."""

import ast
import pkgutil
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

REPOSITORY = Path(__file__).parents[1]
FOLDER = "reference/python"
PACKAGES = ("minortom", "csmoe_model")
CONTRACTS = {"minortom": ("minortom.sensors", "minortom.errors")}
"""Public modules that no package hands on as a name."""
RESULTS = f"{FOLDER}/results.md"


def modules() -> list[str]:
    """Return every public module: the packages, and those among their public names."""
    found = []
    for package in PACKAGES:
        names = pkgutil.resolve_name(package).__all__
        public = [name for name in names if isinstance(_named(package, name), ModuleType)]
        found += [package, *(f"{package}.{name}" for name in public), *CONTRACTS.get(package, ())]
    return found


def public_names() -> set[str]:
    """Return the paths of the entries of all public functions and classes."""
    return {
        _hidden(module, name) or f"{module}.{name}"
        for module in modules()
        for name in getattr(pkgutil.resolve_name(module), "__all__", ())
        if not isinstance(_named(module, name), ModuleType)
    }


def pages() -> dict[str, str]:
    """Return the Markdown pages by their path in the docs folder."""
    found = {f"{FOLDER}/{module}.md": _page(module) for module in modules()}
    classes = "\n\n".join(f"::: {name}" for name in result_classes())
    found[RESULTS] = (
        "# Results\n\nValues that public functions return. They print as the commands do; "
        f"`as_dict()` is the output of `--json`.\n\n{classes}\n"
    )
    return found


def navigation() -> list[Any]:
    """Return the entries of MkDocs' navigation."""
    entries: list[Any] = [{module: f"{FOLDER}/{module}.md"} for module in modules()]
    return [*entries, {"Results": RESULTS}]


def result_classes() -> list[str]:
    """Return the paths of all public subclasses of Result, found without an import."""
    found = ["minortom.api.results.Result"]
    for package in PACKAGES:
        for path in sorted((REPOSITORY / package).rglob("*.py")):
            module = ".".join(path.relative_to(REPOSITORY).with_suffix("").parts)
            found += [
                f"{module}.{node.name}"
                for node in ast.parse(path.read_text(encoding="utf-8")).body
                if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
                if any(isinstance(base, ast.Name) and base.id == "Result" for base in node.bases)
            ]
    return found


def _named(module: str, name: str) -> object:
    return getattr(pkgutil.resolve_name(module), name)


def _hidden(module: str, name: str) -> str | None:
    """Return the own path of a public object that has the name of a file beside it.

    Griffe reads that file as the module of this name, and does not see the object.
    """
    place = pkgutil.resolve_name(module)
    if not hasattr(place, "__path__") or find_spec(f"{place.__name__}.{name}") is None:
        return None
    found: Any = _named(module, name)
    return None if isinstance(found, ModuleType) else f"{found.__module__}.{found.__name__}"


def _page(module: str) -> str:
    parts = [f"# {module}", f"::: {module}\n    options:\n      show_root_heading: false"]
    names = getattr(pkgutil.resolve_name(module), "__all__", ())
    parts += [f"::: {path}" for path in (_hidden(module, name) for name in names) if path]
    return "\n\n".join(parts) + "\n"
