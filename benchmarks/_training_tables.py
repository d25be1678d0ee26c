"""Table of docs/train.md, from the runs of benchmarks/conditioning.py that are finished."""

from statistics import mean

from _results import measured, spanned, stored, table

NAMES = {
    "none": "neither", "sensor": "`--condition sensor`",
    "granularity": "`--condition granularity --local-global 0.5`",
    "local-global": "`--local-global 0.5`", "all": "`--condition both --local-global 0.5`",
}  # fmt: skip
TITLES = {
    "probe-s2": "probe, S2", "probe-s1": "probe, S1", "20-NN-s2": "20-NN, S2",
    "20-NN-s1": "20-NN, S1", "s2-s1": "S2 → S1", "s1-s2": "S1 → S2",
}  # fmt: skip


def conditioning_table():
    """Return scores in percent, differences from the plain run in points, and costs."""
    found = stored("conditioning")
    first = found["rows"][0]
    rows = []
    for row in found["rows"]:
        largest = [mean(map(abs, of_seed)) for of_seed in row["specificity"]]
        rows.append(
            [NAMES[row["arm"]], row["seeds"], *(_cell(row["scores"][name]) for name in TITLES),
             f"{mean(largest):.2f}", f"{row['seconds_a_step'] / first['seconds_a_step']:.2f} ×",
             f"{row['macs_a_pair'] / first['macs_a_pair']:.2f} ×"]
        )  # fmt: skip
    head = ["options", "seeds", *TITLES.values(), "specificity", "seconds of a step",
            "multiply-adds"]  # fmt: skip
    counts = (
        f"{first['steps']:,} steps of {found['batch_size']} pairs; "
        f"{found['patches']['test']:,} test patches."
    )
    return f"{table(head, rows)}\n\n{counts}"


def _cell(score):
    shown = f"{100 * score['mean']:.1f}"
    return shown + (f" ({spanned(score['difference'], '+.1f')})" if "difference" in score else "")


TRAINING_TABLES = {
    "conditioning": lambda: measured("conditioning", conditioning_table, how="runs the ablation"),
}  # fmt: skip
