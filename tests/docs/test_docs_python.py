"""The code of docs/python.md runs, and its functions write what the commands write."""

import re

import pytest
from minortom_cli.console import run
from minortom_cli.main import app
from minortom_cli.model.app import app as csmoe_app
from repository import DOCS

from csmoe_model.training.result import TrainResult

PAGE = DOCS / "python.md"
MAPS = "--climate planet/climate.tif --landcover planet/landcover.tif"
ARCHIVES = "--s2 planet/Core-S2L2A --s1 planet/Core-S1RTC"


@pytest.fixture(scope="module")
def names(tmp_path_factory):
    """Run the page in a folder of its own; return its variables, and the folder as ``folder``."""
    folder = tmp_path_factory.mktemp("page")
    found = {"folder": folder}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for example in re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL):
            exec(example, found)
    return found


def test_every_output_of_the_page_is_written(names):
    outputs = (
        "planet", "annotated.parquet", "selection.parquet", "report/report.html", "shards",
        "run/model/model.safetensors", "embeddings.parquet", "hits.html", "experts.html",
        "clusters.parquet", "labels.parquet", "s2-encoder/model.safetensors", "small/pruning.json",
        "text/model/vocabulary.txt", "sentence.html",
    )  # fmt: skip

    assert [name for name in outputs if not (names["folder"] / name).exists()] == []
    assert isinstance(names["run"], TrainResult)


def test_a_file_holds_what_the_result_in_memory_holds(names):
    annotated, selection = names["annotated"], names["selection"]

    assert annotated.out is None
    assert len(annotated.table) == annotated.tiles
    assert set(selection.table["grid_cell"].to_pylist()) <= set(
        annotated.table["grid_cell"].to_pylist()
    )
    assert (names["northern"].lat > 0).all()


def test_shapes_are_those_that_the_page_states(names):
    assert names["patch"]["s2_10m"].shape == (4, 56, 56)
    assert names["batch"]["s2"].shape == (8, 10, 56, 56)
    assert names["batch"]["s1"].shape == (8, 2, 56, 56)
    assert names["vectors"].shape == (1, names["extractor"].width)


def test_an_error_is_one_line(names, capsys):
    with pytest.raises(Exception) as caught:  # noqa: PT011
        exec("minortom.sample('annotated.parquet', per_stratum='many')", names)

    assert "\n" not in str(caught.value)
    assert "per_stratum must be a whole number" in str(caught.value)
    assert capsys.readouterr().out == ""


@pytest.mark.soak  # test_api_parity holds the commands to the functions
def test_functions_and_commands_write_the_same_bytes(names, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(names["folder"])
    commands = (
        f"annotate {MAPS} --landcover-legend worldcover planet/cells.txt --out",
        "sample annotated.parquet --per-stratum 5 --keep planet/Core-S1RTC/metadata.parquet --out",
        f"export selection.parquet {ARCHIVES} --missing skip --patch-size 56 --out",
    )
    outputs = ("annotated.parquet", "selection.parquet", "shards")
    for command, output in zip(commands, outputs, strict=True):
        words = [*command.split(), str(tmp_path / output)]
        assert run(app, words) == 0, capsys.readouterr().err
    embed = f"embed run shards --out {tmp_path}/embeddings.parquet"
    assert run(csmoe_app, embed.split()) == 0, capsys.readouterr().err

    for path in sorted(tmp_path.rglob("*.parquet")):
        twin = names["folder"] / path.relative_to(tmp_path)
        assert path.read_bytes() == twin.read_bytes(), path.name
    assert len(list(tmp_path.rglob("*.parquet"))) >= 4
