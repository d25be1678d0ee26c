"""`csmoe_model.text.train`: what it learns, writes, resumes and refuses."""

import csv
import json
import signal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from file_hashes import hashes
from text_maker import SHORT, SPLITS, WEIGHTS, patch_table, telling_vectors, write_patches
from training_runs import stop_after

from csmoe_model.text import train
from csmoe_model.text.model import load_text_model
from csmoe_model.text.patches import Patches
from csmoe_model.text.split import Split
from minortom.errors import InputError, OutputExistsError, UsageError

pytest_plugins = ("training_fixtures", "text_fixtures")
pytestmark = pytest.mark.usefixtures("one_thread")

QUICK = {**SHORT, "epochs": 2}


def test_it_learns_what_the_vectors_show_and_nothing_else(told):
    _, result = told
    scores = result.attributes
    assert scores["landcover"]["map"] > 0.95
    assert scores["landcover"]["chance"] == pytest.approx(1 / 3, abs=0.01)
    assert scores["climate_group"]["map"] > 0.9
    # The hemisphere is not in the vectors.
    assert scores["hemisphere"]["map"] < scores["hemisphere"]["chance"] + 0.25
    assert 0 < result.best_step <= result.steps
    assert "mAP of landcover" in str(result)


def test_sentences_find_pairs_of_attributes(told):
    folder, _ = told
    model, table = load_text_model(folder / "text"), patch_table(60)
    image = model.image_vectors(telling_vectors(table, seed=9))
    [score] = model.text_vectors(["farmland under an arid climate"]) @ image.T
    best = table.take(np.argsort(-score)[:10])
    assert set(best["landcover"].to_pylist()) == {"cropland"}
    # Half of the patches of cropland have a dry climate.
    assert sum(climate in ("BWh", "BSk") for climate in best["climate"].to_pylist()) >= 8


def test_a_run_has_weights_words_and_provenance_and_no_other_words(told):
    folder, result = told
    words = (folder / "text/model/vocabulary.txt").read_text().split()
    assert len(words) == result.words
    assert "woodland" in words
    assert "season" not in words  # no date, so no template about it
    config = json.loads((folder / "text/model/config.json").read_text())
    assert config["minortom"]["command"] == "text train"
    assert config["minortom"]["options"]["train"]["lr"] == SHORT["lr"]
    assert config["minortom"]["licences"] == ["made up"]
    assert set(hashes(folder / "text/model")) == {
        "config.json", "text.safetensors", "vocabulary.txt",
    }  # fmt: skip


@pytest.mark.usefixtures("sigterm_raises")
def test_a_stopped_run_resumes_to_the_same_bytes(told, tmp_path):
    folder, finished = told
    with pytest.raises(SystemExit):
        train(folder / "e.parquet", out=tmp_path / "run", **SHORT,
              on_step=stop_after(7, signal.SIGTERM))  # fmt: skip
    with pytest.raises(OutputExistsError, match="unfinished run"):
        train(folder / "e.parquet", out=tmp_path / "run", **SHORT)
    seen = []
    train(folder / "e.parquet", out=tmp_path / "run", **SHORT, resume=True,
          on_step=lambda done, *_: seen.append(done))  # fmt: skip
    assert seen[0] == 8
    assert hashes(tmp_path / "run/model") == hashes(finished.run / "model")
    assert train(folder / "e.parquet", out=tmp_path / "run", **SHORT).status == "up to date"


@pytest.mark.parametrize("options", [{"seed": 1}, {"lr": 1e-3}, {"batch_size": 16}])
def test_an_option_changes_the_weights_and_is_refused_in_a_finished_run(told, tmp_path, options):
    folder, _ = told
    first = hashes(train(folder / "e.parquet", out=tmp_path / "run", **QUICK).run / "model")
    with pytest.raises(OutputExistsError, match="other inputs or options"):
        train(folder / "e.parquet", out=tmp_path / "run", **{**QUICK, **options})
    again = train(
        folder / "e.parquet", out=tmp_path / "run", **{**QUICK, **options}, overwrite=True
    )
    second = hashes(again.run / "model")
    assert first["text.safetensors"] != second["text.safetensors"]


def of_split(table, name):
    return set(table.filter(pc.equal(table["split"], name))["grid_cell"].to_pylist())


def test_cells_are_held_out_and_test_cells_unused(tmp_path):
    table = patch_table(60)
    path = write_patches(tmp_path / "e.parquet", table)
    captions = tmp_path / "captions.csv"
    result = train(path, out=tmp_path / "run", captions=captions, **QUICK)
    with captions.open() as file:
        rows = list(csv.DictReader(file))
    assert {row["cell"] for row in rows} == of_split(table, "train") | of_split(table, "val")
    # Held-out sentences are those of the held-out templates, one for each patch.
    held_out = [row["text"] for row in rows if row["cell"] in of_split(table, "val")]
    assert all(("shows" in t) or ("zone" in t) or ("with" in t) or t.endswith("hemisphere")
               for t in held_out)  # fmt: skip
    assert result.patches == len(table.filter(pc.equal(table["split"], "train")))
    before = captions.read_bytes()
    assert train(path, out=tmp_path / "run", captions=captions, **QUICK).status == "up to date"
    assert captions.read_bytes() == before


def test_a_fifth_of_the_cells_is_held_out_where_no_split_says_which(tmp_path):
    table = patch_table(60)
    whole = table.set_column(3, "split", pa.array(["train"] * len(table)))
    patches = Patches.read(write_patches(tmp_path / "e.parquet", whole))
    split, other = (Split.of(patches, seed=seed) for seed in (0, 1))
    cells = patches.cell_n
    assert len(np.unique(cells[split.val_n])) == 12
    assert not set(cells[split.val_n]) & set(cells[split.train_n])
    assert set(cells[split.val_n]) != set(cells[other.val_n])
    assert len(split.val_n) + len(split.train_n) == len(table)
    assert SPLITS.count("train") == 3  # of the table before


def test_held_out_cells_that_are_alike_have_no_score(tmp_path, caplog):
    table = patch_table(60)
    alike = {"climate": "BWh", "landcover": "cropland", "lat": 10.0}
    for name, value in alike.items():
        values = [
            value if split == "val" else former
            for split, former in zip(
                table["split"].to_pylist(), table[name].to_pylist(), strict=True
            )
        ]
        table = table.set_column(table.column_names.index(name), name, pa.array(values))
    result = train(write_patches(tmp_path / "e.parquet", table), out=tmp_path / "run", **QUICK)
    assert (result.val_map, result.attributes) == (None, {})
    assert result.best_step > 0
    assert "each caption of the 36 held-out patches is true of all of them" in caplog.text


def test_a_table_of_tiles_adds_and_replaces_columns(tmp_path):
    table = patch_table(60)
    path = write_patches(tmp_path / "e.parquet", table, sensors=("s1",))
    cells = sorted(set(table["grid_cell"].to_pylist()))
    covers = pa.array(["mangroves", "built_up"] * 30).dictionary_encode()
    tiles = pa.table({
        "grid_cell": cells, "landcover": covers,
        "fraction_built_up": np.tile([0.2, 0.9], 30), "elevation": np.arange(60.0),
        "lat": np.zeros(60),
    })  # fmt: skip
    pq.write_table(tiles, tmp_path / "a.parquet")
    result = train(path, out=tmp_path / "run", annotated=tmp_path / "a.parquet", **QUICK)
    assert result.sensor == "s1"
    words = load_text_model(tmp_path / "run").vocabulary.descriptive
    assert {"mangroves", "town", "some", "mostly", "lowland", "southern"} <= words
    assert "cropland" not in words


def test_own_templates_and_own_captions_are_learned(told, tmp_path):
    folder, _ = told
    own = tmp_path / "own.yaml"
    own.write_text("templates: ['cornucopia of {landcover}']")
    train(folder / "e.parquet", out=tmp_path / "t", templates=own, **QUICK)
    assert "cornucopia" in load_text_model(tmp_path / "t").vocabulary.words

    table = patch_table(60)
    rows = [
        (row["grid_cell"], row["patch_row"], 0, f"zzz {row['landcover'].split('_')[0]}")
        for row in table.to_pylist()
    ]
    with (tmp_path / "c.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("cell", "row", "column", "text"), *rows])
    result = train(folder / "e.parquet", out=tmp_path / "c", own_captions=tmp_path / "c.csv",
                   captions=tmp_path / "again.csv", **SHORT)  # fmt: skip
    assert result.val_map > 0.95
    assert result.attributes == {}
    assert load_text_model(tmp_path / "c").vocabulary.words == (
        "cropland", "permanent", "tree", "zzz",
    )  # fmt: skip
    assert (tmp_path / "again.csv").read_bytes() == (tmp_path / "c.csv").read_bytes().replace(
        b"\r\n", b"\n"
    )
    with pytest.raises(UsageError, match="found --templates, for written"):
        train(folder / "e.parquet", out=tmp_path / "d", templates=own,
              own_captions=tmp_path / "c.csv")  # fmt: skip


def test_a_run_that_contains_its_input_is_not_replaced(told, tmp_path):
    run = tmp_path / "run"
    train(told[0] / "e.parquet", out=run, **{**QUICK, "epochs": 1})
    inside = run / "e.parquet"
    inside.write_bytes((told[0] / "e.parquet").read_bytes())
    before = hashes(run)
    with pytest.raises(InputError, match=r"--out .*run contains the input .*e\.parquet; give"):
        train(inside, out=run, **QUICK, overwrite=True)
    assert hashes(run) == before


def test_the_licences_are_those_of_the_file_that_was_read(told, tmp_path):
    path = tmp_path / "e.parquet"
    path.write_bytes((told[0] / "e.parquet").read_bytes())
    patches = Patches.read(path)
    path.unlink()
    assert patches.licences == ("made up",)


def test_captions_inside_the_run_are_refused(told, tmp_path):
    out = tmp_path / "run"
    with pytest.raises(InputError, match=r"--captions must lie outside --out .*, found"):
        train(told[0] / "e.parquet", out=out, captions=out / "captions.csv", **QUICK)
    assert list(tmp_path.iterdir()) == []


def drop(name):
    return lambda table: table.drop_columns(name)


def replaced(name, values):
    return lambda t: t.set_column(t.column_names.index(name), name, pa.array(values(t)))


def only_unmapped(table):
    """Return patches at unknown places, without classes."""
    unknown = {"climate": "unmapped", "landcover": "unmapped", "lat": float("nan")}
    for name, value in unknown.items():
        table = replaced(name, lambda t, value=value: [value] * len(t))(table)
    return table


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        (drop("grid_cell"), {}, "must have the column grid_cell"),
        (drop("lon"), {}, "must have the column lon"),
        (replaced("split", lambda t: np.ones(len(t))), {}, "the column split must have text"),
        (drop("landcover"), {"templates": "templates: ['{soil}']"}, r"found \{soil\} in"),
        (lambda t: pa.concat_tables([t, t[:1]]), {}, "expected one vector of both for each patch"),
        (replaced("split", lambda t: ["test"] * len(t)), {}, "at least two cells with the split"),
        (replaced("split", lambda t: ["train", "val"] * (len(t) // 2)), {}, "each cell in one spl"),
        (lambda t: t, {"sensor": "s1", "only": ("s2",)}, "expected vectors of s1 .* those of s2"),
        (lambda t: t, {"only": ("s1", "s2")}, "expected vectors of both .* those of s1, s2"),
        (lambda t: t, {"lr": 0.0}, "lr must be above 0"),
        (lambda t: t, {"epochs": 0}, "epochs must be a whole number of at least 1"),
        (lambda t: t, {"resume": True}, "--resume needs a run, found none"),
        (only_unmapped, {}, "none that fit"),
        (lambda t: t, {"weights": ""}, "expected the record of `csmoe embed`"),
    ],
)  # fmt: skip
def test_bad_input_is_one_line(tmp_path, change, options, message):
    options = dict(options)
    sensors = options.pop("only", ("s2", "s1", "both"))
    table = patch_table(60)
    vectors = telling_vectors(table)[: len(change(table))]
    if len(change(table)) > len(table):
        vectors = np.concatenate([telling_vectors(table), telling_vectors(table)[:1]])
    path = write_patches(
        tmp_path / "e.parquet", change(table), vectors=vectors, sensors=sensors,
        weights=options.pop("weights", WEIGHTS),
    )  # fmt: skip
    if "templates" in options:
        (tmp_path / "t.yaml").write_text(options["templates"])
        options["templates"] = tmp_path / "t.yaml"
    with pytest.raises(InputError, match=message) as refused:
        train(path, out=tmp_path / "run", **{**QUICK, **options})
    assert "\n" not in str(refused.value)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("tiles", "message"),
    [
        ({"grid_cell": ["0U_0R"]}, "expected the cells of .* found none with the name 1U_1R"),
        ({"grid_cell": ["0U_0R", "0U_0R"]}, "found 2 rows of 0U_0R"),
        ({"lat": [1.0]}, "must have the column grid_cell"),
    ],
)
def test_a_table_of_other_tiles_is_one_line(told, tmp_path, tiles, message):
    pq.write_table(pa.table(tiles), tmp_path / "a.parquet")
    with pytest.raises(InputError, match=message):
        train(told[0] / "e.parquet", out=tmp_path / "run", annotated=tmp_path / "a.parquet")
