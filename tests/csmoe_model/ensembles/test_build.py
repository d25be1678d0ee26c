"""`csmoe_model.ensembles.build`: what is chosen, written and run, and what is refused."""

import json
import math
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from ensemble_fixtures import save_specialist

from csmoe_model.ensembles import add, build
from csmoe_model.extractors.load import load_extractor
from csmoe_model.extractors.map_images import encode_set
from minortom.errors import InputError, OutputExistsError
from minortom.sensors import MODEL_BANDS

BANDS = {"s2": MODEL_BANDS["s2"], "s1": MODEL_BANDS["s1"]}


@pytest.fixture(scope="module")
def pool(data, tmp_path_factory):
    """Return candidates: one specialist for each sensor, a copy of one, and random filters."""
    folder = tmp_path_factory.mktemp("pool")
    save_specialist(folder / "optical", data, "s2", licences=("CC BY 4.0, A",))
    save_specialist(folder / "radar", data, "s1", seed=1, licences=("CC BY 4.0, B",))
    shutil.copytree(folder / "radar", folder / "again")
    return [folder / "optical", folder / "radar", folder / "again", "random-convolutions"]


@pytest.fixture(scope="module")
def built(data, pool, tmp_path_factory):
    out = tmp_path_factory.mktemp("built") / "ensemble"
    return build(pool, data=data, root=None, out=out)


def images_of(data, split="test"):
    return data.split(split).images(np.arange(len(data.split(split))))


def names_of(result):
    return [member["name"] for member in result.members]


def test_useful_members_are_chosen_and_a_duplicate_is_not(built):
    chosen = set(names_of(built))
    assert len({"radar", "again"} & chosen) <= 1
    assert chosen | {entry["name"] for entry in built.rejected} == {
        "optical", "radar", "again", "random-convolutions",
    }  # fmt: skip
    steps = [row["candidate"] for row in built.trace if row["chosen"]]
    assert steps == names_of(built)
    explained = [row["explained"] for row in built.trace if row["chosen"]]
    assert explained == sorted(explained)


def test_a_candidate_that_was_left_out_and_added_later_is_listed_once(pool, built, tmp_path):
    name = built.rejected[0]["name"]
    (folder,) = (folder for folder in pool[:3] if folder.name == name)

    larger = add(built.out, [folder], out=tmp_path / "larger")

    (row,) = [row for row in larger.shown() if row["member"] == name]
    assert (row["chosen"], row["gain %"], row["explained %"]) == (True, None, None)
    assert larger.rejected == [entry for entry in built.rejected if entry["name"] != name]
    shown = {row["member"]: row["explained %"] for row in built.shown() if row["chosen"]}
    assert shown == {
        row["candidate"]: 100 * row["explained"] for row in built.trace if row["chosen"]
    }


def test_vectors_are_the_standardised_vectors_of_the_members(data, pool, tmp_path):
    found = build(pool[:2], data=data, root=None, out=tmp_path / "all", select="all")
    parts = []
    for folder, sensor in zip(pool[:2], ("s2", "s1"), strict=True):
        train, test = (
            encode_set(load_extractor(folder), data.split(name), sensors=[sensor], bands=BANDS)
            for name in ("train", "test")
        )
        train, test = train.astype(float), test.astype(float)
        parts.append((test - train.mean(0)) / train.std(0) / train.shape[1] ** 0.5)

    ensemble = load_extractor(tmp_path / "all")

    vectors = ensemble(images_of(data), bands=BANDS)
    np.testing.assert_allclose(vectors, np.hstack(parts), rtol=1e-4, atol=1e-4)
    assert ensemble.width == found.width == vectors.shape[1]
    assert found.trace == []
    members = [load_extractor(folder) for folder in pool[:2]]
    assert ensemble.cost == members[0].cost + members[1].cost
    assert found.multiply_adds == ensemble.cost_of({"s2": (32, 32), "s1": (32, 32)}).multiply_adds


def test_a_permuted_file_gives_equal_vectors_and_a_missing_band_is_named(data, built):
    ensemble, images = load_extractor(built.out), images_of(data)
    sensors = ensemble.sensors
    images = {sensor: images[sensor] for sensor in sensors}
    wanted = ensemble(images, bands={s: BANDS[s] for s in sensors})
    orders = {s: np.random.default_rng(0).permutation(len(BANDS[s])) for s in sensors}
    found = ensemble(
        {s: image[:, orders[s]] for s, image in images.items()},
        bands={s: [BANDS[s][k] for k in orders[s]] for s in sensors},
    )
    assert torch.equal(found, wanted)
    images["s1"], names = images["s1"][:, :1], {**BANDS, "s1": ("vv",)}
    with pytest.raises(InputError, match="needs the s1 bands vv vh, found vv; add vh"):
        ensemble(images, bands=names)


def test_deleted_candidates_change_no_bit(data, pool, tmp_path):
    copies = tmp_path / "copies"
    copies.mkdir()
    moved = [shutil.copytree(folder, copies / folder.name) for folder in pool[:3]]
    result = build([*moved, pool[3]], data=data, root=None, out=tmp_path / "ensemble")
    before = load_extractor(result.out)(images_of(data), bands=BANDS)
    assert result.rejected

    shutil.rmtree(copies)
    shared = shutil.move(tmp_path / "ensemble", tmp_path / "elsewhere")

    assert torch.equal(load_extractor(shared)(images_of(data), bands=BANDS), before)
    held = {folder.name for folder in (shared / "members").iterdir()}
    assert held == set(names_of(result))


def test_the_folder_names_licences_hashes_and_costs(built):
    manifest = json.loads((built.out / "ensemble.json").read_text())
    card = (built.out / "README.md").read_text()
    for entry in manifest["members"]:
        assert entry["sha256"] == load_extractor(built.out / "members" / entry["name"]).sha256
        assert set(entry["files"]) == {"config.json", "model.safetensors"}
        assert entry["name"] in card
    assert "is above 0.1 % and exceeds one paired\nstandard error; that of the first" in card
    licences = {line for entry in manifest["members"] for line in entry["licences"]}
    assert set(load_extractor(built.out).licences) == licences | {"of these labels"}
    assert all(line in card for line in licences)
    assert (built.out / "trace.png").read_bytes().startswith(b"\x89PNG")


def test_the_same_candidates_give_the_same_bytes_and_are_up_to_date(data, pool, built, tmp_path):
    again = build(pool, data=data, root=None, out=tmp_path / "again")
    for file in sorted(path for path in again.out.rglob("*") if path.is_file()):
        assert file.read_bytes() == (built.out / file.relative_to(again.out)).read_bytes(), file
    assert build(pool, data=data, root=None, out=again.out).status == "up to date"
    with pytest.raises(OutputExistsError, match="other inputs or options"):
        build(pool, data=data, root=None, out=again.out, seed=1)


def test_a_member_with_the_name_of_the_set_does_not_hide_another_set(data, pool, tmp_path):
    words = {"root": None, "out": tmp_path / "out", "select": "all"}
    build([f"data={pool[0]}"], data=data, **words)
    with pytest.raises(OutputExistsError, match="other inputs or options"):
        build([f"data={pool[0]}"], data=replace(data, sha256="f" * 64), **words)


@pytest.mark.parametrize("share", [1.0, 0.5])
def test_the_budget_is_respected(data, pool, tmp_path, share):
    costs = [load_extractor(folder).cost.multiply_adds for folder in pool[:2]]
    budget = share * sum(costs) / 1e9
    found = build(pool[:2], data=data, root=None, out=tmp_path / "small", budget=budget)
    assert found.multiply_adds <= budget * 1e9
    assert len(found.members) == (2 if share == 1 else 1)


def test_a_multilabel_set_is_predicted_label_by_label(data, pool, tmp_path):
    splits = {
        name: replace(split, labels=np.stack([split.labels // 2, split.labels % 2], 1) == 1)
        for name, split in data.splits.items()
    }
    several = replace(data, task="multilabel", classes=("bright", "rough"), splits=splits)
    found = build(pool[:2], data=several, root=None, out=tmp_path / "several")
    assert sorted(names_of(found)) == ["optical", "radar"]


@pytest.mark.parametrize(
    ("given", "options", "message"),
    [
        ([], {}, "at least one extractor, found none"),
        (5, {}, "extractors must be EXTRACTOR or NAME=EXTRACTOR, or a sequence of these, found 5"),
        ([["optical"]], {}, r"extractors must be a path \(str or Path\), found list"),
        (["optical", "x=optical", "x=radar"], {}, "different names, found x twice; .*x=NAME|NAME="),
        (["a b=optical"], {}, "letters, digits"),
        (["radar"], {"sensor": "s2"}, "expected s2 in the model, found only s1"),
        (["optical"], {"budget": 1e-9}, "at least .* the cheapest candidate, optical, found 1e-09"),
        (["optical", "radar"], {"budget": 1e-5, "select": "all"}, "all candidates together"),
        (["nowhere"], {}, "nowhere does not exist"),
        (["optical"], {"select": "best"}, "select must be"),
        (["optical"], {"budget": "much"}, "budget must be a number"),
        (["optical"], {"budget": math.inf}, "budget must be a finite number, found inf"),
        (["optical"], {"budget": math.nan}, "budget must be a finite number, found nan"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(
    data, pool, tmp_path, monkeypatch, given, options, message
):
    monkeypatch.chdir(pool[0].parent)
    with pytest.raises(InputError, match=message) as refused:
        build(given, data=data, root=None, out=tmp_path / "out", **options)
    assert "\n" not in str(refused.value)
    assert list(tmp_path.iterdir()) == []


def test_a_cache_inside_the_ensemble_is_refused(data, pool, tmp_path):
    out = tmp_path / "out"
    with pytest.raises(InputError, match=r"--cache must lie outside --out .*, found"):
        build(pool[:1], data=data, root=None, out=out, cache=out / "cache")
    assert list(tmp_path.iterdir()) == []


def test_bands_that_the_set_lacks_are_named(data, pool, tmp_path):
    few = {"s2": MODEL_BANDS["s2"][:3], "s1": MODEL_BANDS["s1"]}
    with pytest.raises(InputError, match="s2 bands .* add B05, B06"):
        build(pool[:1], data=replace(data, bands=few), root=None, out=tmp_path / "out")


def relabelled(data, change):
    train = change(data.split("train"))
    return replace(data, splits={**data.splits, "train": train})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: replace(s, labels=np.zeros_like(s.labels)), "at least two classes"),
        (lambda s: replace(s, groups=np.repeat(["a", "b"], 48)), "at least 5 groups .* found 2"),
        (
            lambda s: replace(s, labels=np.random.default_rng(3).permutation(s.labels)),
            "expected a candidate that predicts the labels",
        ),
    ],
)
def test_labels_that_select_nothing_are_refused(data, pool, tmp_path, change, message):
    with pytest.raises(InputError, match=message):
        build(pool[:1], data=relabelled(data, change), root=None, out=tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_differs_from_the_manifest_is_refused(built, tmp_path):
    folder = shutil.copytree(built.out, tmp_path / "changed")
    name = names_of(built)[0]
    file = folder / "members" / name / "config.json"
    file.write_text(file.read_text() + " ")
    with pytest.raises(InputError, match=f"files of the member {name} with the SHA-256"):
        load_extractor(folder)
    shutil.rmtree(file.parent)
    with pytest.raises(InputError, match=f"files of the member {name} .*, found none"):
        load_extractor(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": "../outside"}, "name of a file without folders"),
        ({"name": "other"}, "files of the member other"),
        ({"sha256": "0" * 64}, "SHA-256"),
        ({"sensors": []}, ", found none in the member"),
        ({"kind": "band-statistics", "files": None}, "SHA-256"),
    ],
)
def test_a_changed_manifest_is_refused(built, tmp_path, change, message):
    folder = shutil.copytree(built.out, tmp_path / "changed")
    manifest = json.loads((folder / "ensemble.json").read_text())
    manifest["members"][0] |= change
    (folder / "ensemble.json").write_text(json.dumps(manifest))
    with pytest.raises(InputError, match=message):
        load_extractor(folder)
