"""Write the tables of README.md and docs/ from the stored results of the benchmarks.

    python benchmarks/_tables.py

A table stands between `<!-- figures: NAME -->` and `<!-- end of figures -->`; NAME is a function of
this file. A test compares the documents with what this script writes.
"""

import re
import statistics
from pathlib import Path

import _pruning_tables
from _cluster_tables import CLUSTER_TABLES
from _results import source, stored, table

ROOT = Path(__file__).parent.parent
DOCUMENTS = (
    "README.md", "docs/annotate.md", "docs/clusters.md", "docs/prune.md", "docs/sample.md",
)  # fmt: skip
_BLOCK = re.compile(r"<!-- figures: ([\w-]+) -->\n.*?<!-- end of figures -->", re.DOTALL)

SET_NAMES = {
    "globe": "globe, N_s = 100 (tuned on its places)",
    "list": "real list of the quickstart, N_s = 100",
    "climate": "globe, strata by climate alone, N_s = 100",
    "n20": "globe, N_s = 20",
    "n500": "globe, N_s = 500",
    "africa": "Africa, N_s = 100",
}
METHOD_NAMES = {
    "genetic": "**default**",
    "random": "random",
    "k-means": "`k-means`",
    "farthest-point": "`farthest-point`",
    "grts": "`grts`",
    "paper": "`--preset paper`",
}
CLIMATE = ("nn_error", "environment_cover", "distortion")
WORST = {"nn_km": min, "within_km": min, "cover_km": max, "balance": max}
DIGITS = {"nn_km": ".1f", "within_km": ",.0f", "cover_km": ".1f", "balance": ".2f"}


def value(method, key):
    """Return the worst value of all seeds, or the mean of random draws."""
    values = method[key]
    chosen = sum(values) / len(values) if len(values) == 20 else WORST[key](values)
    return format(chosen, DIGITS[key])


def method_label(name, method):
    """Return the name of a method and its seeds."""
    seeds = method["seeds"]
    if name == "random":
        return f"{METHOD_NAMES[name]}, mean of {seeds} draws"
    return METHOD_NAMES[name] + (f", worst of {seeds} seeds" if seeds > 1 else ", seed 0")


def _methods(name):
    found = stored("sample")["sets"][name]
    rows = [
        [method_label(method, values), *(value(values, key) for key in DIGITS)]
        for method, values in found["methods"].items()
    ]
    return table(["selection", "nn", "within", "cover", "balance"], rows)


def sample_globe():
    """All methods on the globe."""
    return f"{_methods('globe')}\n\n{source('sample')}"


def sample_sets():
    """The default beside the methods without a search, on all sets."""
    rows = []
    for name, found in stored("sample")["sets"].items():
        for method in ("genetic", "k-means", "farthest-point", "grts", "random"):
            values = found["methods"][method]
            rows.append(
                [SET_NAMES[name] if method == "genetic" else "", METHOD_NAMES[method]]
                + [value(values, key) for key in DIGITS]
                + [ratio(found, method, key) for key in CLIMATE]
            )  # fmt: skip
    head = ["set", "selection", "nn", "within", "cover", "balance", "nn error", "climate cover",
            "distortion"]  # fmt: skip
    return table(head, rows)


def ratio(found, method, measure):
    """Return a measure on the withheld climate, as a multiple of random draws; worst seed."""
    methods, key = found["methods"], f"era5_{measure}"
    values = {name: [entry[0] for entry in methods[name][key]] for name in ("random", method)}
    random = statistics.mean(values["random"])
    return f"{(random if method == 'random' else max(values[method])) / random:.2f}"


def sample_held_out():
    """All methods on the withheld climate and land cover, with intervals."""
    methods = stored("sample")["sets"]["globe"]["methods"]
    keys = ("era5_nn_error", "era5_environment_cover", "era5_distortion", "igbp_accuracy")
    rows = []
    for name, label in METHOD_NAMES.items():
        cells = []
        for key in keys if name in methods else ():
            mean, difference, low, high = methods[name][key][0]
            interval = "" if name == "random" else f" ({difference:+.3f} [{low:+.3f}, {high:+.3f}])"
            cells.append(f"{mean:.3f}{interval}")
        rows += [[label, *cells]] if cells else []
    return table(["selection", "nn error", "climate cover", "distortion", "accuracy"], rows)


def readme_list():
    """All methods on the list of the quickstart, with a sentence about the globe."""
    sets = stored("sample")["sets"]
    found, globe = sets["list"], sets["globe"]
    head = [
        "method", "mean distance from a selected tile to the nearest other one (more is better)",
        "mean distance from any tile to the nearest selected tile of its stratum (less is better)",
        "mean distance between two selected tiles of a stratum", "spatial balance (less is better)",
    ]  # fmt: skip
    rows = [
        [method_label(method, values), *(
            value(values, key) + ("" if key == "balance" else " km")
            for key in ("nn_km", "cover_km", "within_km", "balance"))]
        for method, values in found["methods"].items()
    ]  # fmt: skip
    of = {name: globe["methods"][name] for name in ("genetic", "k-means", "random")}
    text = (
        f"On {globe['tiles']:,} cells in {globe['strata']} strata, the first two measures are "
        f"{value(of['genetic'], 'nn_km')} km and {value(of['genetic'], 'cover_km')} km for the "
        f"worst of {of['genetic']['seeds']} seeds, {value(of['k-means'], 'nn_km')} km and "
        f"{value(of['k-means'], 'cover_km')} km for k-means, and {value(of['random'], 'nn_km')} km "
        f"and {value(of['random'], 'cover_km')} km for a random draw."
    )
    return f"{table(head, rows)}\n\n{text}"


def frontier():
    """The search with several weights."""
    found = stored("frontier")["searches"]
    rows = [
        [f"{row['coverage_weight']:g}", f"{row['within_weight']:g}",
         "on" if row["coupling"] else "off", *(format(row[key], DIGITS[key]) for key in DIGITS)]
        for row in found
    ]  # fmt: skip
    head = ["κ", "ν", "coupling", "nn", "within", "cover", "balance"]
    return f"{table(head, rows)}\n\n{source('frontier')}"


def objectives():
    """The five objectives with the plain algorithm."""
    rows = [
        [f"`{row['objective']}`", *(format(row[key], DIGITS[key]) for key in DIGITS)]
        for row in stored("frontier")["others"] if "objective" in row
    ]  # fmt: skip
    return table(["objective", "nn", "within", "cover", "balance"], rows)


def many_strata():
    """Time and memory for many strata, and for many tiles a stratum."""
    found = stored("many_strata")
    first = {kind: found[kind][0]["seconds"] for kind in ("strata", "sizes")}
    rows = [
        [f"{row['strata']:,} strata of 300 tiles, N_s = 100", f"{row['seconds']:.0f}",
         f"{row['seconds'] / first['strata']:.1f} ×", f"{row['main_mib']:,.0f}"]
        for row in found["strata"]
    ] + [
        [f"globe, N_s = {row['per_stratum']:,}", f"{row['seconds']:.0f}",
         f"{row['seconds'] / first['sizes']:.1f} ×", f"{row['main_mib']:,.0f}"]
        for row in found["sizes"]
    ]  # fmt: skip
    head = ["set", "seconds", "ratio to the first", "memory of the main process, MiB"]
    return f"{table(head, rows)}\n\n{source('many_strata')}"


def speed():
    """Seconds of each method, as multiples of those of k-means."""
    methods = stored("sample")["sets"]["globe"]["methods"]
    rows = [
        [METHOD_NAMES[name], f"{statistics.median(values['seconds']):.1f}"]
        for name, values in methods.items()
    ]
    return table(["selection", "seconds, median of its seeds"], rows)


def algorithm_2():
    """A straightforward Algorithm 2, ours, and the swap search."""
    found = stored("algorithm_2")
    rows = [
        [row["stratum"], f"{row['tiles']:,}", f"{row['first_s']:.2f}", f"{row['ours_s']:.2f}",
         f"{row['first_s'] / row['ours_s']:.0f} ×", f"{row['first_nats']:.2f}",
         f"{row['ours_nats']:.2f}", f"{row['swaps_s']:.2f}", f"{row['swaps_nats']:.2f}"]
        for row in found["rows"]
    ]  # fmt: skip
    head = ["stratum", "tiles", "straightforward, s", "ours, s", "faster", "H", "H of ours",
            "swaps, s", "H of swaps"]  # fmt: skip
    return f"{table(head, rows)}\n\n{source('algorithm_2')}"


def min_distance():
    """A sentence about minimum distances."""
    one, other = stored("place")["distances"]
    return (
        f"On the benchmark set, {one['missing']:,} of the requested tiles are missing at "
        f"{one['km']} km (nn {one['nn_km']:.0f}, cover {one['cover_km']:.0f}) and "
        f"{other['missing']:,} at {other['km']} km (nn {other['nn_km']:.0f}, cover "
        f"{other['cover_km']:.0f}), mostly of small strata, which are clusters of neighbours."
    )


def reserves():
    """The measures after removed tiles were replaced in several ways."""
    ways = {
        "whole": "the whole selection", "removed": "5 % removed, not replaced",
        "random": "replaced by random tiles of the stratum",
        "reserves": "replaced by reserves, by rank",
    }  # fmt: skip
    rows = [
        [ways[row["way"]], *(format(row[key], DIGITS[key]) for key in DIGITS)]
        for row in stored("place")["reserves"]
    ]  # fmt: skip
    return f"{table(['', 'nn', 'within', 'cover', 'balance'], rows)}\n\n{source('place')}"


def pruning_quality():
    """Accuracy of pruned models, beside other ways to save."""
    how = stored("pruning")["quality"]["recovery"]
    recovery = f"Recovery: {how['recover']} steps of {how['batch_size']} images."
    return f"{_pruning_tables.quality()}\n\n{recovery} {source('pruning')}"


def tables_of_cells():
    """The look-up of the whole grid in a table of cells."""
    found = stored("table")
    names = {"scan": "plain scan by DuckDB", "look_up": "look-up by `--table`"}
    rows = [
        [names[name], f"{row['cpu_s']:.1f} s", f"{row['memory_gb']:.1f} GB"]
        for name, row in ((name, found[name]) for name in names)
    ]
    head = [f"5,094,350 rows, 20 columns ({found['megabytes']} MB)", "CPU time", "memory"]
    return f"{table(head, rows)}\n\n{source('table')}"


def variable():
    """Time and memory of the values of a continuous raster at all cells."""
    found = stored("variable")
    at, over, memory = (found[key] for key in ("centres", "means", "memory_mib"))
    differ = f"differ by at most {over['largest_difference']:.0e} of the range"
    sample = (
        f"`sample()` of `rasterio`: {at['sample_s'] / at['seconds']:.0f} × as long; "
        f"{at['differing']} values differ"
    )
    exactextract = (
        f"`exactextract`: {over['exactextract_s'] / over['seconds']:.0f} × as long; means of "
        f"{over['compared']:,} cells {differ}"
    )
    without = f"{memory['maps']:,.0f} MiB without it, {memory['mean']:,.0f} MiB with its means"
    rows = [
        [f"values at the centres of {at['cells']:,} cells", f"{at['seconds']:.1f} s", sample],
        [f"means of {over['cells']:,} cells", f"{over['seconds']:.1f} s", exactextract],
        ["`annotate` with this raster, whole grid", f"{memory['center']:,.0f} MiB", without],
    ]
    head = ["raster of 0.25°", "CPU time or peak memory", "for comparison"]
    return f"{table(head, rows)}\n\n{source('variable')}"


def spread_over():
    """The coverage of place and climate, beside what no method sees."""
    keys = ("climate_environment_cover", "left_out_nn_error", "left_out_environment_cover")
    names = {
        "spread": "**`--spread-over`**", "default": "default, place alone",
        "spread k-means": "`--method k-means`, same space",
        "scikit-learn": "scikit-learn's k-means, same space", "random": "random",
    }  # fmt: skip
    rows = []
    for of_set, found in stored("spread_over")["sets"].items():
        methods = found["methods"]
        random = {key: mean_of(methods["random"][key]) for key in keys}
        for method, label in names.items():
            values = methods[method]
            of_seeds = statistics.mean if method == "random" else max
            spacing = (statistics.mean if method == "random" else min)(values["nn_km"])
            rows.append(
                [SET_NAMES[of_set].split(",")[0] if method == "spread" else "", label]
                + [f"{spacing:.1f}", f"{of_seeds(values['cover_km']):.1f}"]
                + [f"{of_seeds(v[0] for v in values[key]) / random[key]:.2f}" for key in keys]
                + [f"{mean_of(values['igbp_accuracy']):.3f}"]
            )  # fmt: skip
    head = ["set", "selection", "nn", "cover", "climate cover", "nn error of what is left out",
            "climate cover of what is left out", "accuracy"]  # fmt: skip
    return f"{table(head, rows)}\n\n{source('spread_over')}"


def mean_of(values):
    """Return the mean of values that come with their intervals."""
    return statistics.mean(held[0] for held in values)


TABLES = {
    **CLUSTER_TABLES,
    "sample-globe": sample_globe, "sample-sets": sample_sets, "sample-held-out": sample_held_out,
    "readme-list": readme_list, "frontier": frontier, "objectives": objectives,
    "many-strata": many_strata, "speed": speed, "algorithm-2": algorithm_2,
    "min-distance": min_distance, "reserves": reserves, "spread-over": spread_over,
    "pruning-checks": _pruning_tables.checks, "pruning-quality": pruning_quality,
    "tables-of-cells": tables_of_cells,
    "variable": variable,
}  # fmt: skip


def with_tables(text):
    """Return a document with the tables of the stored results."""

    def block(match):
        name = match[1]
        return f"<!-- figures: {name} -->\n{TABLES[name]()}\n<!-- end of figures -->"

    return _BLOCK.sub(block, text)


def main():
    """Rewrite the documents."""
    for name in DOCUMENTS:
        path = ROOT / name
        path.write_text(with_tables(path.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
