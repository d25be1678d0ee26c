"""Time the grid and the annotation of all its cells, beside what a user would do instead.

    python benchmarks/annotate.py [--data $MINORTOM_DATA] [--rounds 3]

Look-ups stand beside `rasterio`'s `sample()`, which is timed on a part of the centres and
scaled up. The best of the rounds is shown: wall-clock seconds, and the peak of memory at the end.
"""

import argparse
import os
import platform
import resource
import tempfile
import time
from pathlib import Path

import numpy as np
import rasterio

from minortom.annotate import annotate_file
from minortom.annotate_options import AnnotateOptions, Maps, Sources
from minortom.bbox import BBox
from minortom.descriptors import Descriptor
from minortom.grid import cells_at, cells_from_names, whole_grid
from minortom.map_choice import MapChoice

SAMPLED = 100_000


def best_s(function, rounds):
    """Give the shortest of a few runs, seconds, and what the last one gave."""
    times = []
    for _ in range(rounds):
        started = time.perf_counter()
        result = function()
        times.append(time.perf_counter() - started)
    return min(times), result


def show(what, seconds):
    """Print one row."""
    print(f"{what:<58} {seconds:8.3f} s")


def bench_grid(rounds):
    """Time building, naming, reading names and finding points."""
    seconds, grid = best_s(whole_grid, rounds)
    show(f"whole grid, {len(grid):,} cells", seconds)
    seconds, names = best_s(grid.names, rounds)
    show("their names", seconds)
    show("cells from these names", best_s(lambda: cells_from_names(names), rounds)[0])
    rng = np.random.default_rng(0)
    points = rng.uniform(-180, 180, 200_000), rng.uniform(-85, 85, 200_000)
    show("cells of 200,000 points", best_s(lambda: cells_at(*points), rounds)[0])
    return grid


def bench_look_ups(grid, path, legend, rounds):
    """Time one map at the centres of all cells, and rasterio's own sampling."""
    lon_deg, lat_deg = grid.centres()
    descriptor = Descriptor.of(path, legend=legend)
    ours_s, _ = best_s(lambda: descriptor.codes_at(lon_deg, lat_deg), rounds)
    show(f"look-ups in {path.name[:40]}", ours_s)
    part = np.arange(0, len(grid), len(grid) // SAMPLED)
    with rasterio.open(path) as source:
        points = list(zip(lon_deg[part], lat_deg[part], strict=True))
        sample_s, _ = best_s(lambda: list(source.sample(points)), rounds)
    scaled_s = sample_s * len(grid) / len(part)
    show(f"  rasterio sample(), scaled from {len(part):,} ({scaled_s / ours_s:.0f} x)", scaled_s)


def bench_command(maps, rounds):
    """Time the whole of `minortom annotate grid`, hashing and writing included."""
    sources, (climate, landcover) = Sources(cells=["grid"]), map(str, maps)
    choices = Maps(
        climate=MapChoice(map=climate), landcover=MapChoice(map=landcover, legend="igbp")
    )
    for what, bbox in (("grid", None), ("grid --bbox -180,-60,180,85", "-180,-60,180,85")):
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder) / "annotated.parquet"

            def run(out=out, bbox=bbox):
                out.unlink(missing_ok=True)
                box = BBox.parse(bbox) if bbox else None
                return annotate_file(sources, choices, out, options=AnnotateOptions(bbox=box))

            seconds, summary = best_s(run, rounds)
        show(f"annotate {what}: {summary['tiles']:,} tiles", seconds)


def main():
    """Run all of it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=os.environ.get("MINORTOM_DATA"))
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    if options.data is None:
        parser.error("give --data, the folder of the real files, or set MINORTOM_DATA")
    koppen = options.data / "descriptors" / "koppen_geiger_0p1.tif"
    igbp = options.data / "descriptors" / "MCD12C1_2019_v006_igbp_0p05_epsg4326.tif"

    print(f"{platform.platform()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    grid = bench_grid(options.rounds)
    bench_look_ups(grid, koppen, "koppen", options.rounds)
    bench_look_ups(grid, igbp, "igbp", options.rounds)
    bench_command((koppen, igbp), options.rounds)
    peak_gb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
    print(f"peak memory {peak_gb:.2f} GB")


if __name__ == "__main__":
    main()
