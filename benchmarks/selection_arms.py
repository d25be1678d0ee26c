"""Compare models that were pretrained on different selections of cells, on two planets.

    python benchmarks/selection_arms.py OUT [--planets smooth,hashed] [--draws 0,1,2,3,4] [--write]

On the planet `smooth`, greenness, moisture, texture scale and the level of Sentinel-1 follow smooth
fields (docs/demo.md), so that a selection can matter. On the planet `hashed`, which
`minortom demo` makes by default, it cannot: there the difference must be nothing but chance.

All numbers below were fixed before the first run. A draw is a seed of the selections, of the
pretraining and of the cells to evaluate on, the same for all of its arms. An arm is pretrained on
patches of its cells alone. It is evaluated on other cells, drawn over all land, more than 100 km
from every cell of every arm: probes of the frozen vectors, trained on some of them, predict the
land cover and the fields of the others.

Two things were added when the runs were finished. The arm `band-statistics` has no training: it
shows what the probes predict from four numbers of each band. The fields of `SHOWN` are scored by
themselves: in the mean over all fields, those that a sensor does not show hide the others.

Repeat the command to resume; several commands may share OUT at the same time. Runs are made draw by
draw, so that paired draws are complete early. `--write` trains nothing and writes what is finished
to benchmarks/results/selection_arms.json; benchmarks/_tables.py makes the tables of
docs/evidence.md.
"""

import argparse
import shutil
from dataclasses import astuple
from functools import cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from _arms import (
    BATCH_SIZE,
    accuracy_scorer,
    check_budgets,
    claimed,
    explained_scorer,
    names_of,
    numbers,
    outputs_of_missing,
    regression,
    scored_by,
    store_of,
    train,
)
from _paired import difference, interval_of
from _planet_shards import write
from _pruning_quality import SENSORS, Patches, Store
from _results import store
from field_strength import annotated
from scipy.spatial import cKDTree

import minortom
from csmoe_model.csmoe import CSMoE
from minortom.grid.spatial_split import SplitOptions, split_tiles
from minortom.grid.sphere import chord_of_km, unit_vectors
from minortom.io.provenance import Provenance
from minortom.shards.pixel_credit import MADE_UP
from minortom.synthetic.scene import Scene
from minortom.synthetic.smooth_field import SmoothField, field_values

CELLS, PATCHES, STEPS = 1500, 2, 1000
FIELD_KM = 800.0
UNTRAINED = "band-statistics"
PLANETS = {
    "smooth": ("random", "strata", "k-means", "default", UNTRAINED),
    "hashed": ("strata", "default", UNTRAINED),
}
"""Arms on each planet."""
DRAWS = {"smooth": 5, "hashed": 3}
SELECTIONS = {"strata": {"method": "random"}, "k-means": {"method": "k-means"}, "default": {}}
"""Options of `minortom.sample`; the arm `random` draws cells without regard to strata."""
APART_KM, BLOCK_KM = 100.0, 600.0
EVALUATED = {"train": 1500, "val": 300, "test": 2000}
"""Cells of the probes, one patch each. Their splits are `APART_KM` apart, too."""
SHOWN = {"greenness-s2": 0, "moisture-s1": 1, "radar level-s1": 3}
"""Number of the target of each field that a sensor shows."""
MEASURES = (
    *(f"{what}-{sensor}" for what in ("landcover", "fields") for sensor in SENSORS), *SHOWN
)  # fmt: skip


def selections(table, draw):
    """Return the names of the selected cells of each arm."""
    names = table["grid_cell"].to_numpy(zero_copy_only=False).astype(str)
    found = {"random": np.random.default_rng([draw, 5]).choice(names, CELLS, replace=False)}
    for arm, more in SELECTIONS.items():
        chosen = minortom.sample(table, tiles=CELLS, seed=draw, workers=1, **more).table
        found[arm] = chosen["grid_cell"].to_numpy(zero_copy_only=False).astype(str)
    check_budgets({arm: {"cells": len(np.unique(of_arm))} for arm, of_arm in found.items()})
    return found


def evaluated(table, selected, draw):
    """Return the rows of the cells to evaluate on, and the split of each."""
    points = unit_vectors(table["lon"].to_numpy(), table["lat"].to_numpy())
    names = table["grid_cell"].to_numpy(zero_copy_only=False).astype(str)
    taken = np.isin(names, np.concatenate(list(selected.values())))
    distance, _ = cKDTree(points[taken]).query(points)
    far = np.flatnonzero(distance > chord_of_km(APART_KM))
    options = SplitOptions(shares=(0.5, 0.15, 0.35), block_km=BLOCK_KM, buffer_km=APART_KM)
    code = split_tiles(points[far], np.zeros(len(far), np.int64), options, seed=draw)
    rng, rows, splits = np.random.default_rng([draw, 6]), [], []
    for number, (split, count) in enumerate(EVALUATED.items()):
        rows.append(rng.choice(far[code == number], count, replace=False))
        splits += [split] * count
    return np.concatenate(rows), splits


def scenes(table, planet):
    """Return the scene of each cell of a planet, and its longitude and latitude."""
    lonlat = np.stack([table[name].to_numpy() for name in ("lon", "lat")], axis=1)
    field = SmoothField(seed=0, range_km=FIELD_KM).at(*lonlat.T) if planet == "smooth" else None
    names, *codes = (
        table[name].to_pylist() for name in ("grid_cell", "climate_code", "landcover_code")
    )
    of_cells = [
        Scene(
            seed=0, cell=name, climate_code=climate, landcover_code=landcover,
            field=None if field is None else field_values(field[row]),
        )
        for row, (name, climate, landcover) in enumerate(zip(names, *codes, strict=True))
    ]  # fmt: skip
    return of_cells, lonlat.tolist()


def targets(scene):
    """Return the values that the regression predicts: the fields, or properties of the cell."""
    if scene.field is not None:
        return list(astuple(scene.field))
    traits = scene.traits()
    return [traits.greenness, float(np.log(traits.scale))]


class Draw:
    """Cells of one draw on one planet."""

    def __init__(self, out, table, planet, draw):
        """Choose the cells."""
        self.planet, self.draw = planet, draw
        stored = Store(out / "cells")
        with claimed(out / "locks" / f"cells-{draw}", wait=True):
            stored.get(str(draw), lambda: selections(table, draw))
        self.selected = stored.read(str(draw))
        self.rows, self.splits = evaluated(table, self.selected, draw)
        self.scenes, self.lonlat = scenes(table, planet)
        self.row_of = {scene.cell: row for row, scene in enumerate(self.scenes)}
        self.folder = out / "shards"

    def shards(self, arm):
        """Return the folder with the patches of an arm, or of the evaluation; write them."""
        folder = self.folder / f"{self.planet}-{self.draw}-{arm}"
        with claimed(folder.parent / "locks" / folder.name, wait=True):
            if not folder.exists():
                self._write(folder, arm)
        return folder

    def _write(self, folder, arm):
        if arm == "evaluation":
            chosen, patches = zip(self.rows, self.splits, strict=True), 1
        else:
            rows = [self.row_of[cell] for cell in self.selected[arm]]
            chosen, patches = ((row, "train") for row in rows), PATCHES
        provenance = Provenance(
            command="selection-arms", seed=self.draw,
            options={"planet": self.planet, "arm": arm, "patches": patches},
            licences=(MADE_UP.line,),
        )  # fmt: skip
        drawn = [(self.scenes[row], split, *self.lonlat[row]) for row, split in chosen]
        write(folder, drawn, patches=patches, provenance=provenance, workers=1)

    def outputs(self, folder, arm):
        """Train an arm, or resume its training; return the outputs of its evaluation."""
        patches = Patches(self.shards("evaluation"))
        if arm == UNTRAINED:
            return self._evaluated(patches, patches.band_statistics)
        data = self.shards(arm)
        fields = {"steps": STEPS, "seed": self.draw}
        model = CSMoE.from_pretrained(train(folder, data, fields))
        found = self._evaluated(patches, partial(patches.vectors, model))
        shutil.rmtree(data)  # 0.6 GB, and written again in a minute
        return found | {"budget": np.array([CELLS, PATCHES, STEPS, BATCH_SIZE])}

    def _evaluated(self, patches, vectors_of):
        """Return the outputs of the probes on the vectors of each sensor."""
        cells = patches.cells
        target_nK = np.array([targets(self.scenes[self.row_of[cell]]) for cell in cells])
        test = patches.split == "test"
        found = {
            "truth": patches.labels[test].astype(np.int64), "targets": target_nK[test],
            "blocks": patches.blocks[test],
        }  # fmt: skip
        for sensor in SENSORS:
            vector_nD = vectors_of(sensor)
            found[f"landcover-{sensor}"] = patches.outputs(vector_nD)["probe"]
            found[f"fields-{sensor}"] = regression(patches.split, vector_nD, target_nK)
        return found


def measures_of(planet):
    """Return the measures of a planet; without fields, the targets are greenness and scale."""
    return [name for name in MEASURES if planet == "smooth" or SHOWN.get(name, 0) == 0]


def run_scores(outputs, measure, seed):
    """Return the score of a run [1], and in each draw of blocks of its test cells [1, R]."""
    if measure.startswith("landcover"):
        score = accuracy_scorer(outputs["truth"], outputs[measure])
    else:
        chosen = [SHOWN[measure]] if measure in SHOWN else slice(None)
        predicted = outputs[f"fields-{measure.rpartition('-')[2]}"]
        score = explained_scorer(outputs["targets"][:, chosen], predicted[:, chosen])
    return scored_by(outputs["blocks"], [score], seed=seed)


def summary(stored):
    """Return a row for each planet and arm: scores, and paired differences from two arms."""
    rows, budgets = [], {}
    for planet, arms in PLANETS.items():
        done = {
            arm: [d for d in range(DRAWS[planet]) if stored.has(f"{planet}-{d}-{arm}")]
            for arm in arms
        }

        @cache
        def scores_of_run(arm, draw, measure, seed, planet=planet):
            return run_scores(stored.read(f"{planet}-{draw}-{arm}"), measure, seed)

        def scores_of(arm, draws, measure, of_run=scores_of_run):
            found = [of_run(arm, draw, measure, seed) for seed, draw in enumerate(draws)]
            return [np.concatenate(parts) for parts in zip(*found, strict=True)]

        for arm in (arm for arm in arms if done[arm]):
            row = {"planet": planet, "arm": arm, "draws": done[arm], "scores": {}}
            for draw in done[arm] if arm != UNTRAINED else ():
                name = f"{planet}-{draw}-{arm}"
                numbers = stored.read(name)["budget"].tolist()
                keys = ("cells", "patches a cell", "steps", "pairs a step")
                budgets[name] = dict(zip(keys, numbers, strict=True))
            for measure in measures_of(planet):
                found = row["scores"][measure] = {
                    "value": interval_of(*scores_of(arm, done[arm], measure))
                }
                for base in (base for base in ("random", "strata") if base in arms and base != arm):
                    both = [draw for draw in done[arm] if draw in done[base]]
                    if both:
                        pair = (scores_of(one, both, measure) for one in (arm, base))
                        found[f"minus {base}"] = [len(both), *difference(*pair)]
            rows.append(row)
    check_budgets(budgets)
    return {"budget": next(iter(budgets.values())), "evaluated": EVALUATED, "rows": rows}


def main():
    """Train and evaluate what is missing, or write the results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument(
        "--planets", type=names_of(PLANETS), default=",".join(PLANETS), help="planets to train on"
    )
    parser.add_argument("--draws", type=numbers, default="0,1,2,3,4", help="draws to train")
    parser.add_argument("--write", action="store_true", help="write the results of what is there")
    options = parser.parse_args()
    if options.write:
        store("selection_arms", summary(store_of(options.out)))
        return
    with TemporaryDirectory() as folder:
        table = annotated(0, Path(folder))
    for draw in options.draws:
        for planet in (name for name in options.planets if draw < DRAWS[name]):
            names = {f"{planet}-{draw}-{arm}": arm for arm in PLANETS[planet]}
            run_draw(options.out, table, planet, draw, names)


def run_draw(out, table, planet, draw, names):
    """Train and evaluate the arms of one draw that are missing."""
    stored = store_of(out)
    if all(stored.has(name) for name in names):
        return
    cells = Draw(out, table, planet, draw)
    outputs_of_missing(out, names, lambda name: cells.outputs(out / "runs" / name, names[name]))


if __name__ == "__main__":
    main()
