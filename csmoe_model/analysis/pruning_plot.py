"""`csmoe plot pruning`: drift of pruned models against their multiply-adds."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter

from csmoe_model.analysis.panels import draw_panels
from csmoe_model.analysis.plot_files import (
    PlotResult,
    Points,
    check_not_existing,
    distinct_names,
    save_plot,
)
from csmoe_model.analysis.pruning_results import read_pruning
from minortom.errors import InputError

LONG = {"s2": "Sentinel-2", "s1": "Sentinel-1"}


def draw_pruning(results: Sequence[Path], out: Path, *, overwrite: bool = False) -> PlotResult:
    """Draw one line for each result, one panel for each sensor; see `plot.pruning`."""
    numbers = check_not_existing(out, results, overwrite=overwrite)
    if not results:
        raise InputError("expected folders that `csmoe prune` wrote, found none; give at least one")
    names = distinct_names(results, kind="results")
    points = [
        point
        for folder, name in zip(results, names, strict=True)
        for point in pruning_points(read_pruning(folder), name)
    ]
    return save_plot(pruning_figure(points), points, out, numbers)


def pruning_points(record: Mapping[str, Any], name: str) -> Points:
    """Return the drift and the cost for each number of experts, by sensor."""
    return [
        {
            "from": name, "by": record["by"], "sensor": sensor, "experts": row["experts"],
            "macs": row["macs_full"], "params": row["params_trainable"], "drift": found,
        }
        for row in record["curve"] for sensor, found in row["drift"].items()
    ]  # fmt: skip


def pruning_figure(points: Points) -> Figure:
    """Return a figure with one panel for each sensor."""
    sensors = list(dict.fromkeys(point["sensor"] for point in points))
    names = list(dict.fromkeys(point["from"] for point in points))
    figure, panels = draw_panels(len(sensors))
    for axes, sensor in zip(panels, sensors, strict=True):
        for name in names:
            line = [p for p in points if (p["sensor"], p["from"]) == (sensor, name)]
            if not line:
                continue
            macs, drifts = ([p[key] for p in line] for key in ("macs", "drift"))
            axes.plot(macs, drifts, "o-", label=f"{name} ({line[0]['by']})")
            for point in line:
                axes.annotate(
                    str(point["experts"]), (point["macs"], point["drift"]), xytext=(4, 4),
                    textcoords="offset points", fontsize=9, color="0.4",
                )  # fmt: skip
        axes.set(
            title=f"{LONG.get(sensor, sensor)}; numbers: experts in each layer",
            xlabel="multiply-adds per image (pair, for both sensors)", ylabel="drift of [CLS]",
        )  # fmt: skip
        axes.xaxis.set_major_formatter(EngFormatter())  # 4.5 G: as the budget and the page
        axes.legend(fontsize=9)
    return figure
