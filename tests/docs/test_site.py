"""The site: navigation, generated pages, links that hold on GitHub and in the site."""

import re
from pathlib import Path

import markdown
import pytest
import yaml
from markdown_it import MarkdownIt
from pymdownx.slugs import slugify
from repository import DOCS, REPOSITORY
from typed_commands import commands_and_groups

from website import api_pages, check, commands, guides, notebooks
from website.links import ROOT_PAGES, with_site_links

PAGES = [*(REPOSITORY / name for name in ROOT_PAGES), *sorted(DOCS.glob("*.md"))]
COMMANDS = list(commands.walk(commands.programs()))
CODE = re.compile(r"^```.*?^```|^    .*?$", re.MULTILINE | re.DOTALL)


def in_navigation(entries):
    for entry in entries:
        if isinstance(entry, str):  # the page of a section itself
            yield entry
            continue
        for value in entry.values():
            yield from in_navigation(value) if isinstance(value, list) else [value]


def test_every_page_is_in_the_navigation_once():
    config = yaml.safe_load((REPOSITORY / "mkdocs.yml").read_text())
    written = {path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md")}
    written |= {path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.ipynb")}
    found = list(in_navigation(config["nav"]))

    assert written - set(found) == set()
    assert set(ROOT_PAGES.values()) - set(found) == set()
    assert len(found) == len(set(found))


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.title)
def test_a_command_page_has_every_option_with_its_default(command):
    text = commands.page(command, {})

    assert text.startswith(f"# {command.title}\n")
    for parameter in command.parsed.params:
        sentence, _, facts = parameter.get_help_record(
            command.parsed.make_context("", [], resilient_parsing=True)
        )[1].partition("  [")
        assert all(name in text for name in parameter.opts)
        assert f"{sentence}\n" in text
        assert not parameter.required or "required" in facts
    given = [p for p in command.parsed.params if isinstance(p.show_default, str)]
    assert [
        p.name for p in given if f"*default: {p.show_default}" not in text.replace("\\", "")
    ] == []


def test_the_reference_has_every_command():
    titles = {command.title for command in COMMANDS}

    assert {"minortom sample", "csmoe text search", "csmoe plot epochs", "csmoe-train"} <= titles
    assert titles == {" ".join(words) for words, _ in commands_and_groups()}
    listed = list(in_navigation(commands.navigation(commands.programs())))
    assert sorted(listed) == sorted(command.path for command in COMMANDS)


def test_a_command_page_names_the_guides_that_show_it():
    pages = {
        Path("a.md"): "# A\n```\nminortom sample x --out y\nminortom samples\n```\n",
        Path("b.md"): "# B\n```\nminortom sample a\nminortom sample b\n```\nminortom verify c\n",
        Path("c.md"): "# C\n```\ncsmoe-train shards\n```\n",
    }

    assert guides.pages_of(("minortom", "sample"), pages) == {"b.md": "B", "a.md": "A"}
    assert guides.pages_of(("minortom", "verify"), pages) == {}
    assert guides.pages_of(("csmoe", "train"), pages) == {"c.md": "C"}


@pytest.mark.parametrize(
    ("text", "source", "expected"),
    [
        ("[a](docs/b.md#c)", "README.md", "[a](b.md#c)"),
        ("[a](CHANGELOG.md)", "README.md", "[a](changelog.md)"),
        ("[a](../README.md)", "docs/b.md", "[a](index.md)"),
        ("[a](LICENSE)", "README.md", "[a](files/LICENSE)"),
        ("[a](../benchmarks/x.py)", "docs/b.md", "[a](files/benchmarks/x.py)"),
        ("[a](tutorials/x.ipynb)", "docs/b.md", "[a](tutorials/x.md)"),
        ("[a](../sample.md#b)", "docs/tutorials/x.md", "[a](../sample.md#b)"),
        ('<img src="docs/images/x.svg">', "README.md", '<img src="images/x.svg">'),
        ("[a](https://x.org) [b](#c)", "README.md", "[a](https://x.org) [b](#c)"),
        ("`[a](docs/b.md)`", "README.md", "`[a](docs/b.md)`"),
        ("```\n[a](docs/b.md)\n```", "README.md", "```\n[a](docs/b.md)\n```"),
    ],
)
def test_links_of_the_repository_become_links_of_the_site(text, source, expected):
    assert with_site_links(text, source, lambda target: f"files/{target}") == expected


def anchors(path):
    """Return the anchors that GitHub makes of a page's headings."""
    text = CODE.sub("", path.read_text(encoding="utf-8"))
    titles = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    plain = [re.sub(r"\[([^]]*)\]\([^)]*\)|[`*]", r"\1", title) for title in titles]
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in plain}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_each_anchor_of_a_link_is_a_heading_on_github(page):
    text = CODE.sub("", page.read_text(encoding="utf-8"))
    links = re.findall(r"\]\((?!https?:)([^)#]*)#([^)]+)\)", text)

    assert [
        (target, anchor)
        for target, anchor in links
        if anchor not in anchors(page.parent / target if target else page)
    ] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_is_read_alike_on_github_and_in_the_site(page):
    """CommonMark and Python-Markdown differ in lists without a blank line, among others."""
    text = page.read_text(encoding="utf-8")
    configs = {"toc": {"slugify": slugify(case="lower")}}
    site = markdown.markdown(
        text, extensions=["tables", "pymdownx.superfences", "toc"], extension_configs=configs
    )
    github = MarkdownIt("commonmark").enable("table").render(text)
    kinds = ("li", "ul", "ol", "table", "td", "pre", "h1", "h2", "h3", "img", "strong", "code", "a")

    assert {kind: len(re.findall(f"<{kind}[ >]", site)) for kind in kinds} == {
        kind: len(re.findall(f"<{kind}[ >]", github)) for kind in kinds
    }


def test_a_notebook_becomes_a_page(tmp_path):
    (tmp_path / "x.ipynb").write_text(
        """{"cells": [
        {"cell_type": "markdown", "source": ["# Title\\n", "First."]},
        {"cell_type": "code", "source": ["print('```')"], "outputs": [
          {"output_type": "stream", "text": ["one\\n"]},
          {"output_type": "display_data", "data": {"image/png": "AAAA\\n", "text/plain": ["no"]}},
          {"output_type": "execute_result", "data": {"text/plain": ["3"]}}]}]}"""
    )

    assert notebooks.page(tmp_path / "x.ipynb").split("\n\n") == [
        "# Title",
        "[Download this notebook](x.ipynb){ download }",
        "First.",
        "````python\nprint('```')\n````",
        "```{.text .output}\none\n```",
        "![Output](data:image/png;base64,AAAA)",
        "```{.text .output}\n3\n```\n",
    ]


@pytest.mark.parametrize(
    ("text", "suffix", "expected"),
    [
        ('<script src="https://unpkg.com/x"></script>', ".html", ["https://unpkg.com/x"]),
        ('<link rel="stylesheet" href="//fonts.org/x.css">', ".html", ["//fonts.org/x.css"]),
        ('<img src="HTTP://x.org/a.png">', ".html", ["HTTP://x.org/a.png"]),
        ('<p style="background: url(https://x.org/a)">', ".html", ["https://x.org/a"]),
        ("<style>@import 'https://x.org/a';</style>", ".html", ["https://x.org/a"]),
        ("a { background: url(https://x.org/a.png) }", ".css", ["https://x.org/a.png"]),
        ('<a href="https://x.org">x</a><img src="a.png"><link href="b.css">', ".html", []),
        ("<code>&lt;script src=&quot;https://x.org&quot;&gt;</code>", ".html", []),
        ('<img src="data:image/png;base64,AAAA">', ".html", []),
    ],
)
def test_network_addresses_that_a_browser_would_load_are_found(text, suffix, expected):
    assert check.network_loads(text, suffix) == expected


def test_a_site_with_a_network_address_or_without_pages_fails(tmp_path, capsys):
    assert check.main(tmp_path) == 1
    (tmp_path / "a.html").write_text('<img src="a.png">')
    assert check.main(tmp_path) == 0
    (tmp_path / "b.css").write_text("@import url(https://x.org/a.css)")
    assert check.main(tmp_path) == 1
    assert f"{tmp_path / 'b.css'}: loads https://x.org/a.css" in capsys.readouterr().out


def test_the_python_reference_has_every_public_module_and_result():
    assert {"minortom", "minortom.grid", "csmoe_model.text", "csmoe_model.plot"} <= set(
        api_pages.modules()
    )
    assert {"minortom.sample", "minortom.shards.open", "csmoe_model.text.train.train"} <= (
        api_pages.public_names()
    )
    assert "minortom.reporting.report.ReportResult" in api_pages.result_classes()
