"""`csmoe search`: hits, errors, and the page in a browser."""

import base64
import re
from io import BytesIO

import numpy as np
import pytest
import rasterio
from minortom_cli.console import run
from minortom_cli.model.app import app
from model_folders import write_model
from page_checks import check_in_all_modes, open_page
from PIL import Image
from searching import nearest_by_hand, one_line, patch_name, place, printed, search
from training_shards import learnable_shards

import csmoe_model
from csmoe_model.retrieval.search_page import Card, Sentence, search_page
from minortom.errors import InputError
from minortom.io.provenance import Provenance
from minortom.io.up_to_date import stored_provenance
from minortom.plotting.patch_pictures import patch_pictures
from minortom.sensors import MODEL_BANDS, S2_10M, S2_20M
from minortom.shards.shard_set import ShardSet

pytest_plugins = ("browser_fixtures",)


def bands_of(folder, sample):
    """Return the bands of a patch at 10 m in the model's order: digital numbers, and dB."""
    shards = ShardSet.open(folder / "shards")
    buffers = shards.buffers(1)
    shards.read_into(sample, buffers, 0)
    fine = dict(zip(S2_10M.bands, buffers["s2_10m"][0], strict=True))
    coarse = zip(S2_20M.bands, buffers["s2_20m"][0], strict=True)
    fine |= {name: band.repeat(2, 0).repeat(2, 1) for name, band in coarse}
    s2 = np.stack([fine[name] for name in MODEL_BANDS["s2"]]).astype(np.float32)
    return s2, buffers["s1"][0] / np.float32(100)


def write_image(path, pixels, names):
    place = {"crs": "EPSG:32631", "transform": rasterio.Affine(10, 0, 5e5, 0, -10, 1e6)}
    profile = {"driver": "GTiff", "dtype": "float32", "count": len(pixels), **place}
    height, width = pixels.shape[1:]
    with rasterio.open(path, "w", height=height, width=width, **profile) as file:
        file.write(pixels)
        for number, name in enumerate(names, start=1):
            file.set_band_description(number, name)
    return path


@pytest.fixture(scope="module")
def image(folder):
    """Write patch 7 of the shards as a GeoTIFF, with its bands in another order."""
    s2, _ = bands_of(folder, 7)
    names = MODEL_BANDS["s2"][::-1]
    return write_image(folder / "patch.tif", s2[::-1], names)


@pytest.mark.parametrize(("sensor", "against"), [("s2", "s2"), ("s1", "s2"), ("both", "both")])
def test_the_hits_of_a_patch_equal_those_of_a_full_sort(folder, tmp_path, capsys, sensor, against):
    metadata = ShardSet.open(folder / "shards").metadata(["grid_cell", "patch_row", "patch_col"])
    rows = metadata.to_pylist()
    like = "{grid_cell}:{patch_row}:{patch_col}".format(**rows[5])
    more = ["--like", like, "--sensor", sensor, "--against", against, "--k", 3, "--json"]
    assert search(folder, tmp_path / "h.html", *more) == 0
    found = [place(hit) for hit in printed(capsys)["hits"]]
    wanted = nearest_by_hand(folder / "e.parquet", 5, sensor, against)[:3]
    assert found == [tuple(rows[n].values()) for n in wanted]


def test_an_image_finds_the_patch_that_it_shows(folder, image, tmp_path, capsys):
    more = ["--image", image, "--checkpoint", folder / "model", "--k", 2, "--json"]
    assert search(folder, tmp_path / "h.html", *more) == 0
    found = printed(capsys)["hits"]
    row = ShardSet.open(folder / "shards").metadata(["grid_cell"]).to_pylist()[7]
    assert found[0]["grid_cell"] == row["grid_cell"]
    assert found[0]["cosine"] == pytest.approx(1, abs=1e-5)
    assert found[1]["cosine"] < 1


def test_two_files_make_one_query_and_names_may_be_given(folder, tmp_path, capsys):
    s2, s1 = bands_of(folder, 3)
    files = [write_image(tmp_path / f"{n}.tif", p, []) for n, p in (("s2", s2), ("s1", s1))]
    more = ["--image", files[0], "--image", files[1], "--checkpoint", folder / "model"]
    more += ["--s2-bands", ",".join(MODEL_BANDS["s2"]), "--s1-bands", "vv,vh", "--sensor", "both"]
    assert search(folder, tmp_path / "h.html", *more, "--k", 1, "--index", "ivf", "--json") == 0
    [hit] = printed(capsys)["hits"]
    assert hit["cosine"] == pytest.approx(1, abs=1e-5)


def test_the_page_shows_the_query_and_its_hits(folder, image, tmp_path):
    more = ["--image", image, "--checkpoint", folder / "model", "--k", 2]
    assert search(folder, tmp_path / "h.html", *more) == 0
    page = (tmp_path / "h.html").read_text()
    pictures = re.findall(r'src="data:image/png;base64,([^"]+)"', page)
    assert len(pictures) == 1 + 2 * 2  # the image has no radar
    shown = np.asarray(Image.open(BytesIO(base64.b64decode(pictures[0])))) / 255
    true_colour, _ = patch_pictures(ShardSet.open(folder / "shards"), 7)
    np.testing.assert_allclose(shown, true_colour, atol=0.003)
    assert not re.search(r"https?://", re.sub(r"<script.*?</script>", "", page, flags=re.S))
    assert "patch.tif" in page
    assert "An image has no cell, so that every patch can be a hit." in page


@pytest.mark.parametrize(
    ("more", "text"),
    [
        ([], "Left out: all patches of the query&#39;s cell."),
        (["--exclude-km", 2.5], "cell and within 2.5 km of the query."),
        (["--include-own-cell"], "Left out: the query itself."),
    ],
)
def test_the_page_and_its_provenance_say_what_is_left_out(folder, tmp_path, more, text):
    out = tmp_path / "h.html"
    assert search(folder, out, "--like", "1U_1R:0:1", "--k", 1, *more) == 0
    assert text in out.read_text()
    options = stored_provenance(out)["options"]
    assert options["exclude_km"] == (2.5 if "--exclude-km" in more else None)
    assert options["include_own_cell"] is ("--include-own-cell" in more)


def test_a_browser_shows_the_page_without_a_request(folder, tmp_path, browser):
    words = ["--like", patch_name(folder, 0), "--k", 4]
    assert search(folder, tmp_path / "h.html", *words) == 0
    open_page(browser, tmp_path / "h.html")
    assert browser.run("[...document.images].map(i => i.naturalWidth)") == [16] * 10
    assert browser.run("document.querySelectorAll('svg circle').length") == 5
    check_in_all_modes(browser)


@pytest.mark.parametrize(
    ("lat_deg", "lon_deg", "is_drawn"),
    [(50, 10, True), (-46.7, -154.7, False)],  # the second: of the synthetic planet, in the Pacific
)
def test_the_map_has_the_earth_s_coast_only_around_its_land(lat_deg, lon_deg, is_drawn):
    columns = {
        "grid_cell": "1U_1R", "patch_row": 0, "patch_col": 0, "split": "train", "climate": "Cfb",
        "landcover": "shrubland", "lat": lat_deg, "lon": lon_deg,
    }  # fmt: skip
    page = search_page(
        Sentence(text="shrubs", understood=["shrubs"], unknown=[]),
        [Card(columns=columns, pictures={}, cosine=0.5)], sensors=("s2", "s2"),
        provenance=Provenance(command="search", options={}),
    )  # fmt: skip

    assert ('<path class="land" d="M' in page) == is_drawn
    assert page.count('<circle class="hit"') == 1


def test_markup_in_names_is_escaped(folder, tmp_path):
    s2, _ = bands_of(folder, 7)
    evil = write_image(tmp_path / "<script>alert(1)<.tif", s2, MODEL_BANDS["s2"])
    more = ["--image", evil, "--checkpoint", folder / "model", "--k", 1]
    assert search(folder, tmp_path / "h.html", *more) == 0
    page = (tmp_path / "h.html").read_text()
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)" in page


def test_a_terminal_shows_a_line_for_each_hit(folder, tmp_path, capsys):
    hit = ShardSet.open(folder / "shards").metadata(["grid_cell", "patch_row", "patch_col"])
    like = ":".join(str(value) for value in hit.slice(3, 1).to_pylist()[0].values())
    assert search(folder, tmp_path / "hits.html", "--like", like, "--k", 4) == 0
    header, _, *lines = capsys.readouterr().out.strip().splitlines()
    assert header.split()[:3] == ["cell", "row", "col"]
    assert len(lines) == 4
    cosines = [float(line.split()[-1]) for line in lines]
    assert cosines == sorted(cosines, reverse=True)


def test_the_page_is_made_again_where_the_bands_have_other_names(folder, tmp_path):
    _, pixels = bands_of(folder, 5)
    write_image(tmp_path / "own.tif", pixels, ("", ""))
    words = ("--image", tmp_path / "own.tif", "--checkpoint", folder / "model", "--sensor", "s1")
    assert search(folder, tmp_path / "hits.html", *words, "--s1-bands", "vv,vh") == 0
    assert search(folder, tmp_path / "hits.html", *words, "--s1-bands", "vh,vv") == 1


def test_it_is_up_to_date_until_options_change(folder, image, tmp_path, capsys):
    more = ["--image", image, "--checkpoint", folder / "model", "--json"]
    assert search(folder, tmp_path / "h.html", *more) == 0
    first = printed(capsys)
    assert search(folder, tmp_path / "h.html", *more) == 0
    assert printed(capsys) == {**first, "status": "up to date"}
    assert search(folder, tmp_path / "h.html", *more[:-1], "--k", 3) == 1
    assert "--overwrite" in one_line(capsys)
    assert search(folder, tmp_path / "h.html", *more, "--k", 3, "--overwrite") == 0


def test_an_image_that_is_no_path_is_one_line(folder, tmp_path):
    words = {"shards": folder / "shards", "html": tmp_path / "h.html", "checkpoint": "model"}
    with pytest.raises(InputError, match="image must be a path .*, or a sequence of these, found"):
        csmoe_model.search(folder / "e.parquet", image=5, **words)


def test_numpy_numbers_count_as_python_s(folder, tmp_path):
    words = {"shards": folder / "shards", "html": tmp_path / "h.html", "like": 5}
    assert csmoe_model.search(folder / "e.parquet", k=np.int64(3), **words).status == "written"
    assert csmoe_model.search(folder / "e.parquet", k=3, **words).status == "up to date"


def test_a_query_that_does_not_fit_is_one_line(folder, image, tmp_path, capsys):
    out, model = tmp_path / "h.html", folder / "model"
    write_model(tmp_path / "other", ShardSet.open(folder / "shards"), seed=1)
    learnable_shards(tmp_path / "shards", train=6)
    s2, s1 = bands_of(folder, 0)
    small = write_image(tmp_path / "small.tif", s2[:, :2, :2], MODEL_BANDS["s2"])
    few = write_image(tmp_path / "few.tif", s2[:3], MODEL_BANDS["s2"][:3])
    radar = write_image(tmp_path / "radar.tif", s1, ("VV", "VH"))
    for more, message in (
        (
            ["--image", image, "--checkpoint", tmp_path / "other"],
            "expected the checkpoint that",
        ),
        (["--image", small, "--checkpoint", model], "the smallest that tiny encodes"),
        (["--image", few, "--checkpoint", model], "B05"),
        (
            ["--image", radar, "--checkpoint", model],
            "with bands of s2, found bands of s1",
        ),
        (
            ["--like", "0U_0R:0:0", "--sensor", "both", "--against", "s1"],
            "of both sensors only",
        ),
    ):
        assert search(folder, out, *more) == 1, more
        assert message in one_line(capsys), more
    assert search(folder, tmp_path / "h.txt", "--like", "0U_0R:0:0") == 1
    assert "--html must end in .html, found" in one_line(capsys)
    words = ["search", folder / "e.parquet", "--shards", tmp_path / "shards", "--html", out]
    assert run(app, [str(word) for word in [*words, "--like", "0U_0R:0:0"]]) == 1
    assert "expected the shards that" in one_line(capsys)
    assert not out.exists()


@pytest.mark.parametrize(
    ("like", "message"),
    [
        ("9U_9R:0:0", "no patch of that cell; give {names[0]}, or the number of a patch"),
        ("{cells[5]}:7:7", "other patches of that cell; give {cells[5]}:0:0, or the number of"),
        ("24", "must be a number from 0 to 23, since"),
        ("nowhere", "such as 0, or a cell, a row and a column, such as 433D_629L:3:1, found nowh"),
        ("-1", "must be the number of a patch in the shards, such as 0"),
        ("5:3", "such as 433D_629L:3:1, found 5:3"),
    ],
)
def test_a_patch_that_does_not_exist_is_refused(folder, tmp_path, capsys, like, message):
    names = [patch_name(folder, number) for number in range(24)]
    cells = [name.split(":")[0] for name in names]

    assert search(folder, tmp_path / "h.html", "--like", like.format(cells=cells)) == 1
    assert message.format(names=names, cells=cells) in one_line(capsys)
    assert list(tmp_path.iterdir()) == []


def test_a_number_is_the_patch_at_that_place_in_the_shards(folder, tmp_path, capsys):
    hits = []
    for like in ("5", patch_name(folder, 5)):
        assert search(folder, tmp_path / f"{like}.html", "--like", like, "--json") == 0
        hits.append(printed(capsys)["hits"])
    assert hits[0] == hits[1]
    assert search(folder, tmp_path / "4.html", "--like", "4", "--json") == 0
    assert printed(capsys)["hits"] != hits[0]


@pytest.mark.parametrize(
    "more",
    [
        [], ["--like", "a:0:0", "--image", "x.tif"], ["--image", "x.tif"],
        ["--image", "x.tif", "--checkpoint", "m", "--exclude-km", 5],
        ["--image", "x.tif", "--checkpoint", "m", "--include-own-cell"],
        ["--like", "3", "--checkpoint", "m"], ["--like", "3", "--s2-bands", "X"],
        ["--like", "3", "--s1-bands", "X"], ["--like", "3", "--s2-offset", "-1000"],
    ],
)  # fmt: skip
def test_wrong_usage_exits_with_2(folder, tmp_path, more):
    assert search(folder, tmp_path / "h.html", *more) == 2
