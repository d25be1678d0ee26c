"""Results print as the commands do and turn into JSON."""

import json
from dataclasses import FrozenInstanceError, dataclass, field
from pathlib import Path

import pytest

from minortom.api.results import NOT_IN_JSON, Result, as_text


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


def test_rows_share_a_header_and_text_stays_text():
    text = as_text([{"set": "random", "nn_km": 39.04}, {"set": "selection", "nn_km": None}])

    assert [line.split() for line in text.splitlines() if "─" not in line and line.strip()] == [
        ["set", "nn_km"], ["random", "39.04"], ["selection", "–"],
    ]  # fmt: skip
    assert as_text("922D_249L") == "922D_249L"


def test_a_result_cannot_be_changed(result):
    with pytest.raises(FrozenInstanceError):
        result.tiles = 1
