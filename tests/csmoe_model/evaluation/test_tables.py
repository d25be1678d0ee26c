"""Tables of results: text of others is shown without its markup."""

import pytest
from markdown_reader import HOSTILE, inlines, outline

from csmoe_model.evaluation.tables import cost_cells, latex_table, markdown_grid, markdown_table
from csmoe_model.retrieval.retrieve import markdown_table as retrieval_table

COST = {"parameters": 23_040, "multiply_adds": 321_150_000}
SCORE = {"value": 0.5, "low": 0.4, "high": 0.6}


def probe_result(odd=""):
    row = {
        "features": f"model{odd}", "probe": "logistic", **COST,
        "scores": {"average_accuracy": SCORE},
    }  # fmt: skip
    return {
        "data": f"set{odd}", "headline": "average_accuracy", "classes": ["a", "b"], "groups": 0,
        "splits": {f"train{odd}": 2}, "rows": [row],
        "differences": [{"probe": "logistic", "minus": f"baseline{odd}", **SCORE}],
        "published": [{"features": f"other{odd}", "percent": 50.0, "source": f"paper{odd}"}],
        "settings": {
            "sensors": ["s2"], "set": {"label": f"forest{odd}"}, "protocol": "linear",
            "pooling": "mean", "recipe": f"tiny{odd}", "seeds": [0], "bootstrap": {"draws": 10},
        },
    }  # fmt: skip


def retrieval_result(odd=""):
    return {
        "data": f"set{odd}", "queries": 1, "archive": 1, "classes": ["a"],
        "rows": [{"features": f"model{odd}", **COST, "directions": {"s1_to_s2": {"f1": SCORE}}}],
        "published": [
            {"features": "a", "source": f"paper{odd}", "percent": {"s1_to_s2": 50.0}}
        ],
        "settings": {"k": 3, "pooling": "mean", "index": "exact", "seeds": [0], "draws": 10},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("table", "result"), [(markdown_table, probe_result), (retrieval_table, retrieval_result)]
)
def test_text_of_others_adds_no_markup_to_a_table(table, result):
    text = table(result(f" {HOSTILE}"))
    assert outline(text) == outline(table(result()))
    assert {token.type for token in inlines(text)} <= {"text", "text_special"}


def test_a_cell_with_a_bar_stays_one_cell():
    assert len(inlines(markdown_grid(["a", "b"], [["1|2", "3"]]))) >= 4
    assert outline(markdown_grid(["a"], [["1|2"]]))["table_open"] == 1


def test_a_command_of_latex_in_a_name_is_text():
    text = latex_table(probe_result("\n\n\\input{/etc/passwd} % |"))
    assert "\\input" not in text
    assert "\n\n" not in text


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0"), (999, "999"), (23_040, "23.0 k"), (321_150_000, "321 M"), (999_900, "1.00 M"),
        (10_107_689_472, "10.1 G"), (None, "–"),
    ],
)  # fmt: skip
def test_costs_have_three_digits_and_a_unit(number, text):
    cells = cost_cells({"parameters": 0, "multiply_adds": number})
    assert cells == {"parameters": "0", "multiply-adds per image": text}


@pytest.mark.parametrize(
    ("table", "result", "mark"),
    [
        (markdown_table, probe_result, " | "), (retrieval_table, retrieval_result, " | "),
        (latex_table, probe_result, " & "),
    ],
)  # fmt: skip
def test_every_table_has_the_cost_of_each_row_of_scores(table, result, mark):
    lines = table(result()).splitlines()
    head = next(line for line in lines if "parameters" in line)
    row = next(line for line in lines if "23.0 k" in line)
    cells = [cell.strip(" |\\") for cell in row.split(mark)]
    assert cells[-2:] == ["23.0 k", "321 M"]
    assert [cell.strip(" |\\") for cell in head.split(mark)][-2:] == [
        "parameters", "multiply-adds per image"
    ]  # fmt: skip
    ends = [line.count("&") for line in lines if line.endswith("\\\\")]
    assert len(set(ends)) == (mark == " & ")
