"""Every line of README and of the walkthrough runs, in order, as a new user types it."""

import pytest
from repository import DOCS, REPOSITORY
from typed_pages import blocks_of, type_in

README, WALKTHROUGH = REPOSITORY / "README.md", DOCS / "walkthrough.md"
ELSEWHERE = {"needs the network", "needs a GPU"}
"""Marks of blocks that no test can run; test_docs.py parses their commands."""
PLANET, REAL = "on the synthetic planet", "on real files"
FEW = "needs two tiles of each of some classes: not the three real tiles"


@pytest.fixture
def typed(tmp_path, monkeypatch):
    """Type the blocks of a page in an empty folder, but those with other marks."""
    monkeypatch.chdir(tmp_path)

    def type_page(page, *marks):
        for block in blocks_of(page):
            if block.mark in ("", *marks):
                for command in block.commands:
                    assert type_in(command, monkeypatch) == 0, command

    return type_page


@pytest.mark.parametrize(("page", "least"), [(README, 5), (WALKTHROUGH, 14)], ids=["1", "2"])
def test_each_block_runs_or_says_where(page, least):
    blocks = blocks_of(page)

    assert {block.mark for block in blocks} <= {"", PLANET, REAL, FEW, *ELSEWHERE}
    assert sum(len(block.commands) for block in blocks if block.mark in ("", PLANET)) >= least


def test_every_line_of_readme_runs(typed, tmp_path):
    typed(README)

    assert (tmp_path / "run" / "model" / "model.safetensors").exists()


@pytest.mark.parametrize("data", [pytest.param(PLANET, marks=pytest.mark.soak), REAL])
def test_every_line_of_the_walkthrough_runs(request, typed, tmp_path, monkeypatch, capsys, data):
    if data == REAL:
        monkeypatch.setenv("MINORTOM_DATA", str(request.getfixturevalue("real_data")))

    typed(WALKTHROUGH, *([PLANET, FEW] if data == PLANET else [REAL]))

    outputs = [
        "annotated.parquet", "selection.parquet", "report/report.html", "gallery.html",
        "hits.html", "shards/dataset.json", "run/model/config.json", "embeddings.parquet",
        "neighbours.png",
    ]  # fmt: skip
    outputs += ["probe/table.md"] if data == PLANET else []
    assert [name for name in outputs if not (tmp_path / name).exists()] == []
    page = WALKTHROUGH.read_text(encoding="utf-8")
    assert [name for name in outputs if name.split("/")[0] not in page] == []
    if data == REAL:
        capsys.readouterr()
        [probe] = [one.commands[0] for one in blocks_of(WALKTHROUGH) if one.mark == FEW]
        assert type_in(probe, monkeypatch) == 1
        assert capsys.readouterr().err.startswith("error: ")
