"""`csmoe plot quality-cost`: scores against multiply-adds, with the points of the paper."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes

from csmoe_model.analysis.panels import draw_panels, error_bars, is_published
from csmoe_model.analysis.plot_files import PlotResult, Points, check_not_existing, save_plot
from csmoe_model.analysis.probe_results import probe_points, read_probe
from csmoe_model.evaluation.published_results import CSMOE
from csmoe_model.probing.feature_sources import MODEL

PAPER_MACS = {"32": 2.92e9, "28": 3.67e9, "16": 10.11e9, "14": 13.40e9}
"""Multiply-adds by patch size: Table IV, counted as in the paper, for Sentinel-2 alone."""


def draw_quality_cost(results: Sequence[Path], out: Path, *, overwrite: bool = False) -> PlotResult:
    """Draw one panel for each set; see `plot.quality_cost`."""
    numbers = check_not_existing(out, results, overwrite=overwrite)
    points = [point for folder in results for point in _cost_points(read_probe(folder))]
    names = list(dict.fromkeys(point["data"] for point in points)) or list(CSMOE)
    for name in names:
        points += [
            {"data": name, "features": f"CSMoE, patch {patch}", "from": "paper, Table IV",
             "macs": PAPER_MACS[patch], "percent": percent}
            for patch, percent in CSMOE.get(name, {}).items()
        ]  # fmt: skip
    figure, panels = draw_panels(len(names))
    for axes, name in zip(panels, names, strict=True):
        _draw_costs(axes, [point for point in points if point["data"] == name])
        axes.set(title=name, xlabel="multiply-adds per image", ylabel="score (%)", xscale="log")
    return save_plot(figure, points, out, numbers)


def _cost_points(result: dict[str, Any]) -> Points:
    """Return the points with multiply-adds; baselines and features without any have None.

    Those of CSMoE are counted as in the paper.
    """
    of_model = (row["multiply_adds"] for row in result["rows"] if row["features"] == MODEL)
    macs = result["settings"]["macs_paper"] or next(of_model, 0) or None
    points: Points = []
    for point in probe_points(result):
        scores = {name: point.pop(name) for name in ("percent", "low", "high")}
        points.append(point | {"macs": macs if point["features"] == MODEL else None} | scores)
    return points


def _draw_costs(axes: Axes, points: Points) -> None:
    """Draw models as dots with their interval, baselines without a cost as horizontal lines."""
    lines = 0
    for number, point in enumerate(points):
        if point["macs"] is None:
            style = ("--", ":", "-.")[lines % 3]
            axes.axhline(point["percent"], linestyle=style, color="0.4", label=point["features"])
            lines += 1
            continue
        paper = is_published(point)
        label = f"{point['features']} ({point['from']})"
        axes.errorbar(
            point["macs"], point["percent"], yerr=error_bars(point), fmt="s" if paper else "o",
            color="0.6" if paper else f"C{number}", capsize=3, label=None if paper else label,
        )  # fmt: skip
        if paper:
            axes.annotate(
                point["features"].removeprefix("CSMoE, "), (point["macs"], point["percent"]),
                xytext=(0, -11), textcoords="offset points", ha="center", fontsize=7, color="0.4",
            )  # fmt: skip
    axes.margins(0.15)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(fontsize=7)
