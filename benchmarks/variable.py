"""Time the values of a continuous raster at all cells, and its means over them.

    python benchmarks/variable.py [--data $MINORTOM_DATA] [--write]

Centres are compared with `sample()` of `rasterio` at every cell, means with `exactextract` at cells
drawn at random and in the rows around the poles. Everything runs in one process; times are CPU
seconds, since other programs may share the machine. The peak memory of the whole command, with and
without a raster, comes last. It takes some 7 minutes. `--write` writes
benchmarks/results/variable.json.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import rasterio
from _results import store
from _stand_in import ERA5, IGBP, KOPPEN, parsed, parser
from exactextract import exact_extract
from exactextract.raster import RasterioRasterSource
from shapely import box

from minortom.grid.cells import merged, whole_grid
from minortom.maps.continuous import ContinuousRaster

BAND = 4
DRAWN, POLAR_ROWS = 5_000, 6


def cpu_s(function):
    """Return the CPU seconds of a call, and its result."""
    started = time.process_time()
    result = function()
    return time.process_time() - started, result


def centres(raster):
    """Compare the values at the centres of all cells with `sample()` of rasterio."""
    grid = whole_grid()
    lon_deg, lat_deg = grid.centres()
    rounds = [cpu_s(lambda: raster.values_at(lon_deg, lat_deg)) for _ in range(3)]
    seconds, found = min(rounds, key=lambda entry: entry[0])
    with rasterio.open(raster.path) as source:
        # rasterio does not go around the globe.
        lon = np.where(lon_deg >= source.bounds.right, lon_deg - 360, lon_deg)
        points = list(zip(lon.tolist(), lat_deg.tolist(), strict=True))
        sample_s, values = cpu_s(
            lambda: np.fromiter((v[0] for v in source.sample(points, BAND)), float, len(points))
        )
    return {
        "cells": len(grid), "seconds": seconds, "sample_s": sample_s,
        "differing": int((found != values).sum()),
    }  # fmt: skip


def means(raster):
    """Compare the means of cells with those of exactextract, by the covered part of each pixel."""
    grid = whole_grid(extent_deg=90)
    seconds, found = cpu_s(lambda: raster.means_in(grid))
    rng = np.random.default_rng(0)
    polar = grid.take(np.abs(grid.row + 0.5) > 1002 - POLAR_ROWS)
    cells = merged([grid.take(rng.choice(len(grid), DRAWN, replace=False)), polar])
    with rasterio.open(raster.path) as source:
        right, values = source.bounds.right, source.read(BAND).astype(float)
    cells = cells.take(cells.bounds_deg()[2] < right)
    features = [
        {"type": "Feature", "properties": {"i": i}, "geometry": polygon.__geo_interface__}
        for i, polygon in enumerate(box(*cells.bounds_deg()))
    ]
    other = RasterioRasterSource(str(raster.path), BAND)
    other_s, answers = cpu_s(
        lambda: exact_extract(other, features, ["mean"], include_cols=["i"], output="pandas")
    )
    expected = answers.sort_values("i")["mean"].to_numpy(float)
    ours = found[np.searchsorted(grid.keys(), cells.keys())]
    return {
        "cells": len(grid), "seconds": seconds, "compared": len(cells),
        "exactextract_s": other_s * len(grid) / len(cells),
        "largest_difference": float(np.abs(ours - expected).max() / np.ptp(values)),
    }  # fmt: skip


def memory(data, folder):
    """Return the peak memory (MiB) of annotating the whole grid, without and with a raster."""
    koppen, igbp, era5 = (data / "descriptors" / name for name in (KOPPEN, IGBP, ERA5))
    command = [
        Path(sys.executable).parent / "minortom", "annotate", "grid", "--climate", koppen,
        "--landcover", igbp, "--landcover-legend", "igbp", "--keep-unmapped", "--workers", "1",
        "--overwrite", "--out", Path(folder) / "annotated.parquet",
    ]  # fmt: skip
    raster = ["--variable", f"rain={era5}:{BAND}", "--bins", "rain=quantiles:5"]
    found = {}
    for name, more in (
        ("maps", []), ("center", raster), ("mean", [*raster, "--variable-mode", "mean"])
    ):  # fmt: skip
        process = subprocess.Popen(
            [str(word) for word in (*command, *more)], stdout=subprocess.DEVNULL
        )
        _, status, usage = os.wait4(process.pid, 0)
        assert status == 0, name
        found[name] = usage.ru_maxrss / 1024
    return found


def main():
    """Run the benchmark."""
    options = parsed(parser(__doc__))
    raster = ContinuousRaster(path=options.data / "descriptors" / ERA5, band=BAND)
    few = whole_grid().take(np.arange(3))
    raster.means_in(few)  # compiles
    found = {"centres": centres(raster), "means": means(raster)}
    with tempfile.TemporaryDirectory() as folder:
        found["memory_mib"] = memory(options.data, folder)
    print(found)
    assert found["centres"]["differing"] == 0
    assert found["centres"]["sample_s"] >= 20 * found["centres"]["seconds"]
    assert found["means"]["largest_difference"] < 1e-4
    if options.write:
        store("variable", found)


if __name__ == "__main__":
    main()
