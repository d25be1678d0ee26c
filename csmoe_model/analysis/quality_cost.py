"""The paper's pictures with our points: quality against multiply-adds, and of token poolings.

Each picture is a PNG with the numbers in it as JSON beside.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from csmoe_model.evaluation.published_results import CSMOE, TOKENS
from csmoe_model.evaluation.tables import TITLES
from minortom.errors import InputError, OutputExistsError
from minortom.io.atomic_write import check_parents, whole_file, write_json

PAPER_MACS = {"32": 2.92e9, "28": 3.67e9, "16": 10.11e9, "14": 13.40e9}
"""By patch size: Table IV, counted as the paper does, Sentinel-2 alone."""

Points = list[dict[str, Any]]

_RESULT = "result.json"
_COLUMNS = 3
SHOWN_PROBES = ("logistic", "linear")
"""Those of the two protocols that the pictures are of."""
_POOLINGS = ("cls", "mean", "both")


def draw_quality_cost(
    results: Sequence[Path], out: Path, *, overwrite: bool = False
) -> dict[str, object]:
    """Draw scores over multiply-adds (Figs. 6 and 7), a panel a set, the paper's points too.

    Args:
        results: Folders that `csmoe probe` wrote; the paper's points alone where there are none.
        out: PNG to write; the numbers go to the same name with `.json`.
        overwrite: Whether the two may be replaced.

    Returns:
        What there is to tell, for people.

    Raises:
        InputError: If a folder holds no result of a probe.
        OutputExistsError: If one of the two is there.
    """
    data = _outputs(out, overwrite=overwrite)
    found = [_read(folder) for folder in results]
    points = [point for result in found for point in _cost_points(result)]
    names = list(dict.fromkeys(point["data"] for point in points)) or list(CSMOE)
    for name in names:
        points += [
            {"data": name, "features": f"CSMoE, patch {patch}", "from": "paper, Table IV",
             "macs": PAPER_MACS[patch], "percent": percent}
            for patch, percent in CSMOE.get(name, {}).items()
        ]  # fmt: skip
    figure, panels = _panels(len(names))
    for axes, name in zip(panels, names, strict=True):
        _draw_costs(axes, [point for point in points if point["data"] == name])
        axes.set(title=name, xlabel="multiply-adds an image", ylabel="score (%)", xscale="log")
    return _save(figure, points, out, data)


def draw_tokens(
    results: Sequence[Path], out: Path, *, overwrite: bool = False
) -> dict[str, object]:
    """Draw what each construction of the token is worth (Table V), as bars, a panel a set.

    Args:
        results: Folders that `csmoe probe` wrote with different `--pooling`.
        out: PNG to write; the numbers go to the same name with `.json`.
        overwrite: Whether the two may be replaced.

    Returns:
        What there is to tell, for people.

    Raises:
        InputError: If a folder holds no result of a probe.
        OutputExistsError: If one of the two is there.
    """
    data = _outputs(out, overwrite=overwrite)
    points = [point for folder in results for point in _token_points(_read(folder))]
    points.sort(key=lambda point: _POOLINGS.index(point["features"]))  # stable: as given otherwise
    names = list(dict.fromkeys(point["data"] for point in points)) or list(TOKENS)
    for name in names:
        points += [
            {"data": name, "features": features, "from": "paper, Table V", "percent": percent}
            for features, percent in TOKENS.get(name, {}).items()
        ]
    figure, panels = _panels(len(names))
    for axes, name in zip(panels, names, strict=True):
        _draw_bars(axes, [point for point in points if point["data"] == name])
        axes.set(title=name, xlabel="score (%)")
    return _save(figure, points, out, data)


def _read(folder: Path) -> dict[str, Any]:
    """Read a probe's result, from its folder or its file."""
    path = folder / _RESULT if folder.is_dir() else folder
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        _ = found["headline"], found["settings"]["pooling"], found["settings"]["macs_paper"]
    except (OSError, ValueError, KeyError, TypeError):
        raise InputError(
            f"{path} is no result of this version's csmoe probe; give folders that it wrote"
        ) from None
    if found["settings"].get("shots"):
        raise InputError(
            f"{path} is of few labels (--shots), which no figure of the paper has; leave it out"
        )
    return dict(found)


def _scores(result: dict[str, Any]) -> list[tuple[str, dict[str, float]]]:
    """Give features and score in % of each row of the linear probe."""
    headline = result["headline"]
    return [
        (row["features"], {name: 100 * value for name, value in row["scores"][headline].items()})
        for row in result["rows"]
        if row["probe"] in SHOWN_PROBES
    ]


def _cost_points(result: dict[str, Any]) -> Points:
    """Place the model where it costs what it does; the weight-free rows cost nothing of it."""
    settings = result["settings"]
    return [
        {"data": result["data"], "features": features, "from": settings["recipe"],
         "score": TITLES[result["headline"]], "sensors": settings["sensors"],
         "macs": settings["macs_paper"] if features == "model" else None,
         "percent": score["value"], "low": score["low"], "high": score["high"]}
        for features, score in _scores(result)
    ]  # fmt: skip


def _token_points(result: dict[str, Any]) -> Points:
    settings = result["settings"]
    return [
        {"data": result["data"], "features": settings["pooling"], "from": settings["recipe"],
         "score": TITLES[result["headline"]], "sensors": settings["sensors"],
         "percent": score["value"], "low": score["low"], "high": score["high"]}
        for features, score in _scores(result)
        if features == "model"
    ]  # fmt: skip


def _draw_costs(axes: Axes, points: Points) -> None:
    """Draw models as dots with their interval, what costs nothing as lines across."""
    lines = 0
    for number, point in enumerate(points):
        paper = point["from"].startswith("paper")
        label = f"{point['features']} ({point['from']})"
        if point["macs"] is None:
            style = ("--", ":", "-.")[lines % 3]
            axes.axhline(point["percent"], linestyle=style, color="0.4", label=point["features"])
            lines += 1
            continue
        error = None if paper else [[point["percent"] - point["low"]],
                                    [point["high"] - point["percent"]]]  # fmt: skip
        axes.errorbar(
            point["macs"], point["percent"], yerr=error, fmt="s" if paper else "o",
            color="0.6" if paper else f"C{number}", capsize=3, label=None if paper else label,
        )  # fmt: skip
        if paper:
            place = (point["macs"], point["percent"])
            axes.annotate(
                point["features"].removeprefix("CSMoE, "), place,
                xytext=(0, -11), textcoords="offset points",
                ha="center", fontsize=7, color="0.4",
            )  # fmt: skip
    axes.margins(0.15)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(fontsize=7)


def _draw_bars(axes: Axes, points: Points) -> None:
    names = [f"{point['features']} ({point['from']})" for point in points]
    for number, point in enumerate(points):
        paper = point["from"].startswith("paper")
        interval = None if paper else [[point["percent"] - point["low"]],
                                       [point["high"] - point["percent"]]]  # fmt: skip
        colour = "0.7" if paper else "C0"
        axes.barh(number, point["percent"], xerr=interval, color=colour, capsize=3)
    axes.set_yticks(range(len(names)), names, fontsize=7)
    axes.invert_yaxis()


def _panels(count: int) -> tuple[Figure, list[Axes]]:
    columns = min(count, _COLUMNS)
    rows = -(-count // columns)
    figure = Figure(figsize=(1 + 4.5 * columns, 3.6 * rows), layout="constrained")
    panels = list(figure.subplots(rows, columns, squeeze=False).flat)
    for axes in panels:
        axes.grid(alpha=0.3)
    for axes in panels[count:]:
        axes.remove()
    return figure, panels[:count]


def numbers_beside(out: Path) -> Path:
    """Name the file that the numbers of a picture go to.

    Raises:
        InputError: If the picture cannot lie there, or its name does not end in `.png`.
    """
    check_parents(out)
    if out.suffix != ".png" or out.is_dir():
        raise InputError(f"--out {out} is no picture; wanted the name of a file that ends in .png")
    return out.with_suffix(".json")


def _outputs(out: Path, *, overwrite: bool) -> Path:
    data = numbers_beside(out)
    for path in (out, data):
        if path.exists() and not overwrite:
            raise OutputExistsError(f"{path} exists; give --overwrite or another --out")
    return data


def _save(figure: Figure, points: Points, out: Path, data: Path) -> dict[str, object]:
    write_json(data, {"points": points})
    save_png(figure, out)
    return {"status": "drawn", "out": str(out), "data": str(data), "points": len(points)}


def save_png(figure: Figure, out: Path) -> None:
    """Write a picture whole or not at all."""
    with whole_file(out) as temporary:
        # Without the name of the library the same numbers give the same bytes.
        figure.savefig(temporary, format="png", dpi=110, metadata={"Software": None})
