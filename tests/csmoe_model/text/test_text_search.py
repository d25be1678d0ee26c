"""`csmoe_model.text.search` and `classify`: hits, the page in a browser, scores, and refusals."""

import shutil

import numpy as np
import pyarrow.parquet as pq
import pytest
from geoparquet_checks import failures
from page_checks import check_in_all_modes, open_page
from text_maker import patch_table, write_patches
from training_shards import learnable_shards

from csmoe_model.text import classify, search
from csmoe_model.text.model import load_text_model
from minortom.errors import InputError, OutputExistsError

pytest_plugins = ("text_fixtures", "browser_fixtures")
pytestmark = pytest.mark.usefixtures("one_thread")


def found(seen, out, sentence="cropland", **options):
    return search(seen / "text", seen / "e.parquet", sentence, shards=seen / "shards", html=out,
                  **options)  # fmt: skip


def test_hits_are_those_of_a_full_sort(seen, tmp_path):
    result = found(seen, tmp_path / "h.html", "river and woods", k=5)
    assert (result.understood, result.unknown) == (("river",), ("woods",))
    model = load_text_model(seen / "text")
    rows = [row for row in pq.read_table(seen / "e.parquet").to_pylist() if row["sensor"] == "both"]
    vectors = np.array([row["vector"] for row in rows], np.float32)
    cosine = model.image_vectors(vectors) @ model.text_vectors(["river"])[0]
    wanted = [rows[n] for n in np.argsort(-cosine, kind="stable")[:5]]
    places = [(h["grid_cell"], h["patch_row"], h["patch_col"]) for h in result.hits]
    assert places == [(r["grid_cell"], r["patch_row"], r["patch_col"]) for r in wanted]
    np.testing.assert_allclose([h["cosine"] for h in result.hits], np.sort(cosine)[::-1][:5])
    again = found(seen, tmp_path / "h.html", "river and woods", k=np.int64(5))
    assert again.status == "up to date"
    with pytest.raises(OutputExistsError, match="--overwrite"):
        found(seen, tmp_path / "h.html", "river", k=5)
    assert found(seen, tmp_path / "h.html", "river", k=5, overwrite=True).status == "written"


def test_a_browser_shows_the_page_without_a_request(seen, tmp_path, browser):
    found(seen, tmp_path / "h.html", "forest near <b>unicorns</b> in a tropical climate", k=4)
    open_page(browser, tmp_path / "h.html")
    assert browser.run("[...document.images].map(i => i.naturalWidth)") == [16] * 8
    assert browser.run("document.querySelectorAll('svg circle').length") == 4
    text = browser.run("document.querySelector('.words').innerText")
    assert "Understood: forest, in, a, tropical, climate" in text
    assert "Unknown, left out: near, b, unicorns" in text
    assert "“forest near <b>unicorns</b>" in browser.run("document.querySelector('h1').innerText")
    captions = browser.run(
        "[...document.querySelectorAll('.patches figcaption')].map(c => c.innerText)"
    )
    assert all("cosine 0." in one and "Af" in one for one in captions)
    check_in_all_modes(browser)


def test_scores_of_classes_add_up_and_the_largest_is_the_class(told, tmp_path):
    folder, _ = told
    out = tmp_path / "c.parquet"
    names = ("tree_cover", "farmland", "a lake")
    result = classify(folder / "text", folder / "e.parquet", classes=",".join(names), out=out)
    assert (result.status, result.patches, result.classes) == ("written", 180, names)
    assert failures(out) == []
    table = pq.read_table(out)
    scores = np.stack([table[f"score_{name}"].to_numpy() for name in names], axis=1)
    np.testing.assert_allclose(scores.sum(1), 1, atol=1e-6)
    chosen = [names[k] for k in scores.argmax(1)]
    assert table["class"].to_pylist() == chosen
    of = dict(zip(("tree_cover", "cropland", "permanent_water"), names, strict=True))
    cover = {row["grid_cell"]: row["landcover"] for row in patch_table(60).to_pylist()}
    rows = table.to_pylist()
    assert np.mean([row["class"] == of[cover[row["grid_cell"]]] for row in rows]) > 0.9
    same = classify(folder / "text", folder / "e.parquet", classes=list(names), out=out)
    assert same.status == "up to date"


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        ("forest", "must be two or more names"), ("forest,forest", "each once"),
        ("forest,corpland", "nearest by spelling are cropland"), (",", "found none"),
        (["forest", 3], "found other values"),
        ("lake,forest,Forests", "found 'forest' and 'Forests', both understood as 'forest'"),
        ("dry cropland,soggy cropland dry", "both understood as 'cropland dry'"),
    ],
)  # fmt: skip
def test_classes_that_do_not_fit_are_one_line(told, tmp_path, classes, message):
    folder, _ = told
    with pytest.raises(InputError, match=message):
        classify(folder / "text", folder / "e.parquet", classes=classes, out=tmp_path / "c.parquet")
    assert not list(tmp_path.iterdir())


def test_classes_go_into_a_parquet_file(told, tmp_path):
    folder, _ = told
    with pytest.raises(InputError, match="parquet"):
        classify(
            folder / "text", folder / "e.parquet", classes="forest,lake", out=tmp_path / "c.csv"
        )


@pytest.mark.parametrize(
    ("sentence", "options", "message"),
    [
        ("unicorn", {}, "the nearest by spelling are"), ("", {}, "expected a sentence with words"),
        ("forest", {"k": 1001}, "--k must be at most 1,000"), (3, {}, "sentence must be text"),
        ("forest", {"k": 0}, "k must be a whole number"),
    ],
)  # fmt: skip
def test_a_query_that_does_not_fit_is_one_line(seen, tmp_path, sentence, options, message):
    with pytest.raises(InputError, match=message):
        found(seen, tmp_path / "h.html", sentence, **options)
    with pytest.raises(InputError, match="--html must end in .html"):
        found(seen, tmp_path / "h.txt")
    assert not list(tmp_path.iterdir())


def test_embeddings_of_another_extractor_width_or_shards_are_one_line(seen, told, tmp_path):
    folder, _ = told
    made = {"other": {"weights": "b" * 64}, "narrow": {"vectors": np.zeros((180, 7), np.float32)}}
    for (name, options), message in zip(
        made.items(), ("those of another one", "vectors of 12 values.*found 7"), strict=True
    ):
        path = write_patches(tmp_path / f"{name}.parquet", **options)
        with pytest.raises(InputError, match=message):
            classify(folder / "text", path, classes="forest,lake", out=tmp_path / "c.parquet")
    table = pq.read_table(folder / "e.parquet").replace_schema_metadata(None)
    pq.write_table(table, tmp_path / "bare.parquet")
    with pytest.raises(InputError, match="expected the record of `csmoe embed`"):
        classify(folder / "text", tmp_path / "bare.parquet", classes="forest,lake",
                 out=tmp_path / "c.parquet")  # fmt: skip
    path = write_patches(tmp_path / "s2.parquet", sensors=("s2",))
    with pytest.raises(InputError, match="vectors of both .* found those of s2; give embeddings"):
        classify(folder / "text", path, classes="forest,lake", out=tmp_path / "c.parquet")
    learnable_shards(tmp_path / "shards", train=8)
    with pytest.raises(InputError, match="expected the shards that"):
        search(seen / "text", seen / "e.parquet", "forest", shards=tmp_path / "shards",
               html=tmp_path / "h.html")  # fmt: skip
    assert not (tmp_path / "h.html").exists()


def test_a_damaged_or_missing_model_is_one_line(told, tmp_path):
    folder, _ = told
    for name, message in (
        ("vocabulary.txt", "expected a folder of `csmoe text train`"),
        ("text.safetensors", "must hold the weights"), ("config.json", "cannot read"),
    ):  # fmt: skip
        copy = tmp_path / name
        shutil.copytree(folder / "text/model", copy)
        (copy / name).unlink()
        with pytest.raises(InputError, match=message):
            load_text_model(copy)
    (copy / "vocabulary.txt").write_bytes(b"\x94")
    shutil.copy(folder / "text/model/config.json", copy)
    with pytest.raises(InputError, match=r"cannot read .*vocabulary.txt .*; copy the whole fold"):
        load_text_model(copy)
    copy = tmp_path / "longer"
    shutil.copytree(folder / "text/model", copy)
    with (copy / "vocabulary.txt").open("a") as file:
        file.write("more\n")
    with pytest.raises(InputError, match="must hold the weights"):
        load_text_model(copy)
    assert load_text_model(folder / "text/model").sha256 == load_text_model(folder / "text").sha256
