"""Tables of docs/evaluate.md: comparisons on the synthetic planet, and probes on real scenes."""

from statistics import mean

from _results import measured, spanned, stored, table

CROSS_VALIDATED = "logistic, cross-validated"
COLUMNS = {
    ("10", "logistic"): "10 labels a class", ("10", CROSS_VALIDATED): "10, cross-validated",
    ("100", "logistic"): "100", ("100", CROSS_VALIDATED): "100, cross-validated",
    ("all", "logistic"): "all", ("all", "20-NN"): "all, 20-NN",
}  # fmt: skip
"""Labels and probe of each column."""


def evaluated(sensor):
    """Return the scores of a sensor in percent, and what the model gains over each baseline."""
    found = stored("evaluate")
    of_sensor = found["sensors"][sensor]
    rows = [
        [
            features.replace(" − ", " minus "),
            *(_cell(of_sensor[shots][features][probe], features) for shots, probe in COLUMNS),
        ]
        for features in of_sensor["all"]
        if features != "seeds"
    ]
    counts = ", ".join(f"{count:,} {split}" for split, count in found["splits"].items())
    seeds = of_sensor["all"]["seeds"]
    return f"{table(['features', *COLUMNS.values()], rows)}\n\nPatches: {counts}. {seeds} seeds."


def _cell(values, features):
    """Return a difference with its interval, or a score alone."""
    return spanned(values, "+.1f") if " − " in features else f"{100 * values[0]:.1f}"


def real_scenes():
    """Return the means over scenes in percent, with the value of each run or draw."""
    found = stored("real_scenes")
    probes = list(found["scores"]["band statistics"])
    rows = [
        [features, *(_of_runs(of_features[probe]) for probe in probes)]
        for features, of_features in found["scores"].items()
    ]
    count = sum(sum(of_scene.values()) for of_scene in found["patches"].values())
    counts = f"{count:,} patches of {found['patch_px']} px in {len(found['patches'])} scenes."
    return f"{table(['features', *probes], rows)}\n\n{counts}"


def _of_runs(of_scene):
    """Return the mean, and the mean over scenes of each run where there are several."""
    runs = [mean(values) for values in zip(*of_scene.values(), strict=True)]
    each = ", ".join(f"{100 * run:.0f}" for run in runs)
    return f"{100 * mean(runs):.0f}" + (f" ({each})" if len(runs) > 1 else "")


EVALUATE_TABLES = {
    "evaluate-both": lambda: measured("evaluate", lambda: evaluated("both"), how="measures it"),
    "evaluate-s2": lambda: measured("evaluate", lambda: evaluated("s2"), how="measures it"),
    "evaluate-s1": lambda: measured("evaluate", lambda: evaluated("s1"), how="measures it"),
    "real-scenes": lambda: measured("real_scenes", real_scenes, how="measures it"),
}
