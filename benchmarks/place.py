"""Measure --min-distance-km and --reserves on 1.4 million real cells.

    python benchmarks/place.py [--data $MINORTOM_DATA] [--write]

5 % of the selected tiles of large strata are removed at random and replaced in three ways. It
takes some 5 minutes. `--write` writes benchmarks/results/place.json.
"""

import tempfile
from pathlib import Path

import numpy as np
from _results import store
from _stand_in import PER_STRATUM, Set, parsed, parser, stand_in

from minortom.engine.executors import EngineOptions
from minortom.sampling.options import SampleOptions
from minortom.sampling.selection import select

DISTANCES_KM, DRAWS, SHARE = (15, 30), 5, 0.05


def distances(cells):
    """Yield the missing tiles and the measures for each minimum distance."""
    requested = int(np.minimum(cells.tiles.strata.sizes, PER_STRATUM).sum())
    for km in DISTANCES_KM:
        mask = cells.select(EngineOptions(), min_distance_km=km)
        yield {"km": km, "missing": requested - int(mask.sum()), **cells.measures(mask)}


def reserves(cells):
    """Yield the measures of a selection with removed tiles, replaced in several ways."""
    options = SampleOptions(per_stratum=PER_STRATUM, reserves=20)
    chosen = select(cells.table, options, engine=EngineOptions()).chosen
    codes = cells.tiles.strata.codes
    ways = {"whole": [], "removed": [], "random": [], "reserves": []}
    for draw in range(DRAWS):
        rng = np.random.default_rng(draw)
        large = cells.tiles.strata.sizes[codes[chosen.rows]] > PER_STRATUM
        gone = large & (rng.random(len(chosen.rows)) < SHARE)
        left = chosen.rows[~gone]
        lost = np.bincount(codes[chosen.rows[gone]], minlength=codes.max() + 1)
        by_rank = chosen.reserves[chosen.ranks <= lost[codes[chosen.reserves]]]
        at_random = []
        for s in np.flatnonzero(lost).tolist():
            free = np.setdiff1d(cells.tiles.strata.rows(s), chosen.rows)
            at_random.append(rng.choice(free, lost[s], replace=False))
        ways["whole"].append(cells.measures(chosen.rows))
        ways["removed"].append(cells.measures(left))
        ways["random"].append(cells.measures(np.concatenate([left, *at_random])))
        ways["reserves"].append(cells.measures(np.concatenate([left, by_rank])))
    for way, found in ways.items():
        yield {"way": way} | {name: float(np.mean([of[name] for of in found])) for name in found[0]}


def main():
    """Run the benchmark."""
    options = parsed(parser(__doc__))
    with tempfile.TemporaryDirectory() as name:
        cells = Set(stand_in(options.data, Path(name)))
    found = {"distances": [], "reserves": []}
    for kind, rows in (("distances", distances(cells)), ("reserves", reserves(cells))):
        for row in rows:
            print(row, flush=True)
            found[kind].append(row)
    if options.write:
        store("place", found)


if __name__ == "__main__":
    main()
