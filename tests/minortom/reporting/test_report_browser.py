"""The map of the report in a real browser without network: drawn, moved, hovered and filtered."""

import io
import json

import numpy as np
import pyarrow as pa
import pytest
from page_checks import TEXT_WITH_SHADOWS, check_in_all_modes
from points_files import write_points
from report_inputs import CLIMATES, LANDCOVERS, annotated_table, report_of

from minortom.io.provenance import Provenance

pytest_plugins = ("browser_fixtures",)

READY = "document.querySelector('#map-section[data-ready]')"
COUNT = "document.getElementById('map-count').textContent"
PLOT = "Bokeh.documents[0].get_model_by_name('plot')"
TILES, RESERVES = 20_000, 300
EVIL = '<img src=x onerror="window.hacked = 1">$$x$$'


def made_report(folder, table, **columns):
    """Report a selection of all rows of a table but the last."""
    selection = table.slice(0, len(table) - 1)
    for name, values in columns.items():
        selection = selection.append_column(name, pa.array(values))
    for what, some in (("annotated", table), ("selection", selection)):
        write_points(some, folder / f"{what}.parquet", Provenance(command=what, options={}))
    report_of(
        folder / "selection.parquet", folder / "annotated.parquet", folder / "report", draws=1
    )
    return folder / "report" / "report.html"


@pytest.fixture(scope="module")
def tiles():
    some = annotated_table(TILES + RESERVES + 200, seed=3)
    _, first = np.unique(some["grid_cell"].to_numpy(), return_index=True)  # some share a cell
    table = some.take(np.sort(first)[: TILES + RESERVES + 1])
    rng = np.random.default_rng(0)
    return table, {
        "role": ["selected"] * TILES + ["reserve"] * RESERVES,
        "split": rng.choice(["val", "train", None], TILES + RESERVES).tolist(),
    }


@pytest.fixture(scope="module")
def large_file(tiles, tmp_path_factory):
    table, columns = tiles
    return made_report(tmp_path_factory.mktemp("large"), table, **columns)


@pytest.fixture
def large(browser, large_file):
    """A page with 20,000 tiles and some reserves, as a reader has just opened it."""
    browser.open(large_file, ready=READY)
    return browser


def pixels_of_map(page):
    """Return the colours of the map's part of the window: [height, width, 3], 0 to 255."""
    import matplotlib.image

    area = page.run(
        "(() => { const r = document.getElementById('map').getBoundingClientRect();"
        "return {x: r.x, y: r.y + scrollY, width: r.width, height: r.height}; })()"
    )
    picture = matplotlib.image.imread(io.BytesIO(page.picture(area)))
    return np.round(picture[..., :3] * 255).astype(np.int64)


def coloured(pixels):
    """Mark pixels that are neither white nor grey, as only tiles are."""
    return pixels.max(axis=2) - pixels.min(axis=2) > 60


def settled(page):
    """Wait until two frames are drawn."""
    page.run("new Promise(d => requestAnimationFrame(() => requestAnimationFrame(() => d(1))))")


def numbers(page, of):
    """Return the number of each class of a filter, and whether it is ticked."""
    return page.run(
        f"[...document.querySelectorAll('fieldset[data-filter=\"{of}\"] label:not(.key)')].map("
        "(one) => [Number(one.querySelector('small').textContent.replaceAll(',', '')),"
        "one.querySelector('input').checked])"
    )


def check_numbers(page):
    """Check that the classes of each filter count the tiles that are shown."""
    shown = int(page.run(COUNT).replace(",", ""))
    for name in ("land cover", "climate", "split", "role"):
        classes = numbers(page, name)
        ticked = [number for number, is_ticked in classes if is_ticked]
        assert sum(ticked or [number for number, _ in classes]) == shown, name


def tick(page, of, name):
    """Click the box of a class, as a reader does; gives the milliseconds until it is drawn."""
    return page.run(
        "(async () => {"
        f"const boxes = [...document.querySelectorAll('fieldset[data-filter=\"{of}\"] label')];"
        f"const box = boxes.find((one) => one.textContent.trim().startsWith({json.dumps(name)}));"
        "const before = performance.now(); box.click();"
        "await new Promise(d => requestAnimationFrame(() => requestAnimationFrame(d)));"
        "return performance.now() - before; })()"
    )


def test_the_map_is_drawn_without_any_request(large):
    settled(large)
    share = coloured(pixels_of_map(large)).mean()

    assert share > 0.1
    assert len(large.requests) == 1  # the file itself
    assert large.requests[0].startswith("file://")
    assert large.errors == []


def test_reserves_are_hidden_at_first(large):
    assert large.run(COUNT) == "20,000"
    assert "Showing 20,000 of 20,300 tiles" in large.run("document.body.innerText")
    check_numbers(large)
    assert numbers(large, "role") == [[TILES, True], [RESERVES, False]]


def test_ticked_classes_change_the_count_and_the_picture(large, tiles):
    table, columns = tiles
    climate, landcover = (np.array(table[name].to_pylist()) for name in ("climate", "landcover"))
    split = np.array(columns["split"], object)
    before = coloured(pixels_of_map(large)).sum()

    tick(large, "climate", "Dfc")
    dfc = climate[:TILES] == "Dfc"
    assert large.run(COUNT) == f"{dfc.sum():,}"
    tick(large, "land cover", "bare sparse")
    bare = dfc & (landcover[:TILES] == "bare_sparse_vegetation")
    assert large.run(COUNT) == f"{bare.sum():,}"
    tick(large, "split", "val")
    assert large.run(COUNT) == f"{(bare & (split[:TILES] == 'val')).sum():,}"
    settled(large)
    assert 0 < coloured(pixels_of_map(large)).sum() < before / 2
    tick(large, "climate", "BWh")  # of one filter any, of several all
    any_of = (dfc | (climate[:TILES] == "BWh")) & (landcover[:TILES] == "bare_sparse_vegetation")
    assert large.run(COUNT) == f"{(any_of & (split[:TILES] == 'val')).sum():,}"
    check_numbers(large)
    trees = (landcover[:TILES] == "tree_cover") & (dfc | (climate[:TILES] == "BWh"))
    trees &= split[:TILES] == "val"
    names = large.run(
        "[...document.querySelectorAll('fieldset[data-filter=\"land cover\"] label:not(.key)')]"
        ".map((one) => one.innerText.trim())"
    )
    assert f"tree cover {trees.sum():,}" in names  # not ticked: the number it would add
    large.run("document.getElementById('map-all').click()")
    assert large.run(COUNT) == "20,300"
    check_numbers(large)


def test_twenty_thousand_tiles_are_filtered_at_once(large):
    spent_ms = [tick(large, "climate", "BWh") for _ in range(4)]  # on, off, on, off

    assert min(spent_ms) < 1000  # the least of some: other work may hold up the browser


def test_another_key_colours_the_tiles(large):
    before = pixels_of_map(large)
    large.run("document.querySelector('fieldset[data-filter=climate] input[type=radio]').click()")
    settled(large)

    assert (pixels_of_map(large) != before).any(axis=2).mean() > 0.05
    assert large.run("Bokeh.documents[0].get_model_by_name('colours').palette.length") == 3
    assert large.errors == []


def middle_of_map(page):
    """Scroll to the map and return its middle in the window."""
    return page.run(
        "(() => { const map = document.getElementById('map'); map.scrollIntoView();"
        "const r = map.getBoundingClientRect();"
        "return [r.x + r.width / 2, r.y + r.height / 2]; })()"
    )


def test_the_wheel_scrolls_the_page_until_a_click_on_the_map_and_after_leaving_it(large):
    width = f"{PLOT}.x_range.end - {PLOT}.x_range.start"
    before, middle = large.run(width), middle_of_map(large)
    place = large.run("scrollY")

    def scroll():
        large.mouse("mouseMoved", *middle)
        large.mouse("mouseWheel", *middle, deltaX=0, deltaY=100)

    scroll()
    large.wait(f"scrollY > {place}")
    assert large.run(width) == before
    middle = middle_of_map(large)
    large.click(*middle)
    scroll()
    large.wait(f"{width} > {before} * 1.05")
    place, zoomed = large.run("scrollY"), large.run(width)
    large.mouse("mouseMoved", 2, 2)
    scroll()
    large.wait(f"scrollY > {place}")
    assert large.run(width) == zoomed


def test_a_finger_scrolls_the_page_until_a_tap_on_the_map(browser, tmp_path):
    page = made_report(tmp_path, annotated_table(3), role=["selected"] * 2)
    active = f"{PLOT}.toolbar.tools.filter((one) => one.active).map((one) => one.type).join()"
    browser.open(page, ready=READY, touch=True)
    assert "PanTool" not in browser.run(active)
    browser.tap(*middle_of_map(browser))
    browser.wait(f"{active}.includes('PanTool') && {active}.includes('WheelZoomTool')")
    below = browser.run(
        "(() => { const r = document.getElementById('map-count').getBoundingClientRect();"
        "return [r.x + 1, r.y + 1]; })()"
    )
    browser.tap(*below)
    browser.wait(f"!{active}.includes('PanTool') && !{active}.includes('WheelZoomTool')")


def test_the_report_is_readable_in_all_modes(large):
    large.show_as(dark=False)
    light = pixels_of_map(large)
    check_in_all_modes(large)
    large.show_as(dark=True)
    dark = pixels_of_map(large)
    large.show_as(dark=False)
    assert np.median(light) > 240
    assert np.median(dark) < 60
    assert (pixels_of_map(large) == light).mean() > 0.99
    assert large.errors == []


def test_the_wheel_zooms_after_a_click_and_a_drag_moves(large):
    middle = middle_of_map(large)
    view = f"[{PLOT}.x_range.start, {PLOT}.x_range.end - {PLOT}.x_range.start, {PLOT}.inner_width]"
    _, before, _ = large.run(view)

    large.click(*middle)
    large.mouse("mouseWheel", *middle, deltaX=0, deltaY=-400)
    large.wait(f"{view}[1] < {before} * 0.95")
    settled(large)
    west, zoomed, width_px = large.run(view)
    large.mouse("mousePressed", *middle, button="left", clickCount=1)
    for step in range(1, 6):
        large.mouse("mouseMoved", middle[0] + 30 * step, middle[1], button="left", buttons=1)
    large.mouse("mouseReleased", middle[0] + 150, middle[1], button="left", clickCount=1)
    large.wait(f"{PLOT}.x_range.start < {west} - 1")
    settled(large)
    moved, width, _ = large.run(view)

    assert width == pytest.approx(zoomed)
    assert west - moved == pytest.approx(150 * zoomed / width_px, rel=0.1)


def test_a_tile_shows_its_classes_and_names_are_never_html(browser, tmp_path):
    names = {10: EVIL, 60: "</script><script>window.hacked = 1</script>"}
    table = annotated_table(3, names=names)
    page = made_report(tmp_path, table, role=["selected"] * 2)
    browser.open(page, ready=READY)
    place = browser.run(
        "(() => { document.getElementById('map').scrollIntoView();"
        "const plot = Bokeh.index.roots[0];"
        "const r = plot.canvas_view.el.getBoundingClientRect();"
        f"return [r.x + plot.frame.x_scale.compute({table['lon'][0]}),"
        f"r.y + plot.frame.y_scale.compute({table['lat'][0]})]; }})()"
    )
    browser.mouse("mouseMoved", place[0] - 3, place[1])
    browser.mouse("mouseMoved", *place)
    browser.wait(f"{TEXT_WITH_SHADOWS}.includes('{table['grid_cell'][0]}')")
    shown = browser.run(TEXT_WITH_SHADOWS)

    assert table["climate"][0].as_py() in shown
    assert table["landcover"][0].as_py() in shown
    assert table["stratum"][0].as_py() in shown
    assert "km" in shown
    assert browser.run("window.hacked") is None
    assert len(browser.requests) == 1
    assert browser.errors == []
    assert len(browser.run("[...document.querySelectorAll('#map-filters label.key')]")) == 2


def test_the_checkboxes_show_the_counts_of_the_tiles(large):
    labels = large.run(
        "[...document.querySelectorAll('#map-filters label:not(.key)')].map((one) => one.innerText)"
    )

    for name in (*CLIMATES.values(), *LANDCOVERS.values(), "train", "val", "none", "reserve"):
        assert any(label.strip().startswith(name.replace("_", " ")) for label in labels)
