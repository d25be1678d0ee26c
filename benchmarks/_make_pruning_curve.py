"""Draw the curve of docs/prune.md: accuracy that smaller models lose, against their cost.

    python benchmarks/_make_pruning_curve.py

Reads benchmarks/results/pruning_quality.json and writes docs/images/pruning.png.
"""

from pathlib import Path

from _pruning_tables import LONG, WAYS
from _results import stored
from matplotlib.figure import Figure

OUT = Path(__file__).parent.parent / "docs" / "images" / "pruning.png"
STYLES = {
    "recovered": ("o", "#0b6e4f"), "reap": ("s", "#c4161c"), "greedy": ("^", "#e08e0b"),
    "slimming": ("D", "#4062bb"), "merging": ("v", "#8a4fbe"), "random": ("x", "#7f7f7f"),
}  # fmt: skip
"""Marker and colour of each way to make a model smaller."""
SHIFT = 0.006
"""Distance between the markers of two ways of equal cost, in shares of the multiply-adds."""


def draw(rows):
    """Draw a panel for each sensor and classifier; bars are 95 % intervals."""
    figure = Figure(figsize=(10, 7), layout="constrained", dpi=120)
    panels = list(dict.fromkeys((row["sensor"], row["probe"]) for row in rows))
    axes = figure.subplots(2, 2, sharex=True, sharey=True).flat
    for ax, (sensor, probe) in zip(axes, panels, strict=True):
        ax.axhline(0, color="#444444", lw=0.8)
        for number, (way, (marker, colour)) in enumerate(STYLES.items()):
            of = sorted(
                (row for row in rows
                 if (row["sensor"], row["probe"], row["way"]) == (sensor, probe, way)),
                key=lambda row: row["macs"],
            )  # fmt: skip
            shift = SHIFT * (number - (len(STYLES) - 1) / 2)
            points = [100 * value for row in of for value in row["difference"]]
            value, low, high = points[::3], points[1::3], points[2::3]
            bars = [[v - x for v, x in zip(value, low, strict=True)],
                    [x - v for v, x in zip(value, high, strict=True)]]  # fmt: skip
            ax.errorbar(
                [100 * (row["macs"] + shift) for row in of], value, bars, marker=marker, ms=5,
                color=colour, lw=1.2, elinewidth=0.7, label=WAYS[way].replace("`", ""),
            )  # fmt: skip
        ax.set_title(f"{LONG[sensor]}, {probe}")
    for ax in figure.axes[2:]:
        ax.set_xlabel("multiply-adds, % of the unpruned path")
    for ax in figure.axes[::2]:
        ax.set_ylabel("accuracy against unpruned, points")
    figure.axes[0].legend(loc="lower right", fontsize=8)
    return figure


def main():
    """Write the picture."""
    draw(stored("pruning_quality")["quality"]["rows"]).savefig(OUT)


if __name__ == "__main__":
    main()
