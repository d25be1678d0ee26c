"""`csmoe_model.ensembles.add`: new members beside unchanged ones."""

import shutil

import numpy as np
import pytest
import torch
from ensemble_fixtures import save_specialist, two_tasks
from file_hashes import hashes

from csmoe_model.ensembles import add, build
from csmoe_model.extractors.load import load_extractor
from minortom.errors import InputError, OutputExistsError
from minortom.sensors import MODEL_BANDS


@pytest.fixture(scope="module")
def folders(data, tmp_path_factory):
    """Return the folder of an ensemble of one specialist, and of two further specialists."""
    folder = tmp_path_factory.mktemp("add")
    for number, name in enumerate(("west", "east", "radar")):
        save_specialist(
            folder / name, data, "s1" if name == "radar" else "s2", seed=number,
            licences=(f"of {name}",),
        )  # fmt: skip
    build([folder / "west"], data=data, root=None, out=folder / "ensemble", select="all")
    return folder


def vectors_of(folder, data):
    extractor = load_extractor(folder)
    images = data.split("test").images(np.arange(5))
    return extractor({s: images[s] for s in extractor.sensors}, bands=MODEL_BANDS)


def test_specialists_are_added_without_data_and_without_touching_others(data, folders, tmp_path):
    before, files = vectors_of(folders / "ensemble", data), hashes(folders / "ensemble")

    found = add(folders / "ensemble", [folders / "east", folders / "radar"], out=tmp_path / "all")

    assert [member["name"] for member in found.members] == ["west", "east", "radar"]
    after = vectors_of(tmp_path / "all", data)
    assert torch.equal(after[:, : before.shape[1]], before)
    assert hashes(folders / "ensemble") == files
    for name in ("west", "east", "radar"):
        assert hashes(tmp_path / "all" / "members" / name) == hashes(folders / name)
    assert set(load_extractor(tmp_path / "all").licences) == {
        "of west", "of east", "of radar", "of these labels",
    }  # fmt: skip
    assert add(
        folders / "ensemble", [folders / "east", folders / "radar"], out=tmp_path / "all"
    ).status == "up to date"  # fmt: skip


def test_a_specialist_is_standardised_by_its_own_images_or_by_those_of_a_set(
    data, folders, tmp_path
):
    own = add(folders / "ensemble", [folders / "east"], out=tmp_path / "own")
    other = two_tasks(seed=1)
    given = add(folders / "ensemble", [folders / "east"], out=tmp_path / "given", data=other)
    same = add(folders / "ensemble", [folders / "east"], out=tmp_path / "same", data=data)
    found = [load_extractor(one.out).members[1].statistics.mean_D for one in (own, given, same)]
    torch.testing.assert_close(found[0], found[2])
    assert not torch.allclose(found[0], found[1])


def test_features_without_statistics_need_a_set(data, folders, tmp_path):
    out = tmp_path / "out"
    for name in ("band-statistics", "random-convolutions"):
        with pytest.raises(InputError, match=f"{name} stores no statistics .* give both"):
            add(folders / "ensemble", [name], out=out)
    found = add(
        folders / "ensemble", ["band-statistics", "random-convolutions"], out=out, data=data
    )
    assert [member["kind"] for member in found.members[1:]] == [
        "band-statistics", "random-convolutions",
    ]  # fmt: skip
    # Filters are made of pixels of the images, and so inherit their licences.
    assert [member["licences"] for member in found.members[1:]] == [[], ["of these labels"]]
    vectors = vectors_of(out, data)
    assert vectors.isfinite().all()
    assert vectors.shape[1] == found.width


def test_members_with_the_names_of_other_inputs_hide_nothing(data, folders, tmp_path):
    other = shutil.copytree(folders / "radar", tmp_path / "other")
    build([other], data=data, root=None, out=tmp_path / "another", select="all")
    add(folders / "ensemble", [f"ensemble={folders / 'east'}"], out=tmp_path / "a")
    with pytest.raises(OutputExistsError, match="other inputs or options"):
        add(tmp_path / "another", [f"ensemble={folders / 'east'}"], out=tmp_path / "a")

    add(folders / "ensemble", [f"data={folders / 'east'}"], out=tmp_path / "b", data=data)
    with pytest.raises(OutputExistsError, match="other inputs or options"):
        add(folders / "ensemble", [f"data={other}"], out=tmp_path / "b", data=data)


@pytest.mark.parametrize(
    ("ensemble", "given", "options", "message"),
    [
        ("ensemble", ["west"], {}, "other names than those of the ensemble, found west"),
        ("ensemble", ["again=west"], {}, "again has the SHA-256 of the member west"),
        ("west", ["east"], {}, "expected an ensemble, found .* kind specialist"),
        ("ensemble", [], {}, "at least one extractor"),
        *(
            ("ensemble", ["east"], {name: value}, f"--{option} belongs to --data, found --{option}")
            for name, value, option in (
                ("root", ".", "root"),
                ("label", "climate", "label"),
                ("cache", "c", "cache"),
                ("split_by", "blocks", "split-by"),
                ("s2_bands", "B02", "s2-bands"),
                ("s1_bands", "VV", "s1-bands"),
                ("s2_offset", -1000, "s2-offset"),
            )
        ),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(
    folders, tmp_path, monkeypatch, ensemble, given, options, message
):
    monkeypatch.chdir(folders)
    with pytest.raises(InputError, match=message) as refused:
        add(ensemble, given, out=tmp_path / "out", **options)
    assert "\n" not in str(refused.value)
    assert list(tmp_path.iterdir()) == []


def test_a_cache_inside_the_larger_ensemble_is_refused(data, folders, tmp_path):
    ensemble, out = folders / "ensemble", tmp_path / "out"
    with pytest.raises(InputError, match=r"--cache must lie outside --out .*, found"):
        add(ensemble, [folders / "east"], out=out, data=data, cache=out / "cache")
    assert list(tmp_path.iterdir()) == []


def test_an_ensemble_is_a_member_like_any_other(data, folders, tmp_path):
    inner = shutil.copytree(folders / "ensemble", tmp_path / "inner")
    found = build(
        [inner, folders / "radar"], data=data, root=None, out=tmp_path / "outer", select="all"
    )
    assert [member["kind"] for member in found.members] == ["ensemble", "specialist"]
    assert vectors_of(tmp_path / "outer", data).shape == (5, found.width)
