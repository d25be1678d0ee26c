"""README and docs agree with the program: each command in them is valid."""

import re

import pytest
import typer
from minortom_cli import main
from minortom_cli.model import app as model
from repository import DOCS, REPOSITORY
from typed_commands import context_of

from website.guides import command_lines

PAGES = [REPOSITORY / "README.md", *sorted(DOCS.glob("*.md"))]
ABOUT = [REPOSITORY / f"{name}.md" for name in ("CONTRIBUTING", "CODE_OF_CONDUCT", "SECURITY")]
CASES = [
    words
    for page in PAGES
    for words in command_lines(page.read_text(encoding="utf-8"))
    if words[-1] not in ("-h", "--install-completion")
]


@pytest.mark.parametrize("words", CASES, ids=lambda words: "-".join(words[:2]))
def test_each_documented_command_is_understood(words):
    assert context_of(words).params


def test_the_pages_show_every_command():
    shown = {tuple(words[:2]) for words in CASES}

    wanted = {("minortom", name) for name in typer.main.get_command(main.app).commands}
    wanted |= {("csmoe", name) for name in typer.main.get_command(model.app).commands}
    assert wanted - shown <= {("csmoe", "train")}  # shown by its other name
    assert any(words[0] == "csmoe-train" for words in CASES)


@pytest.mark.parametrize("page", [*PAGES, *ABOUT], ids=lambda page: page.name)
def test_each_link_of_a_page_leads_to_a_file(page):
    links = re.findall(r"\]\((?!https?:)([^)#]+)[^)]*\)", page.read_text(encoding="utf-8"))

    assert [link for link in links if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("package", ["minortom", "csmoe_model", "cli/minortom_cli"])
def test_architecture_lists_every_subpackage(package):
    page = (DOCS / "architecture.md").read_text(encoding="utf-8")
    listed = set(
        re.findall(r"\w+", page.partition("subpackages of minortom ")[2].partition("```")[0])
    )

    folders = {path.parent.name for path in (REPOSITORY / package).glob("*/__init__.py")}

    assert len(folders) >= 4
    assert folders - listed == set()
