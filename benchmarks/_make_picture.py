"""Draw the picture of README: one stratum, and 100 of its tiles chosen at random and by minortom.

    MINORTOM_DATA=… minortom quickstart --out quickstart
    python benchmarks/_make_picture.py quickstart

Writes docs/images/selection.png.
"""

import sys
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
from matplotlib.figure import Figure
from scipy.spatial import cKDTree

from minortom.grid.sphere import km_of_chord, unit_vectors
from minortom.plotting.density_map import draw_background

OUT = Path(__file__).parent.parent / "docs" / "images" / "selection.png"
STRATUM, PLACE = "Cfb/cropland", "cropland in a temperate oceanic climate"
DRAWS = 20
WINDOW = (-11.0, 31.0, 35.5, 60.5)
"""West, east, south, north in degrees: most of the stratum lies in Europe."""


def places(path):
    """Return the longitudes and latitudes [n, 2] of the tiles of the stratum."""
    rows = pq.read_table(path, columns=["stratum", "lon", "lat"])
    rows = rows.filter(pc.equal(rows["stratum"], STRATUM))
    return np.stack([rows["lon"].to_numpy(), rows["lat"].to_numpy()], axis=1)


def gap_km(all_n2, chosen_m2):
    """Return the mean distance from a tile of the stratum to the nearest chosen one."""
    chosen, every = (unit_vectors(*points.T) for points in (chosen_m2, all_n2))
    return float(np.mean(km_of_chord(cKDTree(chosen).query(every)[0])))


def draw(every, panels):
    """Draw one map for each way to choose."""
    figure = Figure(figsize=(11, 5.7), dpi=150)
    figure.set_layout_engine("constrained", h_pad=0.12)  # inches between the titles
    for ax, (title, chosen) in zip(figure.subplots(1, len(panels)), panels.items(), strict=True):
        draw_background(ax, land=True)
        ax.plot(*every.T, ".", color="#a9a9a9", ms=3, label=f"all {len(every):,} tiles")
        ax.plot(
            *chosen.T, "o", color="#c4161c", mec="white", mew=0.6, ms=7,
            label=f"{len(chosen)} chosen tiles",
        )  # fmt: skip
        ax.set(xlim=WINDOW[:2], ylim=WINDOW[2:], xticks=[], yticks=[], aspect=1.5)
        ax.set_title(title)
        ax.legend(loc="upper left", framealpha=1, fontsize=9)
    figure.suptitle(f"One of 179 strata: {PLACE} (the part in Europe)", weight="bold")
    return figure


def main():
    """Write the picture from the outputs of the quickstart on real files."""
    folder = Path(sys.argv[1])
    every, chosen = places(folder / "annotated.parquet"), places(folder / "selection.parquet")
    rng = np.random.default_rng(0)
    draws = [rng.choice(every, len(chosen), replace=False) for _ in range(DRAWS)]
    gap = np.mean([gap_km(every, drawn) for drawn in draws])
    told = "from a tile to the nearest chosen one"
    draw(every, {
        f"At random: {gap:.0f} km {told},\nmean of {DRAWS} draws": draws[0],
        f"By minortom: {gap_km(every, chosen):.0f} km {told}\n": chosen,
    }).savefig(OUT)  # fmt: skip


if __name__ == "__main__":
    main()
