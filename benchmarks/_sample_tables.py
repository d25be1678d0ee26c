"""Tables of selections: the methods on several sets, and the weights of the search."""

import statistics

from _results import source, stored, table

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


def field_strength():
    """Return the errors of selections on the planet with fields, by the share of the field."""
    rows = []
    for share, found in stored("field_strength")["shares"].items():
        methods = [found[name] for name in ("default", "k-means")]
        means = [
            f"{statistics.mean(seeds):.3f} ({min(seeds):.3f}–{max(seeds):.3f})" for seeds in methods
        ]
        rows.append([f"{100 * float(share):.0f} %", f"{found['random']:.3f}", *means])
    head = ["share of the field", "random, error", "default, × random", "`k-means`, × random"]
    return f"{table(head, rows)}\n\n{source('field_strength')}"


SAMPLE_TABLES = {
    "field-strength": field_strength,
    "sample-globe": sample_globe,
    "sample-sets": sample_sets,
    "sample-held-out": sample_held_out,
    "readme-list": readme_list,
    "frontier": frontier,
    "objectives": objectives,
    "spread-over": spread_over,
}
