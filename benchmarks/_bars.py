"""Requirements for the default selection, and whether results meet them.

A bound is in the unit of the measure, or a multiple of the mean of the random draws. The worst of
all seeds is compared with it.
"""

from statistics import mean

BARS = {
    "globe": {
        "nn_km": (">=", 69, "km"),
        "cover_km": ("<=", 53.5, "km"),
        "within_km": (">=", 1.12, "x random"),
        "era5_nn_error": ("<=", 0.78, "x random"),
        "era5_environment_cover": ("<=", 0.86, "x random"),
        "era5_distortion": ("<=", 1.5, "x random"),
    },
    "list": {
        "nn_km": (">=", 79, "km"),
        "cover_km": ("<=", 54.2, "km"),
        "within_km": (">=", 5950, "km"),
    },
}
"""Set -> measure -> (comparison, bound, unit)."""


def verdicts(name, methods):
    """Yield (measure, worst value, comparison, bound, unit, whether it holds) of a set."""
    for measure, (comparison, bound, unit) in BARS.get(name, {}).items():
        # Held-out measures are stored with their differences from random draws.
        values, random = (
            [v[0] if isinstance(v, list) else v for v in methods[method][measure]]
            for method in ("genetic", "random")
        )
        worst = (min if comparison == ">=" else max)(values)
        worst /= mean(random) if unit == "x random" else 1
        holds = worst >= bound if comparison == ">=" else worst <= bound
        yield measure, worst, comparison, bound, unit, holds


def printed_verdicts(name, methods):
    """Print the requirements of a set, and whether each holds."""
    for measure, worst, comparison, bound, unit, holds in verdicts(name, methods):
        outcome = "holds" if holds else "DOES NOT HOLD"
        print(f"{name} {measure}: {worst:.3f}, wanted {comparison} {bound} {unit}: {outcome}")
