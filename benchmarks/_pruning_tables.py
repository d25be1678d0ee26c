"""Tables of docs/prune.md, from the parts of benchmarks/pruning.py that were run."""

from statistics import mean

from _model_tables import points
from _results import source, spanned, stored, table

LONG = {"s2": "Sentinel-2", "s1": "Sentinel-1"}
WAYS = {
    "whole": "unpruned", "reap": "`reap`", "usage": "`usage`", "norm": "`norm`",
    "ablation": "`ablation`", "greedy": "`greedy`", "recovered": "`reap` and `--recover`",
    "random": "random experts", "merging": "merged experts", "slimming": "fewer heads and units",
}  # fmt: skip


def checks():
    """Return lines about exactness and planted dead experts."""
    found = stored("pruning")
    worst = max(row["largest_difference"] for row in found["exactness"]["rows"])
    lines = [f"- Tokens of sliced models differ from those of masked ones by at most {worst:.1e}."]
    for unread, what in ((True, "no output and no reader"), (False, "no output, but readers")):
        rows = [row for row in found["planted"]["rows"] if row["unread"] == unread]
        counts = ", ".join(f"`{r['by']}` {r['found']} of {r['planted']}" for r in rows)
        lines.append(f"- Planted experts with {what} that have the lowest score: {counts}.")
    return "\n".join(lines)


def speed():
    """Return a line about the speed of the recipe csmoe-b16."""
    found = stored("pruning")["speed"]
    rows = [f"{r['ratio']:.2f} × ({r['batch']} images)" for r in found["rows"]]
    return (
        "- `csmoe-b16` with half of its experts, S2 path, two threads, in turns with the whole "
        f"path: {', '.join(rows)} as fast with {found['macs']['half'] / found['macs']['whole']:.0%}"
        " of the multiply-adds."
    )


def tuned():
    """Return lines about fine-tuning with half of the experts."""
    found, lines = stored("pruning_quality")["finetune"], []
    for row in found["rows"]:
        gap, score = row["difference"], row["score"]
        lines.append(
            f"- Fine-tuned on {row['shots']} labels a class ({found['seeds']} seeds): half of "
            f"the experts {100 * score['half']:.1f} %, all {100 * score['whole']:.1f} %, "
            f"difference {points(gap, '+.1f')} points."
        )
    lines.append(
        f"- A step of this training takes {found['speed']['ratio']:.2f} × as long with half of "
        "the experts, in turns with all."
    )
    return "\n".join(lines)


def fidelity():
    """Return the drift of every way, by sensor and number of experts."""
    found = stored("pruning")["fidelity"]
    ways = ("reap", "usage", "norm", "ablation", "greedy", "merging", "slimming", "random")
    rows = []
    for row in found["rows"]:
        drifts = [row["drift"][way] for way in ways]
        shown = [mean(d) if isinstance(d, list) else d for d in drifts]
        rows.append(
            [LONG[row["sensor"]], f"{row['keep']} of {found['experts']}", f"{row['macs']:.0%}",
             f"{row['params']:.0%}", *("–" if d is None else f"{d:.3f}" for d in shown)]
        )  # fmt: skip
    head = ["sensor", "experts", "multiply-adds", "parameters", *(WAYS[way] for way in ways)]
    return table(head, rows)


def quality():
    """Return the accuracy of whole models and the differences from it, by number of experts.

    A head names the multiply-adds of both sensors; the columns of a row may be incomplete.
    """
    rows = stored("pruning_quality")["quality"]["rows"]
    keeps = sorted({row["keep"] for row in rows if row["way"] != "whole"}, reverse=True)
    found = {(r["sensor"], r["probe"], r["way"], r["keep"]): r for r in rows}
    lines = []
    for sensor, probe, way in dict.fromkeys(key[:3] for key in found):
        whole = found[sensor, probe, "whole", max(key[3] for key in found)]
        cells = [_points(found.get((sensor, probe, way, keep))) for keep in keeps]
        if way == "whole":
            cells = [f"{100 * whole['score']:.1f} %"] + [""] * (len(keeps) - 1)
        lines.append([LONG[sensor], probe, WAYS[way], *cells])
    heads = []
    for keep in keeps:
        macs = {row["sensor"]: f"{row['macs']:.0%}" for row in rows if row["keep"] == keep}
        heads.append(f"{keep} of 4 ({' and '.join(macs.values())} of the multiply-adds)")
    return table(["sensor", "classifier", "method", *heads], lines)


def _points(row):
    """Return the difference of a row in points, with its interval."""
    if row is None or "difference" not in row:
        return ""
    return spanned(row["difference"], "+.1f")


def quality_with_source():
    """Return the same with the settings of the recovery, and what measured it."""
    found = stored("pruning_quality")["quality"]
    how, seeds = found["recovery"], min(row["seeds"] for row in found["rows"])
    recovery = (
        f"Recovery: {how['recover']} steps of {how['batch_size']} images. {seeds} pretraining "
        f"seeds, {found['blocks']} blocks of ground."
    )
    return f"{quality()}\n\n{recovery} {source('pruning_quality', script='pruning')}"


def all_patches():
    """Return lines about half of the experts after recovery, on several patches of each cell."""
    found = stored("pruning_quality")["all-patches"]
    lines = []
    for row in found["rows"]:
        lines.append(
            f"- {LONG[row['sensor']]}, {row['probe']}: {100 * row['score']:.1f} %, difference "
            f"{_points(row)} points."
        )
    return "\n".join(lines)


PRUNING_TABLES = {
    "pruning-checks": checks, "pruning-speed": speed, "pruning-tuned": tuned,
    "pruning-fidelity": fidelity, "pruning-quality": quality_with_source,
    "pruning-all-patches": all_patches,
}  # fmt: skip
