"""Tables of docs/evidence.md, and sentences of other pages on what labels and intervals mean."""

from statistics import mean

from _results import measured, source, spanned, stored, table

ARMS = {
    "random": "random cells, without strata", "strata": "random cells of each stratum",
    "k-means": "`--method k-means`", "default": "**default**",
    "band-statistics": "band statistics, no training",
}  # fmt: skip
PLANETS = {"smooth": "smooth fields", "hashed": "default planet (control)"}
SELECTED = {
    "landcover-s2": "land cover, S2", "landcover-s1": "land cover, S1", "fields-s2": "fields, S2",
    "fields-s1": "fields, S1", "greenness-s2": "greenness, S2", "moisture-s1": "moisture, S1",
    "radar level-s1": "radar level, S1",
}  # fmt: skip
MODELS = {
    "moe": "mixture of experts, 2 + 1", "dense": "dense, 2 + 1", "dense-deeper": "dense, 3 + 1",
    "fixed": "fixed slots, 2 + 1", "csmae-head": "mixture with CSMAE's head, 2 + 1",
}  # fmt: skip
POINTS = {
    "steps": "equal steps", "multiply-adds": "equal multiply-adds", "seconds": "equal seconds"
}  # fmt: skip
READ = {
    "umr": "`umr`", "cmr": "`cmr`", "cls-probe-s2": "probe, S2", "cls-probe-s1": "probe, S1",
    "cls-20-NN-s2": "20-NN, S2", "cls-20-NN-s1": "20-NN, S1", "cls-s2-s1": "S2 → S1",
    "cls-s1-s2": "S1 → S2",
}  # fmt: skip
SEED_WAYS = {"student": "Student's distribution", "resampled": "seeds drawn again"}
KINDS = {"trained": "trained", "random": "random weights"}


def selection():
    """Return the scores of each arm in percent, and paired differences in points."""
    found = stored("selection_arms")
    rows, gaps = [], []
    for row in found["rows"]:
        where = [PLANETS[row["planet"]], ARMS[row["arm"]]]
        scores = [row["scores"].get(measure, {}) for measure in SELECTED]
        values = (spanned(one["value"]) if one else "–" for one in scores)
        rows.append([*where, len(row["draws"]), *values])
        for base in () if row["arm"] == "random" else ("random", "strata"):
            pairs = [one.get(f"minus {base}") for one in scores]
            if pairs[0]:
                differences = (spanned(pair[1:], "+.1f") if pair else "–" for pair in pairs)
                what = f"{where[1]} minus {ARMS[base]}"
                gaps.append([where[0], what, pairs[0][0], *differences])
    budget = ", ".join(f"{value:,} {name}" for name, value in found["budget"].items())
    return (
        f"{table(['planet', 'selection', 'draws', *SELECTED.values()], rows)}\n\n"
        f"{table(['planet', 'difference, points', 'pairs', *SELECTED.values()], gaps)}\n\n"
        f"Each run: {budget}."
    )


def dense_or_moe():
    """Return the scores of each arm at each point of equal cost, and differences from the first."""
    found, rows = stored("dense_or_moe"), []
    first = found["rows"][0]["seconds_a_step"]
    for point, label in POINTS.items():
        for number, row in enumerate(found["rows"]):
            at = row["points"][point]
            steps = "–".join(f"{step:,}" for step in sorted({min(at["steps"]), max(at["steps"])}))
            scores = [_difference(name, at["scores"][name]) for name in READ]
            rows.append(["" if number else label, MODELS[row["arm"]], len(row["seeds"]), steps,
                         *scores])  # fmt: skip
    costs = [
        [MODELS[row["arm"]], f"{row['params'] / 1e6:.2f} M", f"{row['macs_a_pair'] / 1e6:.1f} M",
         f"{row['seconds_a_step'] / first:.2f} ×"]
        for row in found["rows"]
    ]  # fmt: skip
    head = ["arm", "parameters", "multiply-adds of a pair", "seconds of a step"]
    return (
        f"{table(head, costs)}\n\n"
        f"{table(['compared at', 'arm', 'seeds', 'steps', *READ.values()], rows)}"
    )


def _difference(name, score):
    """Return a score with the paired difference: a loss as it is, others in percent and points."""
    is_loss = name in ("umr", "cmr")
    scale, digits = (1, ".3f") if is_loss else (100, ".1f")
    gap = [f"{scale * value:+{digits}}" for value in score.get("difference", ())[1:]]
    shown = f"{scale * score['value'][0]:{digits}}"
    return shown + (f" ({gap[0]} [{gap[1]}, {gap[2]}])" if gap else "")


def experts():
    """Return how much experts differ, trained beside random weights."""
    found = stored("experts")
    rows = [
        [KINDS[kind], f"{mean(found[kind]['loss']):.3f}",
         *(spanned(found[kind][name], "+.1f") for name in ("rolled", "averaged"))]
        for kind in KINDS
    ]  # fmt: skip
    head = ["weights", "reconstruction loss", "rolled, %", "averaged, %"]
    return f"{table(head, rows)}\n\n{_layers(found)}\n\n{_classes(found)}\n\n{_counts(found)}"


def _layers(found):
    rows = []
    for layer in found["trained"]["layers"]:
        of = {kind: found[kind]["layers"][layer] for kind in KINDS}
        rows.append(
            [f"`{layer}`", *(spanned(of[kind]["dropped"], "+.2f") for kind in KINDS),
             *(f"{100 * mean(of[kind]['largest']):+.2f}" for kind in KINDS),
             *(spanned(of[kind]["by_class"]) for kind in KINDS)]
        )  # fmt: skip
    head = ["layer", *(
        f"{what}, {kind}"
        for what in ("one expert dropped, %", "the most important one, %", "explained by class, %")
        for kind in KINDS.values()
    )]  # fmt: skip
    return table(head, rows)


def _classes(found):
    rows = [
        [f"`{name}`", *(spanned(found[kind]["classes"][name], "+.2f") for kind in KINDS)]
        for name in found["trained"]["classes"]
    ]
    return table(["land cover", *(f"one expert dropped, %, {k}" for k in KINDS.values())], rows)


def _counts(found):
    seeds = len(found["seeds"])
    return f"{found['cells']} cells in {found['blocks']} blocks, {seeds} seeds."


def expert_bits():
    """Return the information of the land cover about the experts, beyond chance."""
    found = stored("experts")
    rows = [
        [f"`{name.split()[0]}`", name.split()[1].upper(), *(
            f"{mean(found[kind]['bits'][name]):.3f} "
            f"({min(found[kind]['bits'][name]):.3f}–{max(found[kind]['bits'][name]):.3f})"
            for kind in KINDS
        )]
        for name in found["trained"]["bits"]
    ]  # fmt: skip
    head = ["layer", "image", *(f"bits, {name}" for name in KINDS.values())]
    return table(head, rows)


def patch_labels():
    """Return a sentence on patches whose label is that of their cell."""
    found = stored("meanings")["patch_labels"]
    low, high = found["share_of_cells"]
    return (
        f"On the real WorldCover tile N00E006, {found['cells']} cells have tree cover at their "
        f"centre. Tree cover is the majority class in {found['mostly_trees']} of their "
        f"{found['patches']} patches ({100 * found['mostly_trees'] / found['patches']:.0f} %); "
        f"between cells this share varies from {100 * low:.0f} to {100 * high:.0f} %."
    )


def centres():
    """Return a sentence on the centres of cells and of tiles."""
    found = stored("meanings")["centres"]
    return (
        f"Over the {found['cells']:,} cells of the real list the two centres are "
        f"{found['median_m']:.0f} m apart in the median and {found['percentile_95_m']:.0f} m in "
        "the 95th percentile. The stratum by Köppen-Geiger and MODIS classes differs for "
        f"{100 * found['differing']:.2f} % of the {found['mapped']:,} cells with both classes. "
        f"{source('meanings')}"
    )


def intervals():
    """Return the intervals of an accuracy over cells and over blocks."""
    rows = []
    for name, found in stored("meanings")["intervals"].items():
        cells, blocks = (found[key] for key in ("over_cells", "over_blocks"))
        ratio = (blocks[1] - blocks[0]) / (cells[1] - cells[0])
        rows.append(
            [name, f"{found['cells']:,}", f"{found['blocks']:,}", f"{100 * found['accuracy']:.1f}",
             *("–".join(f"{100 * value:.1f}" for value in one) for one in (cells, blocks)),
             f"{ratio:.1f} ×"]
        )  # fmt: skip
    head = ["cells of", "cells", "blocks", "accuracy, %", "interval over cells",
            "over blocks", "as wide"]  # fmt: skip
    return f"{table(head, rows)}\n\n{source('meanings')}"


def demo_difficulty():
    """Return a sentence on the accuracy of band statistics on the synthetic planet."""
    found = stored("demo_difficulty")
    both, s2, s1 = (f"{100 * found['scores'][name]:.0f} %" for name in ("both", "s2", "s1"))
    return (
        "A logistic probe on the mean and standard deviation of each band in patches of 120 px "
        f"reaches a balanced accuracy over the eleven classes of {both} with both sensors, {s2} "
        f"with Sentinel-2 and {s1} with Sentinel-1. Test and training cells differ "
        f"({found['cells_of_a_class']} cells of each class, {found['patches_of_a_cell']} patches "
        f"of each cell). {source('demo_difficulty')}"
    )


def second_norm():
    """Return a sentence on the second LayerNorm before the contrast."""
    found = stored("meanings")["second_norm"]
    return (
        f"The second one changes little: the cosine between its input and its output is "
        f"{mean(found['cosines']):.3f} in the {found['models']} `tiny-p12` models of "
        "[evaluate.md](evaluate.md#results-on-the-synthetic-planet), the mean over either sensor "
        f"and {found['patches']} test patches. {source('meanings')}"
    )


def seed_intervals():
    """Return how often intervals over blocks and few seeds contain the true mean."""
    found = stored("seed_intervals")
    rows = [
        [row["seeds"], f"{row['ratio']:g}", *(f"{100 * row[way]:.0f}" for way in SEED_WAYS)]
        for row in found["rows"]
    ]
    head = ["seeds", "deviation of the mean over seeds / over blocks",
            *(f"{way}, %" for way in SEED_WAYS.values())]  # fmt: skip
    counts = f"{found['trials']:,} trials of {found['blocks']} blocks. {source('seed_intervals')}"
    return f"{table(head, rows)}\n\n{counts}"


EVIDENCE_TABLES = {
    "evidence-selection": lambda: measured(
        "selection_arms", selection, how="trains and compares the arms"
    ),
    "evidence-dense": lambda: measured(
        "dense_or_moe", dense_or_moe, how="trains and compares the arms"
    ),
    "evidence-experts": lambda: measured("experts", experts, how="measures the experts"),
    "evidence-bits": lambda: measured("experts", expert_bits, how="measures the experts"),
    "demo-difficulty": demo_difficulty, "patch-labels": patch_labels, "centres": centres,
    "intervals": intervals, "second-norm": second_norm, "seed-intervals": seed_intervals,
}  # fmt: skip
