"""A release: its notes, its version, its addresses, the templates of issues."""

import re
import subprocess
import sys
import tomllib

import pytest
import yaml
from repository import REPOSITORY

from minortom import __version__

SCRIPT = REPOSITORY / ".ci" / "release_notes.py"


def notes_of(*versions):
    words = [sys.executable, str(SCRIPT), *versions]
    return subprocess.run(words, capture_output=True, text=True, check=False)


def test_the_notes_of_a_release_are_its_section_of_the_changelog():
    found = notes_of(__version__)

    assert found.returncode == 0, found.stderr
    changelog = (REPOSITORY / "CHANGELOG.md").read_text(encoding="utf-8")
    before, after = changelog.split(found.stdout)
    assert before.splitlines()[-2].startswith(f"## {__version__}")
    assert after == "" or after.startswith("\n## ")


@pytest.mark.parametrize(
    ("versions", "message"),
    [(["9.9.9"], f"CHANGELOG.md ({__version__}), found 9.9.9"), ([], "expected one version")],
)
def test_notes_of_no_release_are_one_line(versions, message):
    found = notes_of(*versions)

    assert (found.returncode, found.stdout) == (1, "")
    assert message in found.stderr


def test_citation_and_changelog_have_the_version_of_the_package():
    citation = yaml.safe_load((REPOSITORY / "CITATION.cff").read_text(encoding="utf-8"))

    assert citation["version"] == __version__
    assert citation["cff-version"] == "1.2.0"


def test_readme_and_project_have_one_address():
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    readme = (REPOSITORY / "README.md").read_text(encoding="utf-8")

    [cloned] = re.findall(r"^git clone (\S+)", readme, re.MULTILINE)
    assert project["urls"]["Repository"] == cloned
    assert all(address.startswith(cloned) for address in project["urls"].values())


@pytest.mark.parametrize(
    "path", sorted((REPOSITORY / ".github" / "ISSUE_TEMPLATE").glob("*.md")), ids=lambda p: p.name
)
def test_a_template_of_an_issue_says_when_to_use_it(path):
    _, head, body = path.read_text(encoding="utf-8").split("---\n", 2)

    assert set(yaml.safe_load(head)) == {"name", "about", "labels"}
    assert body.count("**") >= 6
