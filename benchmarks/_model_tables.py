"""Tables of fine-tuned models and of ensembles."""

from _results import source, spanned, stored, table

FINETUNE_ROWS = {
    "model": "fine-tuned", "frozen model": "linear probe of the frozen encoder",
    "untrained model": "the same from random weights",
}  # fmt: skip
ENSEMBLE_ROWS = {
    "band-statistics": "`band-statistics` alone",
    "random-convolutions": "`random-convolutions` alone",
    "weight-free pool": "both of these",
    "s2-climate": "Sentinel-2 specialist of the climate class",
    "s2-latitude": "Sentinel-2 specialist of the latitude",
    "s1-climate": "Sentinel-1 specialist of the climate class",
    "s1-greenness": "Sentinel-1 specialist of the greenness",
    "greedy": "**selected by `csmoe ensemble build`**",
    "learned gate, top k": "as many by a learned gate",
    "random sets": "as many at random, mean of 5 draws",
    "all real members": "all six",
    "all and the planted": "all six and five planted",
    "csmoe": "CSMoE alone",
    "csmoe and greedy": "**CSMoE and the selected**",
    "csmoe and weight-free": "CSMoE and both weight-free members",
}  # fmt: skip


def percent(row):
    """Return a share with its interval in percent."""
    return spanned(row[key] for key in ("value", "low", "high"))


def points(row, form="+.2f"):
    """Return a difference with its interval in points."""
    return spanned((row[key] for key in ("value", "low", "high")), form)


def finetune():
    """Return the accuracy of fine-tuned models by labels a class, and paired differences."""
    whole, rows = stored("finetune"), []
    for shots, found in whole["shots"].items():
        of = found["rows"]
        rows.append(
            [shots, *(percent(of[name]) for name in FINETUNE_ROWS),
             points(of["model minus frozen model"]), points(of["model minus untrained model"]),
             found["seeds"]]
        )  # fmt: skip
    head = ["labels a class", *FINETUNE_ROWS.values(), "more than the probe, points",
            "more than random weights, points", "seeds"]  # fmt: skip
    counts = f"{whole['images']:,} test images in {whole['blocks']} blocks."
    return f"{table(head, rows)}\n\n{counts} {source('finetune')}"


def ensembles():
    """Return the accuracy of each set of members, and the differences of the selected one."""
    found = stored("ensembles")
    scores = [[label, percent(found["scores"][name])] for name, label in ENSEMBLE_ROWS.items()]
    gaps = [
        [name_of(row["of"]), name_of(row["minus"]), points(row)] for row in found["differences"]
        if row["of"] != "west and east"
    ]  # fmt: skip
    return (
        f"{table(['members', 'accuracy, %'], scores)}\n\n"
        f"{table(['accuracy of', 'minus that of', 'points'], gaps)}\n\n"
        f"{found['test_cells']} test cells in {found['blocks']} blocks, seeds of the pretraining: "
        f"{found['seeds']}. "
        f"{source('ensembles')}"
    )


def name_of(members):
    """Return the label of a row without emphasis."""
    return ENSEMBLE_ROWS[members].replace("**", "")


def planted():
    """Return a sentence about the planted members that were rejected."""
    folds = [fold for one in stored("ensembles")["selections"] for fold in one["rejected"]]
    counts = ", ".join(f"{kind} {sum(fold[kind] for fold in folds)}" for kind in folds[0])
    return f"Rejected in {len(folds)} selections (seeds × seeds of the folds): {counts}."


def federated():
    """Return a sentence about specialists of two regions, and one of both."""
    found = stored("ensembles")
    apart, whole = (found["scores"][name] for name in ("west and east", "trained on all"))
    (gap,) = (row for row in found["differences"] if row["of"] == "west and east")
    return (
        f"Accuracy of two specialists that were trained apart and pooled: {percent(apart)} %; of "
        f"one that was trained on all images: {percent(whole)} %; difference {points(gap)} points."
    )


MODEL_TABLES = {
    "finetune": finetune, "ensembles": ensembles, "ensembles-planted": planted,
    "ensembles-federated": federated,
}  # fmt: skip
