"""Take the picture of docs/report.md: the map of a report with ticked classes and a tile's details.

    MINORTOM_DATA=… minortom quickstart --out quickstart
    python benchmarks/_make_report_map.py quickstart/report/report.html

Opens the page in a headless Chromium without network, and writes docs/images/report-map.png.
"""

import io
import json
import sys
import tempfile
import time
from pathlib import Path

sys.path.append(str(Path(__file__).parent.parent / "tests" / "support"))

from chromium import find_chromium, opened_browser
from page_checks import TEXT_WITH_SHADOWS
from PIL import Image

OUT = Path(__file__).parent.parent / "docs" / "images" / "report-map.png"
TICKED = ("tree cover", "shrubland", "grassland", "cropland", "bare sparse vegetation")
CELL = "4D_676L"
"""Cell of the tile under the mouse: tree cover in the rain forest of the Amazon."""
WAIT_S = 300
SETTLED_S = 3
"""Time in which the map is laid out, and the details of a tile fade in."""

READY = "document.querySelector('#map-section[data-ready]')"
TICK = """[...document.querySelectorAll("fieldset[data-filter='land cover'] label:not(.key)")]
    .filter((one) => NAMES.some((name) => one.innerText.trim().startsWith(name + " ")))
    .map((one) => one.click()).length"""
PLACE = """(() => {
    document.getElementById("map-section").scrollIntoView();
    const plot = Bokeh.index.roots[0];
    const { cell, lon, lat } = Bokeh.documents[0].get_model_by_name("tiles").data;
    const row = [...cell].indexOf(CELL), r = plot.canvas_view.el.getBoundingClientRect();
    return [r.x + plot.frame.x_scale.compute(lon[row]), r.y + plot.frame.y_scale.compute(lat[row])];
})()"""
EDGES = """["map", "map-filters"].map((id) => document.getElementById(id).getBoundingClientRect())
    .map((r) => [r.top, r.bottom])"""
MARGIN_PX = 12


def picture_of(report, profile):
    """Return the picture of the map of a report."""
    with opened_browser(find_chromium(), profile) as page:
        page.open(report, ready="document.body")
        page.wait(READY, seconds=WAIT_S)
        assert page.run(TICK.replace("NAMES", json.dumps(TICKED))) == len(TICKED)
        time.sleep(SETTLED_S)
        x, y = page.run(PLACE.replace("CELL", json.dumps(CELL)))
        page.mouse("mouseMoved", x - 3, y)
        page.mouse("mouseMoved", x, y)
        page.wait(f"{TEXT_WITH_SHADOWS}.includes({json.dumps(CELL)})", seconds=WAIT_S)
        time.sleep(SETTLED_S)
        (top, _), (_, bottom) = page.run(EDGES)
        # Of the window: a picture of an area of the page hides the details of the tile.
        window = Image.open(io.BytesIO(page.picture()))
        return window.crop((0, round(top), window.width, round(bottom) + MARGIN_PX))


def main():
    """Write the picture."""
    with tempfile.TemporaryDirectory() as profile:
        picture_of(sys.argv[1], profile).save(OUT, optimize=True)


if __name__ == "__main__":
    main()
