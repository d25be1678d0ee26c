"""Picture of a selection: explained share of the labels' variance against the cost."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
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
    largest = max([*cost.values(), *(row["multiply_adds"] for row in trace)])
    for number, (name, gain) in enumerate(trace[0]["gains"].items()):
        label = None if number else "one candidate alone"
        axes.plot(cost[name] / 1e9, 100 * gain, "o", color="0.65", label=label)
        _annotate(axes, name, cost[name], gain, largest, below=True)
    steps = [row for row in trace if row["chosen"]]
    axes.errorbar(
        [row["multiply_adds"] / 1e9 for row in steps],
        [100 * row["explained"] for row in steps],
        yerr=[100 * row["standard_error"] for row in steps], fmt="o-", color="C0", capsize=3,
        label="ensemble; bars: standard error of the gain",
    )  # fmt: skip
    for row in steps[1:]:
        _annotate(
            axes,
            f"+ {row['candidate']}",
            row["multiply_adds"],
            row["explained"],
            largest,
            below=False,
        )
    axes.set_xlabel("multiply-adds per image (G)")
    axes.set_ylabel("explained variance of the labels,\nheld-out groups (%)")
    axes.margins(x=0.05, y=0.12)
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8, loc="lower right")
    save_png(figure, out)


def _annotate(
    axes: Axes, text: str, multiply_adds: int, explained: float, largest: int, *, below: bool
) -> None:
    """Write a name beside a point, on the side where the picture has room."""
    on_right = multiply_adds > largest / 2
    axes.annotate(
        text, (multiply_adds / 1e9, 100 * explained), textcoords="offset points", fontsize=8,
        xytext=(-6 if on_right else 6, -10 if below else 6),
        ha="right" if on_right else "left", color="0.45" if below else "C0",
    )  # fmt: skip
