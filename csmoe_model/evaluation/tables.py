"""Tables of a probe's result: Markdown, LaTeX and terminal."""

from collections.abc import Mapping, Sequence
from typing import Any

from minortom.io.markdown import markdown_text

ResultRecord = Mapping[str, Any]
"""Content of `result.json`."""

TITLES = {
    "average_accuracy": "average accuracy",
    "overall_accuracy": "overall accuracy",
    "macro_f1": "macro F1",
    "micro_f1": "micro F1",
    "micro_map": "micro mAP",
    "miou": "mean IoU",
}
COST_TITLES = {"parameters": "parameters", "multiply_adds": "multiply-adds per image"}
"""Columns of the cost of a vector, by the key of a row."""
_ESCAPED = {letter: rf"\{letter}" for letter in "%_&#${}"}
_ESCAPED |= {"~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
_ESCAPED |= {"−": "$-$", "–": "--", "×": r"$\times$", "\\": r"\textbackslash{}"}


def markdown_table(result: ResultRecord) -> str:
    """Return a Markdown table of all scores in %, with 95 % intervals, and of the differences."""
    scores = list(result["rows"][0]["scores"])
    title = markdown_text(f"{result['data']}: {subject(result)}")
    parts = [f"# {title}\n", markdown_text(_caption(result)) + "\n"]
    parts.append(
        markdown_grid(
            ["features", "probe", *(TITLES[name] for name in scores), *COST_TITLES.values()],
            [_score_cells(row, scores) for row in result["rows"]],
        )
    )
    parts.append(f"Model minus baseline, {TITLES[result['headline']]}, in points:\n")
    parts.append(
        markdown_grid(
            ["probe", "minus", "difference"],
            [[gap["probe"], gap["minus"], with_interval(gap)] for gap in result["differences"]],
        )
    )
    if result["published"]:
        parts.append("Published, under other protocols:\n")
        parts.append(
            markdown_grid(
                ["features", TITLES[result["headline"]], "source"],
                [[row["features"], f"{row['percent']:.1f}", row["source"]]
                 for row in result["published"]],
            )
        )  # fmt: skip
    return "\n".join(parts)


def latex_table(result: ResultRecord) -> str:
    """Return the same rows as a LaTeX `table` with booktabs."""
    scores = list(result["rows"][0]["scores"])
    lines = [
        r"\begin{table}",
        rf"\caption{{{_tex(result['data'])}: {_tex(subject(result))}. {_tex(_caption(result))}}}",
        rf"\begin{{tabular}}{{ll{'r' * (len(scores) + len(COST_TITLES))}}}",
        r"\toprule",
        _line(["Features", "Probe", *(TITLES[name] for name in scores), *COST_TITLES.values()]),
        r"\midrule",
    ]
    lines += [_line(_score_cells(row, scores)) for row in result["rows"]]
    lines += [r"\midrule"]
    no_cost = [""] * len(COST_TITLES)
    blank = [""] * (len(scores) - 1) + no_cost
    for gap in result["differences"]:
        cells = {result["headline"]: with_interval(gap)}
        lines.append(
            _line(
                [f"model − {gap['minus']}", gap["probe"], *(cells.get(s, "") for s in scores),
                 *no_cost]
            )
        )  # fmt: skip
    if result["published"]:
        lines += [r"\midrule"]
        for row in result["published"]:
            source, percent = f"published: {row['source']}", f"{row['percent']:.1f}"
            lines.append(_line([row["features"], source, percent, *blank]))
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", r"\end{table}", ""])


def shown_rows(result: ResultRecord) -> list[dict[str, object]]:
    """Return scores, differences and published results as rows for a terminal, in %."""
    titles = [TITLES[name] for name in result["rows"][0]["scores"]]
    headline = TITLES[result["headline"]]
    rows: list[dict[str, object]] = [
        {"features": row["features"], "probe": row["probe"]}
        | {TITLES[name]: with_interval(found) for name, found in row["scores"].items()}
        for row in result["rows"]
    ]
    blank = dict.fromkeys(titles, "")
    for gap in result["differences"]:
        minus = {"features": f"model − {gap['minus']}", "probe": gap["probe"]}
        rows.append(minus | blank | {headline: with_interval(gap)})
    for row in result["published"]:
        published = {"features": row["features"], "probe": row["source"]}
        rows.append(published | blank | {headline: f"{row['percent']:.1f}"})
    return rows


def subject(result: ResultRecord) -> str:
    """Return a short description of a probe: label, sensors, protocol and labels a class."""
    settings = result["settings"]
    sensors = " and ".join(settings["sensors"])
    label = settings["set"].get("label")
    few = settings.get("shots")
    shots = f", at most {few['a_class']} labels a class, {few['draws']} draws" if few else ""
    return f"{f'{label}, ' if label else ''}{sensors}, {settings['protocol']} protocol{shots}"


def _caption(result: ResultRecord) -> str:
    sizes = ", ".join(f"{name} {count:,}" for name, count in result["splits"].items())
    settings = result["settings"]
    drawn = drawn_units(result["groups"], settings["set"].get("interval_km"))
    return (
        f"{len(result['classes'])} classes; {sizes}. Recipe {settings['recipe']}, "
        f"{pooled(settings)}{len(settings['seeds'])} seeds. In %, in brackets 95 % "
        f"intervals of {settings['bootstrap']['draws']:,} bootstrap draws over the test split's "
        f"{drawn}."
    )


def pooled(settings: Mapping[str, Any]) -> str:
    """Return the pooling of the tokens as the beginning of a list; empty without tokens."""
    return f"{settings['pooling']} pooling, " if settings["pooling"] else ""


def drawn_units(groups: int | None, interval_km: float | None) -> str:
    """Return what the bootstrap draws: blocks of ground, groups, or single samples."""
    if groups is None:
        return "samples"
    return f"{groups:,} " + (f"blocks of {interval_km:g} km" if interval_km else "groups")


def with_interval(found: Mapping[str, float]) -> str:
    """Return a score in %, with its interval, as text."""
    value, low, high = (100 * found[name] for name in ("value", "low", "high"))
    return f"{value:.1f} [{low:.1f}, {high:.1f}]".replace("-", "−")


def cost_cells(row: Mapping[str, Any]) -> dict[str, str]:
    """Return the cost of a row's features as text, by the title of the column."""
    return {title: _count(row[name]) for name, title in COST_TITLES.items()}


def _count(number: float | None) -> str:
    """Return a count with three digits; a dash where it is not known."""
    if number is None:
        return "–"
    number = float(f"{number:.3g}")  # before the unit is chosen: 999,900 are 1.00 M
    for size, unit in ((1e9, " G"), (1e6, " M"), (1e3, " k")):
        if number >= size:
            return f"{number / size:#.3g}".rstrip(".") + unit
    return f"{number:g}"


def _score_cells(row: Mapping[str, Any], scores: Sequence[str]) -> list[str]:
    """Return the cells of one row of scores, with its cost."""
    found = (with_interval(row["scores"][name]) for name in scores)
    return [row["features"], row["probe"], *found, *cost_cells(row).values()]


def markdown_grid(header: list[str], rows: list[list[str]]) -> str:
    """Return a Markdown table; cells show their text without markup."""
    head, *body = ([markdown_text(cell) for cell in line] for line in (header, *rows))
    return "".join("| " + " | ".join(line) + " |\n" for line in (head, ["---"] * len(head), *body))


def _line(cells: list[str]) -> str:
    return " & ".join(_tex(cell) for cell in cells) + r" \\"


def _tex(text: str) -> str:
    return "".join(_ESCAPED.get(letter, letter) for letter in " ".join(text.split()))
