"""Compute figures of docs/ that need no training and no clock.

    python benchmarks/figures.py [precision] [planet] [shares] [--data $MINORTOM_DATA]

- precision: how far routing logits and their softmax are from float64, by type of number.
- planet: the share of each land cover among the cells of the synthetic planet (seed 0).
- shares: the shares of classes in the cells of a real WorldCover tile, at full resolution and at a
  quarter of it, beside those of `exactextract`.

Each takes less than a minute. All parts are stored in `results/figures.json`; a part that is not
run keeps its results.

Axes, as name suffixes:
    T  tokens    S  slots    D  width
"""

import argparse
import os
from pathlib import Path

import numpy as np
from _results import RESULTS, store, stored
from scipy.special import softmax

from minortom.grid.cells import cells_from_names
from minortom.synthetic.maps import LANDCOVER_CODES, make_planet
from minortom.synthetic.planet import land_cells

SIZES = {"tokens": 99, "slots": 104, "width": 768}
"""Those of csmoe-b16 on a masked image."""
DRAWS = 20
BITS = {"float32": 24, "TF32": 11, "bfloat16": 8}
"""Significant bits of each type of number."""
TYPES = (
    ("float32", "float32"), ("TF32", "float32"), ("bfloat16", "float32"), ("bfloat16", "bfloat16"),
)  # fmt: skip
"""Types of the inputs of the product, and of its result."""
TILE = "ESA_WorldCover_10m_2021_v200_N00E006_Map.tif"


def rounded(values, number):
    """Return values rounded to the significant bits of a type of number, ties to even."""
    mantissa, exponent = np.frexp(values)
    return np.ldexp(np.rint(np.ldexp(mantissa, BITS[number])), exponent - BITS[number])


def errors_of(token_TD, slot_SD, inputs, result):
    """Return the largest error of a logit, and the change of the weights of each token [T].

    The change is half the sum of the absolute differences between the weights.
    """
    exact_TS = token_TD @ slot_SD.T
    token_TD, slot_SD = (rounded(x, inputs).astype(np.float32) for x in (token_TD, slot_SD))
    found_TS = rounded((token_TD @ slot_SD.T).astype(np.float64), result)
    weights = softmax(found_TS, axis=1), softmax(exact_TS, axis=1)
    return np.abs(found_TS - exact_TS).max(), np.abs(weights[0] - weights[1]).sum(axis=1) / 2


def precision(_):
    """Return the errors of routing logits, for tokens and slots of independent normal values."""
    rng, rows = np.random.default_rng(0), []

    def drawn(name):
        return unit_rms(rng.standard_normal((SIZES[name], SIZES["width"])))

    draws = [(drawn("tokens"), drawn("slots")) for _ in range(DRAWS)]
    for inputs, result in TYPES:
        found = [errors_of(*draw, inputs, result) for draw in draws]
        changes = np.concatenate([change_T for _, change_T in found])
        rows.append(
            {"inputs": inputs, "result": result, "error": float(max(error for error, _ in found)),
             "mean_change": float(changes.mean()), "largest_change": float(changes.max())}
        )  # fmt: skip
    deviation = float(np.std([token_TD @ slot_SD.T for token_TD, slot_SD in draws]))
    return {**SIZES, "draws": DRAWS, "deviation": deviation, "rows": rows}


def unit_rms(x_ND):
    """Return vectors whose root mean square is 1."""
    return x_ND / np.sqrt(np.square(x_ND).mean(axis=1, keepdims=True))


def planet(_):
    """Return the share of each land cover among the cells of the synthetic planet."""
    made = make_planet(seed=0)
    names = land_cells(made)
    _, landcover = made.codes_at(*cells_from_names(names).centres())
    shares = {str(code): float((landcover == code).mean()) for code in LANDCOVER_CODES}
    return {"cells": len(names), "shares": shares}


def shares(data):
    """Return the differences of the shares of classes from those of exactextract."""
    from annotate import cells_in, described, differences, exactextract_shares

    path = data / "descriptors" / TILE
    descriptor, cells = described(path, "worldcover"), cells_in(path)
    found, expected = {"cells": len(cells)}, None
    for name, resolution_m in (("full", 10), ("quarter", 40)):
        counts = descriptor.counts_in(cells, resolution_m=resolution_m)
        if expected is None:
            expected = exactextract_shares(path, cells, counts.codes)
        worst = differences(counts.fractions(), expected)
        found[name] = {
            "resolution_m": counts.resolution_m, "mixed_cells": len(worst),
            "median_points": float(np.median(worst)), "largest_points": float(worst.max()),
        }  # fmt: skip
    return found


PARTS = {"precision": precision, "planet": planet, "shares": shares}


def main():
    """Compute and store."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}")
    parser.add_argument("--data", type=Path, default=os.environ.get("MINORTOM_DATA"))
    options = parser.parse_args()
    if unknown := set(options.parts) - set(PARTS):
        parser.error(f"expected {', '.join(PARTS)}, found {', '.join(sorted(unknown))}")
    found = stored("figures") if (RESULTS / "figures.json").exists() else {}
    found = {name: found[name] for name in PARTS if name in found}
    for name in options.parts or PARTS:
        found[name] = PARTS[name](Path(options.data or "."))
        print(name, found[name], flush=True)
        store("figures", found)


if __name__ == "__main__":
    main()
