"""The page of `minortom show`: pictures of the patches, crosses for dropped ones."""

import base64
import json
import re
from io import BytesIO

import numpy as np
import pyarrow as pa
import pytest
from minortom_cli.console import run
from minortom_cli.curate.app import app
from page_checks import check_in_all_modes, open_page
from PIL import Image
from shard_maker import PROVENANCE, made_up_metadata, made_up_tensors, write_made_up_shards

from minortom.plotting.patch_pictures import data_uri, picture
from minortom.shards.further_columns import FurtherColumn
from minortom.shards.layout import SampleSpec
from minortom.shards.writer import write_shards

pytest_plugins = ("browser_fixtures",)


@pytest.fixture
def folder(tmp_path):
    """150 patches; the tile 37U_37R has two of its 2 x 2, all others are full."""
    write_made_up_shards(tmp_path / "shards")
    return tmp_path / "shards"


def show(folder, out, *options):
    return run(app, ["show", str(folder), "--out", str(out), *map(str, options)])


def pictures(page):
    found = re.findall(r'src="data:image/png;base64,([^"]+)"', page)
    return [np.asarray(Image.open(BytesIO(base64.b64decode(text)))) for text in found]


def test_the_page_is_readable_in_all_modes(folder, tmp_path, browser):
    assert show(folder, tmp_path / "page.html") == 0
    open_page(browser, tmp_path / "page.html")
    check_in_all_modes(browser)


def write_bands(folder, bands):
    """Write four patches with some bands only; returns their tensors."""
    tensors = made_up_tensors(4, 8, bands=bands)
    write_shards(
        folder, tensors=tensors, metadata=made_up_metadata(4), provenance=PROVENANCE,
        spec=SampleSpec(patch_px=8, bands=bands),
    )  # fmt: skip
    return tensors


def drawn(sensor, stored, names, scale):
    """The picture of stored values [band, row, column], in bytes."""
    bands = dict(zip(names, stored * np.float32(scale), strict=True))
    return (picture(sensor, bands) * 255).round().astype(np.uint8)


def true_colour(s2_10m):
    return drawn("s2", s2_10m, ("B02", "B03", "B04", "B08"), 1e-4)


def false_colour(s1):
    return drawn("s1", s1, ("vv", "vh"), 0.01)


def test_true_colour_is_red_green_blue_and_white_at_three_tenths():
    s2 = np.zeros((4, 1, 3), np.uint16)
    s2[2, 0, 0], s2[1, 0, 1], s2[0, 0, 2] = 3000, 3000, 3000  # B04, B03, B02
    np.testing.assert_array_equal(true_colour(s2)[0], np.eye(3) * 255)


def test_false_colour_is_vv_vh_and_their_ratio():
    s1 = np.array([[[0, -2000]], [[-2700, -500]]], np.int16)  # 0 and -27 dB; -20 and -5 dB
    np.testing.assert_array_equal(false_colour(s1)[0], [[255, 0, 255], [0, 255, 0]])


def test_a_picture_comes_back_from_its_address():
    picture = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    text = data_uri(picture / 255).removeprefix("data:image/png;base64,")
    np.testing.assert_array_equal(np.asarray(Image.open(BytesIO(base64.b64decode(text)))), picture)


def test_each_card_shows_the_pixels_of_the_patch_that_it_names(tmp_path):
    tensors = write_made_up_shards(tmp_path / "shards", num_patches=8, num_val=4)
    assert show(tmp_path / "shards", tmp_path / "page.html", "--patches", 3, "--seed", 5) == 0
    page = (tmp_path / "page.html").read_text()
    named = re.findall(r"<b>(\d+)U_\d+R</b> row (\d), column (\d) · (\w+)<br>", page)
    assert len(named) == 3
    for number, (cell, row, col, split) in enumerate(named):
        patch = int(cell) * 4 + int(row) * 2 + int(col)  # as shard_maker numbers them
        s2, s1 = pictures(page)[2 * number : 2 * number + 2]
        np.testing.assert_array_equal(s2, true_colour(tensors["s2_10m"][patch]))
        np.testing.assert_array_equal(s1, false_colour(tensors["s1"][patch]))
        assert split == ("val" if patch < 4 else "train")


@pytest.mark.parametrize(
    ("bands", "column", "low_db", "high_db", "said"),
    [
        (("B02", "B03", "vv"), "s2_10m", -20, 0, ("in grey (B02;", "in grey VV from −20 to 0 dB")),
        (("B05", "B11", "vh"), "s2_20m", -27, -5, ("in grey (B05;", "in grey VH from −27 to −5")),
    ],
)
def test_a_set_without_the_bands_of_colours_is_drawn_in_grey(
    bands, column, low_db, high_db, said, tmp_path
):
    tensors = write_bands(tmp_path / "shards", bands)
    assert show(tmp_path / "shards", tmp_path / "page.html", "--patches", 1) == 0
    page = (tmp_path / "page.html").read_text()
    assert all(words in page for words in said)
    s2, s1 = pictures(page)[:2]
    assert (s2 == s2[:, :, :1]).all()
    assert (s1 == s1[:, :, :1]).all()
    reflectance = tensors[column][:, 0] * 1e-4
    wanted_s2 = np.clip(reflectance / 0.3, 0, 1) ** (1 / 1.6) * 255
    wanted_s1 = np.clip((tensors["s1"][:, 0] * 0.01 - low_db) / (high_db - low_db), 0, 1) * 255
    assert any(np.abs(patch - s2[:, :, 0]).max() <= 1 for patch in wanted_s2)  # whichever is drawn
    assert any(np.abs(patch - s1[:, :, 0]).max() <= 1 for patch in wanted_s1)


def test_true_colour_needs_no_infrared(tmp_path):
    tensors = write_bands(tmp_path / "shards", ("B02", "B03", "B04", "vv", "vh"))
    assert show(tmp_path / "shards", tmp_path / "page.html", "--patches", 1) == 0
    s2, s1 = pictures((tmp_path / "page.html").read_text())[:2]
    assert any((s2 == true_colour(np.pad(p, ((0, 1), (0, 0), (0, 0))))).all()
               for p in tensors["s2_10m"])  # fmt: skip
    assert any((s1 == false_colour(p)).all() for p in tensors["s1"])


def test_the_tile_has_dropped_patches_which_are_crossed_out(folder, tmp_path):
    assert show(folder, tmp_path / "page.html") == 0
    page = (tmp_path / "page.html").read_text()
    assert "A tile: 37U_37R" in page
    assert "2 of its 2 × 2 patches" in page
    gone = re.findall(r'class="gone" title="row (\d), column (\d)', page)
    assert gone == [("1", "0"), ("1", "1")] * 2  # of Sentinel-2, then of Sentinel-1


def test_all_patches_are_shown_where_there_are_fewer(tmp_path):
    write_made_up_shards(tmp_path / "shards", num_patches=8, num_val=4)
    assert show(tmp_path / "shards", tmp_path / "page.html", "--patches", 99) == 0
    assert (tmp_path / "page.html").read_text().count('class="pair"') == 8


def test_the_page_asks_the_network_for_nothing(folder, tmp_path):
    show(folder, tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    assert not re.findall(r'(?:src|href)="(?!data:)', page)


def test_names_are_escaped(tmp_path):
    metadata = made_up_metadata(8)
    number = metadata.column_names.index("climate")
    evil = metadata["climate"].to_pylist()
    evil = ["<script>alert(1)</script>"] * len(evil)
    metadata = metadata.set_column(number, metadata.schema.field(number), [evil])
    write_shards(
        tmp_path / "own", tensors=made_up_tensors(8, 8), metadata=metadata, provenance=PROVENANCE
    )
    assert show(tmp_path / "own", tmp_path / "page.html") == 0
    page = (tmp_path / "page.html").read_text()
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)" in page


def test_further_columns_stand_below_the_classes_with_their_units(tmp_path):
    further = (
        FurtherColumn(name="biome", type_name="string"),
        FurtherColumn(name="elevation", type_name="double", unit="m"),
        FurtherColumn(name="s2", type_name="int16"),
    )
    metadata = made_up_metadata(8)
    for column, values in zip(
        further, (["<i>taiga"] * 8, [312.5] * 4 + [None] * 4, range(8)), strict=True
    ):
        metadata = metadata.append_column(column.field, pa.array(values, column.field.type))
    write_shards(
        tmp_path / "own", tensors=made_up_tensors(8, 8), metadata=metadata,
        provenance=PROVENANCE, spec=SampleSpec(patch_px=8, further=further),
    )  # fmt: skip
    assert show(tmp_path / "own", tmp_path / "page.html") == 0
    page = (tmp_path / "page.html").read_text()
    shown = re.findall(r"^biome &lt;i&gt;taiga · elevation (.+) · s2 (\d)<br>$", page, re.MULTILINE)
    assert sorted(shown, key=lambda found: found[1]) == [
        ("312.5 m" if number < 4 else "unknown", str(number)) for number in range(8)
    ]
    assert re.search(r"or do not exist\. .* · biome &lt;i&gt;taiga · elevation", page, re.DOTALL)


def test_the_same_seed_gives_the_same_page_and_another_one_another(folder, tmp_path):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        show(folder, tmp_path / f"{name}.html", "--seed", seed)
    a, b, c = ((tmp_path / f"{name}.html").read_bytes() for name in "abc")
    assert a == b != c


def test_an_existing_page_is_up_to_date_or_kept_or_replaced(folder, tmp_path, capsys):
    page = tmp_path / "page.html"
    assert show(folder, page, "--json") == 0
    assert json.loads(capsys.readouterr().out)["status"] == "written"
    assert show(folder, page, "--json") == 0
    assert json.loads(capsys.readouterr().out) == {
        "out": str(page), "status": "up to date", "patches": 24, "of": 150,
    }  # fmt: skip
    before = page.read_bytes()
    assert show(folder, page, "--seed", 1) == 1
    assert "give --overwrite" in capsys.readouterr().err
    assert page.read_bytes() == before
    assert show(folder, page, "--seed", 1, "--overwrite") == 0
    assert page.read_bytes() != before


def test_a_page_of_another_program_is_not_replaced(folder, tmp_path, capsys):
    (tmp_path / "page.html").write_text("<p>mine</p>")
    assert show(folder, tmp_path / "page.html") == 1
    assert "not made by this command" in capsys.readouterr().err


def test_an_output_that_does_not_end_in_html_is_refused(folder, tmp_path, capsys):
    assert show(folder, tmp_path / "page.txt") == 1
    assert "--out must end in .html, found" in capsys.readouterr().err
