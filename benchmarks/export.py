"""Time `minortom export` of full tiles, compared with a minimal program.

    python benchmarks/export.py [--tiles 100] [--rounds 5] [--folder DIR]

The tiles are the two real Sentinel-2 tiles in MINORTOM_DATA, in turn and under many names, or a
synthetic tile without MINORTOM_DATA. Sentinel-1 is synthetic, with speckle. The minimal ("plain")
program decodes the same GeoTIFFs with rasterio in two processes, writes as many bytes as the
export and hashes them once. The two run in turns; the medians are shown. Memory is the sum over
all processes (PSS). 100 tiles take some 4 GB of disk.
"""

import argparse
import hashlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import rasterio

from minortom.sensors import MODEL_BANDS
from minortom.synthetic.maps import LANDCOVER_CODES
from minortom.synthetic.scene import Scene
from minortom.synthetic.tiles import make_tile

MARGIN_PX, BLOCK_PX, ROWS_PER_PART = 54, 960, 10


def plain_part(paths):
    """Decode all bands of a pair of parts; write as many bytes as an export, and hash them."""
    digest, (s2, s1, out) = hashlib.sha256(), paths
    with out.open("wb") as stream:
        for path, sensor in ((s2, "s2"), (s1, "s1")):
            file = pq.ParquetFile(path)
            for row in range(file.num_row_groups):
                table = file.read_row_group(row, columns=list(MODEL_BANDS[sensor]))
                for column in table.columns:
                    with rasterio.MemoryFile(column[0].as_py()) as memory, memory.open() as band:
                        pixels = band.read(1)
                    side = len(pixels)
                    first, count = MARGIN_PX * side // 1068, BLOCK_PX * side // 1068
                    kept = pixels[first : first + count, first : first + count]
                    data = kept.astype(np.uint16 if sensor == "s2" else np.int16).tobytes()
                    digest.update(data)
                    stream.write(data)
    return digest.hexdigest()


def plain(folder, out):
    """Run the minimal program in two processes."""
    out.mkdir()
    parts = sorted((folder / "s2" / "images").iterdir())
    work = [(part, folder / "s1" / "images" / part.name, out / part.name) for part in parts]
    with ProcessPoolExecutor(2) as pool:
        list(pool.map(plain_part, work))


def templates():
    """Return rows of Sentinel-2 images to repeat, and the grid of their first band."""
    data = os.environ.get("MINORTOM_DATA")
    columns = ["product_id", *MODEL_BANDS["s2"]]
    if data:
        path = Path(data) / "majortom-sample" / "Core-S2L2A" / "images" / "part_00001.parquet"
        return pq.ParquetFile(path).read_row_groups([0, 1], columns=columns).to_pylist()
    scene = Scene(seed=0, cell="487U_300R", climate_code=15, landcover_code=LANDCOVER_CODES[3])
    return [{name: make_tile(scene).s2[name] for name in columns}]


def speckled(like, rng):
    """Make both polarisations of Sentinel-1 with four looks on the grid of a band."""
    with rasterio.MemoryFile(like) as memory, memory.open() as band:
        profile = band.profile | {"dtype": "float32", "nodata": -32768.0, "compress": "deflate"}
    images = {}
    for name, power in (("vv", 0.08), ("vh", 0.02)):
        pixels = rng.gamma(4.4, power / 4.4, (profile["height"], profile["width"]))
        with rasterio.MemoryFile() as memory:
            with memory.open(**profile) as file:
                file.write(pixels.astype(np.float32), 1)
            images[name] = bytes(memory.read())
    return images


def write_archives(folder, tiles):
    """Write both products and a selection of all cells."""
    rows, rng = templates(), np.random.default_rng(0)
    radar = [speckled(row["B02"], rng) for row in rows]
    for name in ("s2", "s1"):
        (folder / name / "images").mkdir(parents=True)
    metadata = {"s2": [], "s1": []}
    for first in range(0, tiles, ROWS_PER_PART):
        part, images = f"part_{first // ROWS_PER_PART:05d}.parquet", {"s2": [], "s1": []}
        for number in range(first, min(first + ROWS_PER_PART, tiles)):
            cell, kind = f"{number % 800}U_{number // 800}R", number % len(rows)
            for name, bands in (("s2", rows[kind]), ("s1", radar[kind])):
                product = bands.get("product_id", "S1A_IW_RTC")
                images[name].append({"grid_cell": cell, **bands, "product_id": product})
                metadata[name].append(
                    {"grid_cell": cell, "product_id": product, "timestamp": "20220706T085611",
                     "nodata": 0.0, "cloud_cover": 0.0, "crs": "EPSG:32631",
                     "parquet_url": f"x/{part}", "parquet_row": number - first}
                )  # fmt: skip
        for name, table in images.items():
            path = folder / name / "images" / part
            pq.write_table(pa.Table.from_pylist(table), path, row_group_size=1, compression="none")
    for name, table in metadata.items():
        pq.write_table(pa.Table.from_pylist(table), folder / name / "metadata.parquet")
    cells = [row["grid_cell"] for row in metadata["s2"]]
    chosen = {"grid_cell": cells} | {
        name: [value] * tiles
        for name, value in {"climate": "Cfb", "landcover": "cropland", "stratum": "Cfb/cropland",
                            "role": "selected"}.items()
    }  # fmt: skip
    pq.write_table(pa.table(chosen), folder / "selection.parquet")


def tree_bytes(root):
    """Sum the memory of a process and its descendants; shared pages are divided among them."""
    parents, total = {}, 0
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            parents[int(entry.name)] = int(
                (entry / "stat").read_text().rsplit(")", 1)[1].split()[1]
            )
        except OSError:
            continue
    for pid in parents:
        above = pid
        while above not in (root, 0, 1):
            above = parents.get(above, 0)
        if above == root:
            try:
                lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
                total += next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
            except (OSError, StopIteration):
                continue
    return total * 1024


def timed(command):
    """Run a command; return its seconds and its peak memory."""
    started, peak, done = time.perf_counter(), [0], threading.Event()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def watch():
        while not done.wait(0.25):
            peak[0] = max(peak[0], tree_bytes(process.pid))

    watcher = threading.Thread(target=watch)
    watcher.start()
    out, error = process.communicate()
    seconds = time.perf_counter() - started
    done.set()
    watcher.join()
    assert process.returncode == 0, error
    return seconds, peak[0], out


def main():
    """Print the medians."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tiles", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--folder", type=Path, help="folder for the files; a temporary folder by default"
    )
    parser.add_argument("--plain", nargs=2, type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.plain:
        plain(*options.plain)
        return
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        folder, out = Path(name), Path(name) / "out"
        write_archives(folder, options.tiles)
        command = "from minortom_cli.main import main; main()"
        archives = ["--s2", folder / "s2", "--s1", folder / "s1", "--out", out, "--json"]
        commands = {
            "plain": [sys.executable, __file__, "--plain", folder, out],
            "export": [sys.executable, "-c", command, "export", folder / "selection.parquet",
                       *archives],
        }  # fmt: skip
        seconds, peaks = {"plain": [], "export": []}, {"plain": 0, "export": 0}
        for _ in range(options.rounds):
            for name_, command in commands.items():
                shutil.rmtree(out, ignore_errors=True)
                took, peak, printed = timed([str(word) for word in command])
                seconds[name_].append(took)
                peaks[name_] = max(peaks[name_], peak)
        patches = json.loads(printed)["patches"]
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    for name, median in medians.items():
        print(f"{name:7} {median:6.1f} s, {peaks[name] / 1e9:.2f} GB of memory")
    ratio = medians["export"] / medians["plain"]
    print(f"export of {options.tiles} tiles, {patches:,} patches: {ratio:.2f} x the plain program")


if __name__ == "__main__":
    main()
