"""Docstrings begin as CONTRIBUTING.md asks: a verb in the imperative, a technical noun."""

import ast

import pytest
from repository import REPOSITORY

FILES = sorted(
    path
    for folder in ("minortom", "csmoe_model", "cli/minortom_cli", "website")
    for path in (REPOSITORY / folder).rglob("*.py")
)
NO_VERB = {
    "What", "Who", "Whose", "Whom", "Which", "Where", "When", "How", "Whether", "That", "Why",
    "Give", "Gives", "Let", "Tell", "Say",
}  # fmt: skip


def docstrings(path):
    """Return (line, first word, whether it is a function's) of each docstring of a file."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            text = ast.get_docstring(node)
            if text:
                yield getattr(node, "lineno", 1), text.split(maxsplit=1)[0].strip(".,:`"), node


def test_the_files_are_found():
    assert len(FILES) > 250


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_a_docstring_begins_with_a_technical_word(path):
    begins_badly = [(line, word) for line, word, _ in docstrings(path) if word in NO_VERB]

    assert begins_badly == []
