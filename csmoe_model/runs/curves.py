"""Training curve: the loss terms over the steps, as a PNG."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from csmoe_model.nn.loss_terms import LOCAL_GLOBAL
from csmoe_model.runs.csv_log import Row, RunLog
from minortom.io.atomic_write import atomic_file

Panels = Mapping[str, tuple[str, ...]]
"""Columns of the log that a panel shows, by its title."""

_PRETRAINING: Panels = {
    "Reconstruction error (1 = each band's mean)": (
        "rec_s2_s2", "rec_s1_s1", "rec_s2_s1", "rec_s1_s2",
    ),
    "Mutual information (NT-Xent)": ("mi", LOCAL_GLOBAL),
    "Loss": ("loss",),
    "Slots: repulsion and balance": ("rep", "bal"),
    "Learning rate": ("lr",),
    "Norm of the gradient": ("grad_norm",),
}  # fmt: skip
SUPERVISED_CURVES: Panels = {
    "Loss": ("loss",),
    "Validation score": ("score",),
    "Learning rate": ("lr",),
    "Norm of the gradient": ("grad_norm",),
}
_NAMES = {
    "rec_s2_s2": "S2 from S2", "rec_s1_s1": "S1 from S1", "rec_s2_s1": "S2 from S1",
    "rec_s1_s2": "S1 from S2", "rep": "repulsion", "bal": "imbalance", "mi": "between sensors",
    LOCAL_GLOBAL: "of images and their crops",
}  # fmt: skip


def draw_curve(log: RunLog, out: Path, panels: Panels = _PRETRAINING) -> None:
    """Draw the log of a run: thin lines for rows, thick ones for running means, dots for `val`.

    Panels of columns that only validation has show dots alone. Columns that the log does not have
    are left out.

    Raises:
        InputError: If the log is missing or is not a log.
    """
    train, val = log.rows("train"), log.rows("val")
    figure = Figure(figsize=(11, 6), layout="constrained")
    grid = figure.subplots(2, len(panels) // 2)
    for axes, (title, columns) in zip(grid.flat, panels.items(), strict=True):
        terms = [term for term in columns if term in log.columns]
        for number, term in enumerate(terms):
            _draw_term(axes, train, val, term, colour=f"C{number}")
        axes.set_title(title, fontsize=10)
        axes.set_xlabel("step")
        axes.grid(alpha=0.3)
        if len(terms) > 1:
            axes.legend(fontsize=8)
    if not val:
        figure.suptitle("training steps; no validation split", fontsize=9)
    else:
        figure.suptitle("lines: training steps; dots: validation", fontsize=9)
    with atomic_file(out) as temporary:
        # The same log gives the same bytes only without the version of the library.
        figure.savefig(temporary, format="png", dpi=110, metadata={"Software": None})


def _draw_term(axes: Axes, train: list[Row], val: list[Row], term: str, *, colour: str) -> None:
    axes.plot(*_points(val, term), "o", color=colour, markersize=3)
    step, value = _points(train, term)
    if not len(step):
        return
    window = max(1, len(value) // 25)
    if window > 1:
        axes.plot(step, value, color=colour, alpha=0.25, linewidth=0.7)
    axes.plot(*_running_mean(step, value, window), color=colour, label=_NAMES.get(term, term))


def _points(rows: list[Row], term: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    pairs = [(float(row["step"]), float(row[term])) for row in rows if row[term]]
    points = np.array(pairs, np.float64).reshape(-1, 2)
    return points[:, 0], points[:, 1]


def _running_mean(
    step: NDArray[np.float64], value: NDArray[np.float64], window: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the means over a moving window, at the step in its middle."""
    weights = np.full(window, 1 / window)
    return np.convolve(step, weights, "valid"), np.convolve(value, weights, "valid")
