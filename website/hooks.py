"""Hooks of MkDocs: pages that are made at each build, and links as the site needs them."""

from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page
from pymdownx.slugs import slugify

from website import api_pages, commands, guides, notebooks
from website.links import ROOT_PAGES, with_site_links

REPOSITORY = Path(__file__).parents[1]
DOCS = REPOSITORY / "docs"
COPIES = "repository"
"""Folder of the site for linked files of the repository that are no pages."""
WIDE = "---\nhide: [navigation]\n---\n"
"""Front matter of a page without the column of the navigation."""


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Put the pages that are made at each build into the navigation; make GitHub's anchors."""
    config.mdx_configs["toc"]["slugify"] = slugify(case="lower")
    made = {
        commands.FOLDER + "/commands": commands.navigation(commands.programs()),
        api_pages.FOLDER: api_pages.navigation(),
    }
    config.nav = _filled(config.nav or [], made)
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are made from the README, the changelog and the program."""
    programs = commands.programs()
    docs = {path: path.read_text(encoding="utf-8") for path in sorted(DOCS.glob("*.md"))}
    pages = {
        path: (REPOSITORY / name).read_text(encoding="utf-8") for name, path in ROOT_PAGES.items()
    }
    pages["index.md"] = WIDE + pages["index.md"]
    pages |= {
        command.path: commands.page(command, guides.pages_of(command.words, docs))
        for command in commands.walk(programs)
    }
    pages |= api_pages.pages()
    pages |= {
        path.relative_to(DOCS).with_suffix(".md").as_posix(): notebooks.page(path)
        for path in sorted(DOCS.rglob("*.ipynb"))
    }
    for path, text in pages.items():
        files.append(File.generated(config, path, content=text))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Rewrite the links of a page that is also read on GitHub."""
    roots = {path: name for name, path in ROOT_PAGES.items()}
    path = page.file.src_uri
    if path.startswith(commands.FOLDER):
        return markdown

    def copied(target: str) -> str:
        there = f"{COPIES}/{target}.txt"  # a browser shows it
        if (REPOSITORY / target).is_file() and not files.get_file_from_path(there):
            content = (REPOSITORY / target).read_bytes()
            files.append(File.generated(config, there, content=content))
        return there

    return with_site_links(markdown, roots.get(path, f"docs/{path}"), copied)


def _filled(entries: list[Any], made: dict[str, list[Any]]) -> list[Any]:
    """Return navigation entries with the made ones, and notebooks as the pages made of them."""
    filled = []
    for entry in entries:
        ((title, value),) = entry.items()
        if isinstance(value, list):
            value = _filled(value, made)
        else:
            value = made.get(value, value.replace(".ipynb", ".md"))
        filled.append({title: value})
    return filled
