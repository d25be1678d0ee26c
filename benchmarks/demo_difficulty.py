"""Measure how well band statistics predict the land cover of the synthetic planet.

A logistic probe reads the mean and standard deviation of each band in patches of 120 px. It is
trained and tested on different cells. A balanced accuracy of 40 to 75 % means that the task is
neither trivial nor too hard:

    python benchmarks/demo_difficulty.py --cells 60 --patches 4 [--write]
"""

import argparse
from concurrent.futures import ProcessPoolExecutor

import numpy as np
from _results import store
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import GroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from minortom.grid.cells import cells_from_names
from minortom.sensors import MODEL_BANDS
from minortom.synthetic.maps import LANDCOVER_CODES, make_planet
from minortom.synthetic.noise import Window
from minortom.synthetic.planet import land_cells
from minortom.synthetic.scene import Scene, render

PATCH_PX, MARGIN_PX = 120, 54


def draw_scenes(seed, cells_per_class):
    """Draw the same number of cells of each land cover, spread over the planet."""
    planet = make_planet(seed=seed)
    names = land_cells(planet)
    climate, landcover = planet.codes_at(*cells_from_names(names).centres())
    rng = np.random.default_rng(seed)
    for code in LANDCOVER_CODES:
        where = np.flatnonzero(landcover == code)
        for index in rng.choice(where, min(cells_per_class, len(where)), replace=False):
            yield Scene(
                seed=seed, cell=str(names[index]), climate_code=int(climate[index]),
                landcover_code=code,
            )  # fmt: skip


def statistics(scene, patches):
    """Return [patches, 2 * bands]: means, then deviations; Sentinel-1, in dB, comes last."""
    rows = []
    for place in scene.rng(9).choice(64, patches, replace=False).tolist():
        row, col = (MARGIN_PX + PATCH_PX * index for index in divmod(place, 8))
        pixels = render(scene, Window(row=row, col=col, height=PATCH_PX, width=PATCH_PX))
        bands = [pixels.reflectance[band] for band in MODEL_BANDS["s2"]]
        bands += [10 * np.log10(pixels.backscatter[name]) for name in MODEL_BANDS["s1"]]
        rows.append([*(band.mean() for band in bands), *(band.std() for band in bands)])
    return np.array(rows)


def balanced_accuracy(seed=0, cells_per_class=60, patches=4):
    """Probe the statistics of both sensors and of each sensor alone; 5 folds of whole cells."""
    scenes = list(draw_scenes(seed, cells_per_class))
    with ProcessPoolExecutor() as pool:
        found = pool.map(statistics, scenes, [patches] * len(scenes), chunksize=16)
        features = np.concatenate(list(found))
    labels = np.repeat([scene.landcover_code for scene in scenes], patches)
    cells = np.repeat(np.arange(len(scenes)), patches)
    bands = features.shape[1] // 2
    first = np.arange(features.shape[1]) % bands
    probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=5000))
    folds = GroupKFold(5, shuffle=True, random_state=seed)
    scores = {}
    for name, columns in {"both": first >= 0, "s2": first < 10, "s1": first >= 10}.items():
        guess = cross_val_predict(probe, features[:, columns], labels, groups=cells, cv=folds)
        scores[name] = float(balanced_accuracy_score(labels, guess))
    return scores


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cells", type=int, default=60, help="cells of each land cover")
    parser.add_argument("--patches", type=int, default=4, help="patches of each cell")
    parser.add_argument("--write", action="store_true", help="store the results")
    options = parser.parse_args()
    found = balanced_accuracy(options.seed, options.cells, options.patches)
    for sensors, score in found.items():
        print(f"{sensors:5} {score:.1%} balanced accuracy over {len(LANDCOVER_CODES)} classes")
    if options.write:
        sizes = {"cells_of_a_class": options.cells, "patches_of_a_cell": options.patches}
        store("demo_difficulty", {**sizes, "scores": found})
