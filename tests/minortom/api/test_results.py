"""Results print as the commands do and turn into JSON."""

import json
from dataclasses import FrozenInstanceError, dataclass, field
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from minortom.api.results import NOT_IN_JSON, Result, as_text
from minortom.api.table_layout import layout


@dataclass(frozen=True, kw_only=True)
class Sample(Result):
    out: Path
    tiles: int
    removed: dict[str, int]
    shares: tuple[float, ...]
    table: object = field(default=None, metadata=NOT_IN_JSON)


@pytest.fixture
def result():
    return Sample(
        out=Path("a/b.parquet"),
        tiles=12345,
        removed={"bbox": 2},
        shares=(0.25, 1.0),
        table=object(),
    )


def test_the_dictionary_is_json_without_what_stays_in_memory(result):
    assert json.loads(json.dumps(result.as_dict())) == {
        "out": "a/b.parquet", "tiles": 12345, "removed": {"bbox": 2}, "shares": [0.25, 1.0],
    }  # fmt: skip


def test_the_text_has_one_line_a_field(result):
    lines = [line.split() for line in str(result).splitlines()]

    assert lines == [
        ["out", "a/b.parquet"], ["tiles", "12,345"], ["removed", "bbox", "2"],
        ["shares", "0.25,", "1"],
    ]  # fmt: skip


def test_the_text_is_the_same_in_a_notebook(result, monkeypatch, capsys):
    rows, expected = [{"set": "random", "nn_km": 39.04}], str(result)
    table = as_text(rows)
    monkeypatch.setattr("rich.console._is_jupyter", lambda: True)
    monkeypatch.setenv("FORCE_COLOR", "1")  # as Jupyter's kernel does

    assert str(result) == expected
    assert as_text(rows) == table
    assert capsys.readouterr().out == ""


def test_rows_share_a_header_and_text_stays_text():
    text = as_text([{"set": "random", "nn_km": 39.04}, {"set": "selection", "nn_km": None}])

    assert [line.split() for line in text.splitlines() if "─" not in line and line.strip()] == [
        ["set", "nn_km"], ["random", "39.04"], ["selection", "–"],
    ]  # fmt: skip
    assert as_text("922D_249L") == "922D_249L"


def test_a_result_cannot_be_changed(result):
    with pytest.raises(FrozenInstanceError):
        result.tiles = 1


ROWS = [
    {"recipe": f"model-{size}", "params (M)": size / 7, "share of all the images": 0.5}
    for size in (1, 1000, 1_000_000)
]


@pytest.mark.parametrize("width", [36, 40, 60, 80, 120])
def test_no_cell_is_cut_however_narrow_the_terminal_is(width):
    console = Console(file=StringIO(), width=width, highlight=False, markup=False)
    console.print(layout(ROWS, width=width))
    lines = console.file.getvalue().splitlines()

    assert max(map(len, lines)) <= width
    text = " ".join(lines)
    assert "…" not in text
    assert {"model-1000000", "142,857", "0.1429", "images"} <= set(text.split())


@pytest.mark.parametrize(("width", "blocks"), [(24, 3), (80, 1)])
def test_rows_become_blocks_where_their_table_is_too_wide(width, blocks):
    console = Console(file=StringIO(), width=width, highlight=False, markup=False)
    console.print(layout(ROWS, width=width))

    assert console.file.getvalue().count("recipe") == blocks


def test_a_long_path_is_folded_and_not_cut():
    path = "/" + "long-name/" * 12
    console = Console(file=StringIO(), width=60, highlight=False, markup=False)
    console.print(layout({"out": path, "number_of_tiles": 3}, width=60))

    lines = console.file.getvalue().splitlines()
    assert "".join(line[len("number of tiles ") :].strip() for line in lines[:-1]) == path
    assert lines[-1].split() == ["number", "of", "tiles", "3"]
