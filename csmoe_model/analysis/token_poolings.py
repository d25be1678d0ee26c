"""`csmoe plot tokens`: scores of [CLS], of the mean token and of both, beside the paper's."""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes

from csmoe_model.analysis.panels import draw_panels, error_bars, is_published
from csmoe_model.analysis.plot_files import PlotResult, Points, check_not_existing, save_plot
from csmoe_model.analysis.probe_results import probe_points, read_probe
from csmoe_model.evaluation.published_results import TOKENS
from minortom.errors import InputError

_POOLINGS = ("cls", "mean", "both")


def draw_tokens(results: Sequence[Path], out: Path, *, overwrite: bool = False) -> PlotResult:
    """Draw one panel of bars for each set; see `plot.tokens`."""
    numbers = check_not_existing(out, results, overwrite=overwrite)
    points = [point for folder in results for point in _token_points(folder)]
    # The sort is stable: points of the same pooling stay in the order given.
    points.sort(key=lambda point: _POOLINGS.index(point["features"]))
    names = list(dict.fromkeys(point["data"] for point in points)) or list(TOKENS)
    for name in names:
        points += [
            {"data": name, "features": features, "from": "paper, Table V", "percent": percent}
            for features, percent in TOKENS.get(name, {}).items()
        ]
    figure, panels = draw_panels(len(names))
    for axes, name in zip(panels, names, strict=True):
        _draw_bars(axes, [point for point in points if point["data"] == name])
        axes.set(title=name, xlabel="score (%)")
    return save_plot(figure, points, out, numbers)


def _token_points(folder: Path) -> Points:
    """Return the model's points, with the pooling as their features."""
    result = read_probe(folder)
    pooling = result["settings"]["pooling"]
    if pooling not in _POOLINGS:
        raise InputError(
            f"expected a probe of pooled tokens, found one of a segmentation set in {folder}; "
            "leave it out"
        )
    return [
        point | {"features": pooling}
        for point in probe_points(result)
        if point["features"] == "model"
    ]


def _draw_bars(axes: Axes, points: Points) -> None:
    names = [f"{point['features']} ({point['from']})" for point in points]
    for number, point in enumerate(points):
        colour = "0.7" if is_published(point) else "C0"
        axes.barh(number, point["percent"], xerr=error_bars(point), color=colour, capsize=3)
    axes.set_yticks(range(len(names)), names, fontsize=7)
    axes.invert_yaxis()
