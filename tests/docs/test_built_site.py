"""The built site: complete, without the network, and with a search, from the disk."""

import re
import subprocess
import sys

import pytest
from repository import REPOSITORY

from website import api_pages, check, commands

pytest_plugins = ("browser_fixtures",)
pytestmark = pytest.mark.soak  # half a minute


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """Build the site strictly, as `make docs` does."""
    folder = tmp_path_factory.mktemp("site")
    call = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    done = subprocess.run(call, check=False, cwd=REPOSITORY, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    return folder


def test_no_page_loads_anything_from_the_network(site, capsys):
    assert check.main(site) == 0, capsys.readouterr().out


def test_every_command_has_a_page(site):
    for command in commands.walk(commands.programs()):
        text = (site / command.path).with_suffix(".html").read_text()
        for option in command.parsed.params:
            assert f'id="{option.name.replace("_", "-")}"' in text, (command.title, option.name)


def test_every_public_name_and_result_has_an_entry(site):
    pages = (site / api_pages.FOLDER).glob("*.html")
    shown = {name for page in pages for name in re.findall(r'id="([\w.]+)"', page.read_text())}

    assert api_pages.public_names() | set(api_pages.result_classes()) <= shown
    train = (site / api_pages.FOLDER / "csmoe_model.html").read_text()
    assert "mask_ratio" in train  # a field, which only exists at run time


def test_the_search_works_from_the_disk(site, browser):
    browser.open(site / "index.html", ready="document.readyState === 'complete'")
    browser.run(
        "(() => { const field = document.querySelector('input.md-search__input');"
        " field.focus(); field.value = 'stratum';"
        " field.dispatchEvent(new KeyboardEvent('keyup', {bubbles: true})); })()"
    )
    browser.wait("document.querySelectorAll('.md-search-result__item a').length > 3", seconds=120)
    links = browser.run(
        "[...document.querySelectorAll('.md-search-result__item a')].map(link => link.href)"
    )

    assert any("sample.html" in link for link in links)
    assert [url for url in browser.requests if not url.startswith(("file:", "about:"))] == []
    assert browser.errors == []
