"""`csmoe search`: hits, errors, and the page in a browser."""

import base64
import json
import re
from io import BytesIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
import rasterio
from chromium import find_chromium, opened_browser
from minortom_cli.console import run
from minortom_cli.model.app import app
from model_folders import write_model
from PIL import Image
from stored_vectors import stored_vectors
from training_shards import learnable_shards

from csmoe_model.inference.embed import embed
from minortom.plotting.patch_pictures import patch_pictures
from minortom.sensors import MODEL_BANDS, S2_10M, S2_20M
from minortom.shards.shard_set import ShardSet


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("search")
    learnable_shards(folder / "shards", train=20, val=4)
    write_model(folder / "model", ShardSet.open(folder / "shards"))
    embed(folder / "model", folder / "shards", out=folder / "e.parquet")
    return folder


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


def search(folder, out, *more):
    words = ["search", folder / "e.parquet", "--shards", folder / "shards", "--html", out, *more]
    return run(app, [str(word) for word in words])


def printed(capsys):
    return json.loads(capsys.readouterr().out)


def place(hit):
    return hit["grid_cell"], hit["patch_row"], hit["patch_col"]


def patch_name(folder, number):
    row = ShardSet.open(folder / "shards").metadata(["grid_cell", "patch_row", "patch_col"])
    return "{grid_cell}:{patch_row}:{patch_col}".format(**row.slice(number, 1).to_pylist()[0])


def nearest_by_hand(path, query, sensor, against):
    one, other = (stored_vectors(path, name) for name in (sensor, against))
    one, other = one - one.mean(0), other - other.mean(0)
    cosine = other @ one[query] / np.linalg.norm(other, axis=1) / np.linalg.norm(one[query])
    return [n for n in np.argsort(-cosine) if n != query]


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


def rewritten(folder, tmp_path, change):
    """Return a folder with the shards, and embeddings that another tool has changed."""
    copy = tmp_path / "changed"
    copy.mkdir()
    (copy / "shards").symlink_to(folder / "shards")
    (copy / "model").symlink_to(folder / "model")
    pq.write_table(
        change(pq.read_table(folder / "e.parquet")), copy / "e.parquet", row_group_size=5
    )
    return copy


def hits_of(folder, capsys, tmp_path, *more):
    assert search(folder, tmp_path / f"{folder.name}.html", *more, "--json") == 0
    return printed(capsys)["hits"]


def in_another_order(table):
    return table.take(np.random.default_rng(0).permutation(len(table)))


def of_one_sensor(table):
    return table.filter(pc.equal(table["sensor"], "s2"))


def with_other_types(table):
    table = table.set_column(1, "patch_row", table["patch_row"].cast(pa.float64()))
    return table.set_column(0, "grid_cell", table["grid_cell"].dictionary_encode())


@pytest.mark.parametrize("change", [in_another_order, of_one_sensor, with_other_types])
def test_embeddings_in_another_order_or_form_give_the_same_hits(folder, tmp_path, capsys, change):
    more = ["--like", patch_name(folder, 5), "--k", 8]
    wanted = hits_of(folder, capsys, tmp_path, *more)
    assert hits_of(rewritten(folder, tmp_path, change), capsys, tmp_path, *more) == wanted


def test_the_hits_among_some_patches_equal_those_of_a_full_sort(folder, tmp_path, capsys):
    """Every second patch is left out, and the rest is reversed."""
    rows = np.arange(72).reshape(24, 3)[::-2].ravel()
    kept = rewritten(folder, tmp_path, lambda table: table.take(rows))
    found = hits_of(kept, capsys, tmp_path, "--like", patch_name(folder, 5), "--k", 4)
    row = list(range(23, -1, -2)).index(5)
    wanted = nearest_by_hand(kept / "e.parquet", row, "s2", "s2")[:4]
    names = [patch_name(folder, 23 - 2 * n) for n in wanted]
    assert ["{}:{}:{}".format(*place(hit)) for hit in found] == names


def set_row(table, column, value, *, row=3):
    values = table[column].to_pylist()
    values[row] = value
    place = table.schema.get_field_index(column)
    return table.set_column(place, column, pa.array(values, table[column].type))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: set_row(t, "vector", [np.nan] * 32), "finite numbers in the vectors"),
        (lambda t: set_row(t, "vector", [0.0] * 31 + [np.inf]), "finite numbers in the vectors"),
        (lambda t: set_row(t, "vector", [0.0] * 31 + [None]), "finite numbers in the vectors"),
        (lambda t: set_row(t, "vector", None), "found rows without vector"),
        (lambda t: set_row(t, "sensor", None), "found rows without sensor"),
        (lambda t: set_row(t, "patch_col", None), "found rows without patch_col"),
        (lambda t: set_row(t, "grid_cell", None), "tiles without grid_cell"),
        (lambda t: set_row(t, "grid_cell", "9U_9R"), "found 9U_9R:"),
        (lambda t: set_row(t, "patch_row", 77), ":77:"),
        (lambda t: set_row(t, "patch_row", -1), ":-1:"),
        (lambda t: pa.concat_tables([t, t[3:4]]), "expected one vector of s2 for each patch"),
        (lambda t: t.drop_columns("patch_row"), "must have the column patch_row"),
        (lambda t: t.drop_columns("vector"), "expected vectors of one length"),
        (lambda t: t.replace_schema_metadata(None), "expected the record of `csmoe embed`"),
        (lambda t: t.filter(pc.equal(t["sensor"], "s1")), "expected vectors of s2"),
        (lambda t: t[:15], "must be a patch with a vector of s2"),
        (
            lambda t: t.set_column(1, "patch_row", pa.array([0.5] * len(t))),
            "expected names of cells and whole numbers",
        ),
    ],
)  # fmt: skip
def test_embeddings_that_do_not_fit_the_shards_are_one_line(
    folder, tmp_path, capsys, change, message
):
    changed = rewritten(folder, tmp_path, change)
    assert search(changed, tmp_path / "h.html", "--like", patch_name(folder, 5)) == 1
    assert message in one_line(capsys)
    assert not (tmp_path / "h.html").exists()


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


def test_a_browser_shows_the_page_without_a_request(folder, tmp_path):
    program = find_chromium()
    if program is None:
        pytest.skip("no Chromium on the PATH to look at the page with")
    row = ShardSet.open(folder / "shards").metadata(["grid_cell", "patch_row", "patch_col"])
    like = "{grid_cell}:{patch_row}:{patch_col}".format(**row.to_pylist()[0])
    assert search(folder, tmp_path / "h.html", "--like", like, "--k", 4) == 0
    with opened_browser(program, tmp_path / "profile") as page:
        page.open(tmp_path / "h.html", ready="document.readyState == 'complete'")
        assert page.run("[...document.images].map(i => i.naturalWidth)") == [16] * 10
        assert page.run("document.querySelectorAll('svg circle').length") == 5
        assert (page.requests, page.errors) == ([(tmp_path / "h.html").as_uri()], [])


def test_markup_in_names_is_escaped(folder, tmp_path):
    s2, _ = bands_of(folder, 7)
    evil = write_image(tmp_path / "<script>alert(1)<.tif", s2, MODEL_BANDS["s2"])
    more = ["--image", evil, "--checkpoint", folder / "model", "--k", 1]
    assert search(folder, tmp_path / "h.html", *more) == 0
    page = (tmp_path / "h.html").read_text()
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)" in page


def one_line(capsys):
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    return line


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
    assert search(folder, tmp_path / "h.html", *more, "--k", 3) == 1
    assert "--overwrite" in one_line(capsys)
    assert search(folder, tmp_path / "h.html", *more, "--k", 3, "--overwrite") == 0


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
        (["--image", small, "--checkpoint", model], "at least one patch of the model"),
        (["--image", few, "--checkpoint", model], "B05"),
        (
            ["--image", radar, "--checkpoint", model],
            "with bands of s2, found bands of s1",
        ),
        (["--like", "9U_9R:0:0"], "no patch of that cell"),
        (["--like", "0U_0R:7:7"], "other patches of that cell"),
        (["--like", "nowhere"], "must be a cell, a row and a column"),
        (
            ["--like", "0U_0R:0:0", "--sensor", "both", "--against", "s1"],
            "of both sensors only",
        ),
    ):
        assert search(folder, out, *more) == 1, more
        assert message in one_line(capsys), more
    assert search(folder, tmp_path / "h.txt", "--like", "0U_0R:0:0") == 1
    assert "--out must end in .html, found" in one_line(capsys)
    words = ["search", folder / "e.parquet", "--shards", tmp_path / "shards", "--html", out]
    assert run(app, [str(word) for word in [*words, "--like", "0U_0R:0:0"]]) == 1
    assert "expected the shards that" in one_line(capsys)
    assert not out.exists()


@pytest.mark.parametrize(
    "more", [[], ["--like", "a:0:0", "--image", "x.tif"], ["--image", "x.tif"]]
)
def test_wrong_usage_exits_with_2(folder, tmp_path, more):
    assert search(folder, tmp_path / "h.html", *more) == 2
