"""Measure what labels, centres, intervals and a second LayerNorm mean, on real files.

    python benchmarks/meanings.py [--data $MINORTOM_DATA] [--write]

It takes some minutes and trains nothing; the cosines need the models of `_planet_models.py`. It
writes benchmarks/results/meanings.json.

Axes, as name suffixes:
    n  cells or patches    D  width of a vector
"""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from _planet_models import pretrained
from _pruning_quality import BLOCK_KM, HEADLINE, SENSORS, Patches
from _results import store
from _stand_in import IGBP, KOPPEN, parsed, parser

from csmoe_model.csmoe import CSMoE
from csmoe_model.evaluation.bootstrap import Bootstrap, interval
from minortom.dataset.patch_classes import PatchSquares, count_in_patches
from minortom.downloads.open_map import MapChoice, open_map
from minortom.grid.cells import cells_from_names, whole_grid
from minortom.grid.footprints import tile_bounds_m
from minortom.grid.spatial_split import block_ids
from minortom.grid.sphere import EARTH_RADIUS_KM, unit_vectors
from minortom.progress import ignore_progress

TILE = "ESA_WorldCover_10m_2021_v200_N00E006_Map.tif"
TREES = 10
PATCH_PX, MARGIN_PX, SIDE = 120, 54, 8
EUROPE = (-11.0, 36.0, 31.0, 70.0)
SEEDS = (0, 1, 2)


def squares_of(cells, *, patch_px, margin_px, side):
    """Return the patches of the tiles of cells, `side` x `side` in each, tile by tile."""
    left, _, _, top = tile_bounds_m(cells).T
    offset_m = 10.0 * (margin_px + patch_px * np.arange(side))
    row, col = (index.ravel() for index in np.indices((side, side)))
    return PatchSquares(
        patch_px=patch_px, epsg=np.repeat(cells.utm_epsg(), side**2),
        ulx_m=(left[:, None] + offset_m[col]).ravel(),
        uly_m=(top[:, None] - offset_m[row]).ravel(),
    )  # fmt: skip


def patch_labels(data):
    """Return how many patches of cells with trees at their centre are mostly trees."""
    trees = open_map(MapChoice(map=str(data / "descriptors" / TILE)), default_legend="worldcover")
    cells = whole_grid()
    lon, lat = cells.centres()
    cells = cells.take((lon > 6) & (lon < 9) & (lat > 0) & (lat < 3))
    cells = cells.take(trees.codes_at(*cells.centres()) == TREES)
    squares = squares_of(cells, patch_px=PATCH_PX, margin_px=MARGIN_PX, side=SIDE)
    with ThreadPoolExecutor(1) as executor:
        found = count_in_patches(trees, squares, executor=executor, on_progress=ignore_progress)
    mostly = trees.classes.codes[found.counts.argmax(1)] == TREES
    of_cell = mostly.reshape(len(cells), -1).mean(1)
    return {
        "cells": len(cells), "patches": len(mostly), "mostly_trees": int(mostly.sum()),
        "share_of_cells": [float(of_cell.min()), float(of_cell.max())],
    }  # fmt: skip


def real_cells(data):
    """Return the cells of the real list, and the maps of climate and land cover."""
    names = (data / "cells" / "cop-gen-hold-out.txt").read_text().split()
    maps = [
        open_map(MapChoice(map=str(data / "descriptors" / name), legend=legend), default_legend="")
        for name, legend in ((KOPPEN, "koppen"), (IGBP, "igbp"))
    ]
    return cells_from_names(np.array(names)), maps


def codes(maps, lonlat_deg):
    """Return the codes [n, 2] of climate and land cover at points."""
    return np.stack([one.codes_at(*lonlat_deg) for one in maps], axis=1)


def centres(data):
    """Return the distance of the centres of cells and tiles, and how many strata differ."""
    cells, maps = real_cells(data)
    tiles = squares_of(cells, patch_px=1068, margin_px=0, side=1).points_deg([533.5])
    tiles = tuple(degrees[:, 0] for degrees in tiles)
    apart = np.linalg.norm(unit_vectors(*cells.centres()) - unit_vectors(*tiles), axis=1)
    apart_m = 1000 * EARTH_RADIUS_KM * apart
    own, of_tiles = codes(maps, cells.centres()), codes(maps, tiles)
    known = (own > 0).all(1) & (of_tiles > 0).all(1)
    return {
        "cells": len(cells), "median_m": float(np.median(apart_m)),
        "percentile_95_m": float(np.percentile(apart_m, 95)),
        "mapped": int(known.sum()),
        "differing": float((own != of_tiles)[known].any(1).mean()),
    }  # fmt: skip


def intervals(data):
    """Return an accuracy with its intervals over cells and over blocks, for two sets of cells.

    The land cover of a cell is predicted as the most frequent one of its climate zone.
    """
    cells, maps = real_cells(data)
    lonlat = np.stack(cells.centres(), axis=1)
    climate, landcover = codes(maps, tuple(lonlat.T)).T
    known = (climate > 0) & (landcover > 0)
    lonlat, climate, landcover = lonlat[known], climate[known], landcover[known]
    west, south, east, north = EUROPE
    inside = (
        (lonlat[:, 0] > west) & (lonlat[:, 0] < east)
        & (lonlat[:, 1] > south) & (lonlat[:, 1] < north)
    )  # fmt: skip
    whole = np.random.default_rng(0).permutation(len(lonlat))[:10_000]
    chosen = {"Europe": np.flatnonzero(inside), "globe": whole}
    return {
        name: _intervals(lonlat[rows], climate[rows], landcover[rows])
        for name, rows in chosen.items()
    }


def _intervals(lonlat, climate, landcover):
    guess = _most_frequent(climate, landcover)
    right = (guess[climate] == landcover).astype(np.float64)
    block = block_ids(unit_vectors(*lonlat.T), BLOCK_KM)
    found = {"cells": len(right), "blocks": len(np.unique(block)), "accuracy": float(right.mean())}
    for name, groups in (("over_cells", None), ("over_blocks", block)):
        draws = Bootstrap.over(len(right), groups, seed=0).draws_of(
            [lambda weight_n: {HEADLINE: float(np.average(right, weights=weight_n))}]
        )
        one = interval(found["accuracy"], draws[HEADLINE])
        found[name] = [one.low, one.high]
    return found


def _most_frequent(climate, landcover):
    counts = np.zeros((climate.max() + 1, landcover.max() + 1), np.int64)
    np.add.at(counts, (climate, landcover), 1)
    return counts.argmax(1)


def second_norm():
    """Return the cosines between the input and the output of the projector's LayerNorm."""
    patches = Patches()
    patches.numbers = patches.numbers[patches.split == "test"]
    cosines = []
    for seed in SEEDS:
        model = CSMoE.from_pretrained(pretrained(f"seed-{seed}"))
        for sensor in SENSORS:
            vector_nD = torch.from_numpy(patches.vectors(model, sensor))
            with torch.inference_mode():
                normal_nD = model.projector[0](vector_nD)
            cosine_n = torch.nn.functional.cosine_similarity(vector_nD, normal_nD)
            cosines.append(float(cosine_n.mean()))
    return {"models": len(SEEDS), "patches": len(patches.numbers), "cosines": cosines}


def main():
    """Measure everything and write the results."""
    options = parsed(parser(__doc__))
    found = {
        "patch_labels": patch_labels(options.data), "centres": centres(options.data),
        "intervals": intervals(options.data), "second_norm": second_norm(),
    }  # fmt: skip
    print(found)
    if options.write:
        store("meanings", found)


if __name__ == "__main__":
    main()
