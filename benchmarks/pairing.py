"""Time the pairing of two archives as large as those on the hub, compared with pandas.

    python benchmarks/pairing.py [--folder DIR] [--write]

The metadata are synthetic, with the columns and numbers of rows of the hub, repeated rows, missing
values and different CRS; `--folder` keeps them. Each implementation runs in a separate process, so
that its peak memory is measured alone. The time is wall-clock seconds from the two files to the
ordered table, the better of two runs. The last line shows whether the results are equal.
"""

import argparse
import os
import platform
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from minortom.archive.archive import Archive
from minortom.archive.pairing import PairRules, pair_archives
from minortom.grid.bbox import BBox
from minortom.grid.cells import Cells, whole_grid

S2_CELLS, S2_REPEATED = 2_238_689, 7_197
S1_CELLS, S1_REPEATED = 1_458_481, 11_474
ROWS_PER_PART = 500
SOUTHERNMOST_ROW = -990
CELLS_PER_PRODUCT = 100
BOX = "-180,-60,180,85"
RULES = PairRules(max_cloud=50, max_nodata=50, max_dt_days=30, same_crs=True)
KEYS = ["grid_cell", "s2_part", "s2_row", "s1_part", "s1_row"]
RESULTS = Path(__file__).parent / "results"


def make_metadata(folder):
    """Write the metadata of both archives; existing files are kept."""
    rng = np.random.default_rng(0)
    grid = whole_grid()
    grid = grid.take(grid.row >= SOUTHERNMOST_ROW)
    cells = grid.take(np.sort(rng.choice(len(grid), S2_CELLS, replace=False)))
    also = cells.take(np.sort(rng.choice(S2_CELLS, S1_CELLS, replace=False)))
    for name, some, repeated in (("Core-S2L2A", cells, S2_REPEATED),
                                 ("Core-S1RTC", also, S1_REPEATED)):  # fmt: skip
        path = folder / name / "metadata.parquet"
        if not path.is_file():
            (folder / name / "images").mkdir(parents=True)
            pq.write_table(metadata_of(name, some, repeated, rng), path)


def metadata_of(name, cells, repeated, rng):
    """Make the rows of one archive: cells in the order of the grid, some of them twice."""
    which = np.sort(np.append(np.arange(len(cells)), rng.integers(0, len(cells), repeated)))
    cells = cells.take(which)
    n, (lon_deg, lat_deg) = len(cells), cells.centres()
    # One product covers neighbours, and both archives have them at about the same time: S1
    # within a week of S2 for 60 % of the cells.
    block = cells.keys() // CELLS_PER_PRODUCT
    days = np.random.default_rng(1).integers(0, 8 * 365, block.max() + 1)[block]
    if "S1" in name:
        days = days + (np.random.default_rng(2).normal(0, 8, len(days))).astype(int)
    seconds = days * 86_400 + 36_000 + block % 3_600
    times = np.datetime64("2015-07-01", "s") + seconds
    again = np.flatnonzero(np.diff(which, prepend=-1) == 0)
    times[again[::2]] += rng.integers(-30, 30, len(again[::2])) * np.timedelta64(86_400, "s")
    text = np.strings.replace(np.strings.replace(times.astype(str), "-", ""), ":", "")
    epsg = cells.utm_epsg() + np.where(rng.random(n) < (0.02 if "S1" in name else 0), 1, 0)
    head = "S1A_IW_GRDH_1SDV_" if "S1" in name else "S2A_MSIL2A_"
    ids = np.strings.add(np.strings.add(head, text), "_N0400_R007_T33NZA")
    ids[again[::2]] = np.strings.add(ids[again[::2]], "_20230924T183543")
    part, row = np.divmod(np.arange(n), ROWS_PER_PART)
    url = f"https://huggingface.co/datasets/Major-TOM/{name}/resolve/main/images/part_"
    urls = np.array([f"{url}{number + 1:05d}.parquet" for number in range(part[-1] + 1)])
    nodata = np.where(rng.random(n) < 0.9, 0.0, rng.random(n).round(4))
    own = (
        {"orbit_state": pa.array(np.where(rng.random(n) < 0.5, "ascending", "descending"))}
        if "S1" in name
        else {"cloud_cover": pa.array((rng.random(n) ** 4 * 100).round(6), mask=lost(rng, n))}
    )
    return pa.table({
        "grid_cell": cells.names(), "grid_row_u": cells.row, "grid_col_r": cells.col,
        "product_id": ids, "timestamp": pa.array(text, mask=lost(rng, n)), **own,
        "nodata": pa.array(nodata, mask=lost(rng, n)), "centre_lat": lat_deg,
        "centre_lon": lon_deg, "crs": np.strings.add("EPSG:", epsg.astype(str)),
        "parquet_url": urls[part], "parquet_row": row,
    })  # fmt: skip


def lost(rng, n):
    """Draw which values are missing."""
    return rng.random(n) < 0.01


def with_minortom(folder):
    """Pair with minortom, with rules of every kind."""
    box = BBox.parse(BOX)
    found = pair_archives(
        Archive.open(folder / "Core-S2L2A", "s2"), Archive.open(folder / "Core-S1RTC", "s1"),
        RULES, places=[("bbox", lambda cells: box.contains(*cells.centres()))],
    )  # fmt: skip
    print(f"| {found.cells_in:,} cells | {found.removed} |", file=sys.stderr)
    return found.table


def with_pandas(folder):
    """Pair with pandas in the usual way: sort, drop duplicates, merge, sort and drop again."""
    import pandas as pd

    columns = ["grid_cell", "product_id", "timestamp", "nodata", "crs", "parquet_url",
               "parquet_row"]  # fmt: skip
    s2 = pd.read_parquet(
        folder / "Core-S2L2A/metadata.parquet",
        columns=[*columns, "cloud_cover", "grid_row_u", "grid_col_r"],
    )
    s1 = pd.read_parquet(folder / "Core-S1RTC/metadata.parquet", columns=columns)
    for table in (s2, s1):
        table["time"] = pd.to_datetime(table["timestamp"], format="%Y%m%dT%H%M%S", errors="coerce")
        table["part"] = table["parquet_url"].str.rpartition("/")[2]
    box = BBox.parse(BOX)
    cells = Cells(row=s2["grid_row_u"].to_numpy(), col=s2["grid_col_r"].to_numpy())
    s2 = s2[box.contains(*cells.centres())]
    s2 = s2[~(s2["cloud_cover"] > RULES.max_cloud) & ~(s2["nodata"] > RULES.max_nodata / 100)]
    s2 = s2.assign(latest=-s2["time"].astype("int64").where(s2["time"].notna()))
    s2 = s2.sort_values(
        ["nodata", "cloud_cover", "latest", "product_id", "part", "parquet_row"]
    ).drop_duplicates("grid_cell")
    s1 = s1[~(s1["nodata"] > RULES.max_nodata / 100)]
    both = s2.merge(s1, on="grid_cell", suffixes=("_s2", "_s1"))
    days = (both["time_s1"] - both["time_s2"]).dt.total_seconds() / 86_400
    both = both.assign(dt_days=days, apart=days.abs())
    both = both[~(both["apart"] > RULES.max_dt_days)]
    unequal = both["crs_s2"].notna() & both["crs_s1"].notna() & (both["crs_s2"] != both["crs_s1"])
    both = both[~unequal]
    both = both.sort_values(
        ["nodata_s1", "apart", "product_id_s1", "part_s1", "parquet_row_s1"]
    ).drop_duplicates("grid_cell")
    both = both.sort_values(["grid_row_u", "grid_col_r"])
    names = {"part_s2": "s2_part", "parquet_row_s2": "s2_row",
             "part_s1": "s1_part", "parquet_row_s1": "s1_row"}  # fmt: skip
    return pa.Table.from_pandas(both.rename(columns=names)[KEYS], preserve_index=False)


WAYS = {"minortom": with_minortom, "pandas": with_pandas}


def run_one(way, folder, out):
    """Pair in this process; write the result, and print the seconds and the peak memory."""
    started = time.perf_counter()
    table = WAYS[way](folder)
    spent = time.perf_counter() - started
    # Not getrusage: it includes the memory of the parent process.
    status = Path("/proc/self/status").read_text(encoding="ascii")
    peak_gb = int(status.split("VmHWM:")[1].split()[0]) * 1024 / 1e9
    pq.write_table(table.select(KEYS), out)
    print(spent, peak_gb, len(table))


def measured(folder, scratch):
    """Yield the lines of the table."""
    yield f"{platform.platform()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    yield f"\n{S2_CELLS + S2_REPEATED:,} x {S1_CELLS + S1_REPEATED:,} rows\n"
    yield "| way | tiles | seconds | peak GB | load before |\n|---|---|---|---|---|"
    for way in WAYS:
        runs = []
        for _ in range(2):
            load = os.getloadavg()[0]
            command = [sys.executable, __file__, "--run", way, "--folder", folder, "--out"]
            done = subprocess.run(
                [*command, scratch / f"{way}.parquet"], check=True, capture_output=True, text=True
            )
            runs.append((*map(float, done.stdout.split()), load))
        spent, peak_gb, tiles, load = min(runs)
        yield f"| {way} | {tiles:,.0f} | {spent:.1f} | {peak_gb:.2f} | {load:.1f} |"
    ours, theirs = (
        pq.read_table(scratch / f"{way}.parquet").cast(
            pa.schema([(name, pa.int64() if "row" in name else pa.string()) for name in KEYS])
        )
        for way in WAYS
    )
    yield f"\nequal answers: {ours.equals(theirs)}"


def main():
    """Run the benchmark, or one implementation."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, help="folder that keeps the metadata")
    parser.add_argument("--write", action="store_true", help="write the results to a dated file")
    parser.add_argument("--run", choices=list(WAYS), help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.run:
        run_one(options.run, options.folder, options.out)
        return
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.folder or Path(scratch)
        make_metadata(folder)
        lines = []
        for line in measured(folder, Path(scratch)):
            print(line, flush=True)
            lines.append(line)
    if options.write:
        RESULTS.mkdir(exist_ok=True)
        today = datetime.now(UTC).date().isoformat()
        (RESULTS / f"{today}-pairing.md").write_text(
            "\n".join([f"# pairing, {today}\n", *lines, ""]), encoding="utf-8"
        )


if __name__ == "__main__":
    main()
