"""Picture of a selection: explained share of the labels' variance against the cost."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from csmoe_model.analysis.plot_files import save_png

TRACE_PLOT = "trace.png"


def draw_trace(manifest: Mapping[str, Any], out: Path) -> None:
    """Draw a dot for each candidate alone and a line for the growing ensemble.

    Args:
        manifest: Content of `ensemble.json`.
        out: PNG to write.
    """
    trace = manifest["trace"]
    cost = {e["name"]: e["multiply_adds"] for e in (*manifest["members"], *manifest["rejected"])}
    figure = Figure(figsize=(7.5, 4.5), layout="constrained")
    axes = figure.subplots()
    for number, (name, gain) in enumerate(trace[0]["gains"].items()):
        axes.plot(
            cost[name] / 1e9, 100 * gain, "o", color="0.65",
            label=None if number else "one candidate alone",
        )  # fmt: skip
        axes.annotate(
            name, (cost[name] / 1e9, 100 * gain), xytext=(5, -9), textcoords="offset points",
            fontsize=7, color="0.45",
        )  # fmt: skip
    steps = [row for row in trace if row["chosen"]]
    gmacs = [row["multiply_adds"] / 1e9 for row in steps]
    explained = [100 * row["explained"] for row in steps]
    axes.errorbar(
        gmacs, explained, yerr=[100 * row["standard_error"] for row in steps], fmt="o-",
        color="C0", capsize=3, label="ensemble; bars: standard error of the gain",
    )  # fmt: skip
    for number, row in enumerate(steps):
        text = f"+ {row['candidate']}" if number else row["candidate"]
        axes.annotate(
            text, (gmacs[number], explained[number]), xytext=(6, 6), textcoords="offset points",
            fontsize=8, color="C0",
        )  # fmt: skip
    axes.set_xlabel("multiply-adds per image (G)")
    axes.set_ylabel("explained variance of the labels,\nheld-out groups (%)")
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8, loc="lower right")
    save_png(figure, out)
