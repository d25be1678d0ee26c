"""Figures of several pages, from the stored results of `figures.py`."""

from _results import source, stored, table


def precision():
    """Return how far routing logits and their softmax are from float64, by type of number."""
    found = stored("figures")["precision"]
    rows = [
        [f"{row['inputs']}, {row['result']}", short(row["error"]),
         *(f"{short(100 * row[name])} %" for name in ("mean_change", "largest_change"))]
        for row in found["rows"]
    ]  # fmt: skip
    head = ["dtype of inputs, dtype of result", "maximum error of a logit",
            "mean change of a token's weights", "maximum change"]  # fmt: skip
    return f"{table(head, rows)}\n\n{found['draws']} draws. {source('figures')}"


def short(value):
    """Return a number with two significant digits, and no exponent."""
    digits = f"{value:.1e}"
    return f"{float(digits):.{max(1 - int(digits.split('e')[1]), 0)}f}"


def planet_rare():
    """Return a sentence on the rare classes of the synthetic planet."""
    shares = stored("figures")["planet"]["shares"]
    built_up, mangroves = (f"{100 * shares[code]:.1f} %" for code in ("50", "95"))
    return (
        f"On the synthetic planet, built-up land ({built_up}) and mangroves ({mangroves}) are rare."
    )


def tile_shares():
    """Return sentences on the shares of classes in the cells of a real tile."""
    found = stored("figures")["shares"]
    full, quarter = found["full"], found["quarter"]
    return (
        f"On the real tile that comes with the tests ({found['cells']:,} cells), the shares at "
        f"full resolution differ by at most {full['largest_points']:.3f} percentage points from "
        "those of `exactextract`, which splits the pixels on a cell's edge. Counted at "
        f"{quarter['resolution_m']:.0f} m instead of {full['resolution_m']:.0f} m, the worst class "
        f"of a cell differs by {quarter['median_points']:.2f} points in the median and by at most "
        f"{quarter['largest_points']:.1f}. {source('figures')}"
    )


FIGURE_TABLES = {
    "precision": precision, "planet-rare": planet_rare, "tile-shares": tile_shares,
}  # fmt: skip
