"""A loaded model: bands by name, measured values, saving."""

import json
import shutil

import numpy as np
import pytest
import torch
from markdown_reader import HOSTILE, PARSER, hostile, outline
from model_folders import write
from training_shards import MODEL, learnable_shards

from csmoe_model.checkpoints.card_usage import checkpoint_usage
from csmoe_model.checkpoints.model_card import AFTER, model_card
from csmoe_model.csmoe import CSMoE
from csmoe_model.data.bands import channels
from csmoe_model.data.normalise import Normalise
from csmoe_model.nn.masking import draw_masks
from minortom.errors import InputError, OutputExistsError
from minortom.sensors import MODEL_BANDS, S2_10M, S2_20M
from minortom.shards.shard_set import ShardSet

S2 = MODEL_BANDS["s2"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pretrained")
    shards = ShardSet.open(learnable_shards(folder / "shards", train=5, val=0))
    torch.manual_seed(0)
    write(folder / "model", CSMoE(MODEL), shards.statistics)
    return folder


@pytest.fixture(scope="module")
def model(folder):
    return CSMoE.from_pretrained(folder / "model")


@pytest.fixture(scope="module")
def measured(folder):
    """The patches of the shards as a user has them: every band at 10 m, DN and dB."""
    shards = ShardSet.open(folder / "shards")
    buffers = shards.buffers(len(shards))
    for sample in range(len(shards)):
        shards.read_into(sample, buffers, sample)
    fine = {band: buffers["s2_10m"][:, i] for i, band in enumerate(S2_10M.bands)}
    fine |= {
        band: buffers["s2_20m"][:, i].repeat(2, 1).repeat(2, 2)
        for i, band in enumerate(S2_20M.bands)
    }
    s2 = torch.from_numpy(np.stack([fine[band] for band in S2], axis=1))
    stored = {column: torch.from_numpy(array) for column, array in buffers.items()}
    return stored, s2, torch.from_numpy(buffers["s1"] / 100)


# --- values and bands


@pytest.mark.parametrize("image_size", [None, 16, 12, 24])
def test_what_a_user_prepares_is_what_training_sees(model, measured, image_size):
    stored, s2, s1 = measured
    wanted = Normalise(model.origin.statistics, image_size=image_size or 16)(stored)

    found = model.prepare(s2=s2, s1=s1, image_size=image_size)

    assert list(found) == ["s2", "s1"]
    for sensor, image in found.items():
        torch.testing.assert_close(image, wanted[sensor], rtol=1e-5, atol=1e-4)


def test_channels_in_any_order_and_number_come_out_the_same(model, measured):
    _, s2, s1 = measured
    names = ["B12", "B01", *reversed(S2[:-1]), "B09", "B10"]
    mixed = torch.stack(
        [s2[:, S2.index(name)] if name in S2 else torch.zeros_like(s2[:, 0]) for name in names], 1
    )

    found = model.prepare(s2=mixed, s2_bands=names, s1=s1.flip(1), s1_bands=("VH", "VV"))

    wanted = model.prepare(s2=s2, s1=s1)
    assert torch.equal(found["s2"], wanted["s2"])
    assert torch.equal(found["s1"], wanted["s1"])


def test_encoding_takes_bands_by_name_too(model, measured):
    images = model.prepare(s2=measured[1])["s2"]

    found = model.encode(s2=images.flip(1), s2_bands=S2[::-1])["s2"]

    assert torch.equal(found, model.encode(s2=images)["s2"])


@pytest.mark.parametrize(
    "names",
    [
        "B2 B3 B4 B5 B6 B7 B8 B8a B11 B12",
        "b02 b03 b04 b05 b06 b07 b08 b8a b11 b12",
        "BLUE GREEN RED RED_EDGE_1 RED_EDGE_2 RED_EDGE_3 NIR_BROAD NIR_NARROW SWIR_1 SWIR_2",
    ],
)
def test_other_spellings_of_bands_are_understood(names):
    assert channels("s2", names.split()) == list(range(10))


@pytest.mark.parametrize(
    ("sensor", "names", "message"),
    [
        ("s2", (*S2, "B13"), "unknown s2 band 'B13'; known bands are B02, .* B10$"),
        ("s2", S2[2:], "the model needs the s2 bands B02 B03 .*, found B04 .*; add B02, B03$"),
        ("s2", (*S2, "blue"), "the s2 band B02 occurs twice"),
        ("s1", ("vv",), "the model needs the s1 bands vv vh, found vv; add vh"),
        ("s1", ("vv", "vh", "ratio"), "unknown s1 band 'ratio'; known bands are vv, vh, hh, hv"),
        ("s1", (), "found none; add vv, vh"),
    ],
)
def test_bands_that_do_not_fit_are_named(sensor, names, message):
    with pytest.raises(InputError, match=message):
        channels(sensor, names)


def test_names_must_be_as_many_as_channels(model):
    with pytest.raises(InputError, match=r"\[batch, 2, height, width\] with the bands vh vv, f"):
        model.prepare(s1=torch.zeros(1, 3, 16, 16), s1_bands=("vh", "vv"))


@pytest.mark.parametrize("dtype", [torch.uint16, torch.int64])
def test_what_was_measured_must_be_normalised_first(model, dtype):
    with pytest.raises(InputError, match="must be normalised.*prepare"):
        model.encode(s1=torch.ones(1, 2, 16, 16, dtype=dtype))


def test_what_was_not_measured_is_refused(model):
    s1 = torch.full((1, 2, 16, 16), torch.nan)
    with pytest.raises(InputError, match="s1 pixels must be finite numbers, found NaN or infinity"):
        model.prepare(s1=s1)


def test_a_model_without_statistics_cannot_normalise():
    with pytest.raises(InputError, match="prepare needs the statistics of the training data"):
        CSMoE(MODEL).prepare(s1=torch.zeros(1, 2, 16, 16))


def test_the_statistics_are_no_weights(model):
    assert set(model.state_dict()) == {name for name, _ in CSMoE(MODEL).named_parameters()}


# --- loading and saving


def test_loading_draws_nothing_from_the_users_random_numbers(folder):
    torch.manual_seed(3)
    wanted = torch.rand(1)
    torch.manual_seed(3)

    model = CSMoE.from_pretrained(folder / "model")

    assert torch.equal(torch.rand(1), wanted)
    assert not model.training


def test_what_is_loaded_is_trained_on_and_the_file_stays(folder, tmp_path):
    copy = shutil.copytree(folder / "model", tmp_path / "model")
    before = (copy / "model.safetensors").read_bytes()
    model = CSMoE.from_pretrained(copy)
    masks = draw_masks(range(2), num_patches=16, mask_ratio=0.5, mode="disjoint", seed=0, epoch=0)
    s2, s1 = torch.randn(2, 10, 16, 16), torch.randn(2, 2, 16, 16)
    first = model(s2, s1, masks).loss
    first.backward()
    torch.optim.SGD(model.parameters(), lr=1e-4).step()

    assert model(s2, s1, masks).loss < first
    assert all(weight.device.type == "cpu" for weight in (*model.parameters(), *model.buffers()))
    assert (copy / "model.safetensors").read_bytes() == before


def test_weights_saved_in_half_precision_are_loaded_in_single(folder, tmp_path):
    CSMoE.from_pretrained(folder / "model").bfloat16().save_pretrained(tmp_path / "half")
    again = CSMoE.from_pretrained(tmp_path / "half")
    assert {weight.dtype for weight in again.parameters()} == {torch.float32}
    assert again.encode(s1=torch.randn(1, 2, 16, 16))["s1"].isfinite().all()


def test_the_weights_have_the_permissions_of_other_files(model, tmp_path):
    model.save_pretrained(tmp_path / "model")
    modes = {path.stat().st_mode & 0o777 for path in (tmp_path / "model").iterdir()}
    (tmp_path / "plain").touch()
    assert modes == {(tmp_path / "plain").stat().st_mode & 0o777}


def test_what_is_saved_again_is_the_same_but_for_the_name_on_the_card(model, folder, tmp_path):
    model.save_pretrained(tmp_path / "again")

    for name in ("model.safetensors", "config.json"):
        assert (tmp_path / "again" / name).read_bytes() == (folder / "model" / name).read_bytes()
    assert f'from_pretrained("{tmp_path / "again"}")' in (tmp_path / "again/README.md").read_text()


def test_a_folder_with_files_is_never_written_to(model, tmp_path):
    (tmp_path / "mine.txt").write_text("precious")
    with pytest.raises(OutputExistsError, match="give a new or empty folder"):
        model.save_pretrained(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_weights_that_were_changed_say_so(folder, tmp_path):
    model = CSMoE.from_pretrained(folder / "model")
    loaded = model.origin
    with torch.no_grad():
        model.backbone.sensors["s2"].cls_D.add_(1)
    model.save_pretrained(tmp_path / "tuned")

    again = CSMoE.from_pretrained(tmp_path / "tuned").origin
    assert again.record["command"] == "save_pretrained"
    assert again.record["inputs"] == {"weights": loaded.weights_sha256}
    assert again.history == (loaded.record,)
    assert again.licences == loaded.licences == ("CC-BY-SA-4.0",)
    assert "- `save_pretrained` of minortom" in (tmp_path / "tuned/README.md").read_text()


def test_the_card_names_licence_bands_statistics_and_source(folder, model):
    card = (folder / "model" / "README.md").read_text()

    assert card.startswith("---\nlicense: cc-by-sa-4.0\n")
    mean = model.origin.statistics["s1"]["mean"][0] / 100
    std = model.origin.statistics["s1"]["std"][0] / 100
    assert f"| s1 | vv | dB | {mean:.4g} | {std:.4g} |" in card
    for wanted in (*S2, "ab" * 32, "- CC-BY-SA-4.0", "No quality is claimed"):
        assert wanted in card


def test_text_of_others_adds_no_markup_to_the_card(model):
    record = {
        "command": "train", "version": "1", "options": {"train": {"lr": "0.1", "name": "a"}},
        "inputs": {"shards": "ab" * 32}, "licences": ["CC-BY-SA-4.0"],
    }  # fmt: skip
    kept = record | {"options": {AFTER: {"epochs": HOSTILE, "steps": 3}}}
    odd = {key: hostile(value) for key, value in record.items()}

    def card(records, name, recipe):
        return model_card(
            usage=checkpoint_usage(name, ("s2", "s1"), image_size=MODEL.image_size),
            config=MODEL, sensors=("s2", "s1"), encoder_only=False, recipe=recipe,
            statistics=model.origin.statistics, records=records, num_weights=1,
        ).split("\n---\n", 1)[1]  # fmt: skip

    plain = card([record, kept | {"options": {}}], "someone/tiny", "tiny")
    text = card([odd, kept], f"someone/tiny {HOSTILE}", f"tiny {HOSTILE}")

    assert outline(text) == outline(plain)
    (example,) = [token.content for token in PARSER.parse(text) if token.type == "fence"]
    compile(example, "card", "exec")


def test_an_encoder_alone_cannot_be_pretrained():
    alone = CSMoE(MODEL, encoder_of=("s2", "s1"))
    masks = draw_masks(
        range(2), num_patches=16, mask_ratio=0.5, mode="independent", seed=0, epoch=0
    )
    with pytest.raises(InputError, match="pretraining needs decoders"):
        alone(torch.zeros(2, 10, 16, 16), torch.zeros(2, 2, 16, 16), masks)


@pytest.mark.parametrize("statistics", [{"s2_10m": [1]}, {"s2_10m": None}, [1]])
def test_a_configuration_with_no_statistics_is_damaged(folder, tmp_path, statistics):
    copy = shutil.copytree(folder / "model", tmp_path / "model")
    config = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps(config | {"statistics": statistics}))

    with pytest.raises(InputError, match=r"config\.json is damaged"):
        CSMoE.from_pretrained(copy)


@pytest.mark.parametrize("sensors", [["s3"], [], ["s2", "s2"], "s2", 7])
def test_a_configuration_with_other_sensors_is_damaged(folder, tmp_path, sensors):
    copy = shutil.copytree(folder / "model", tmp_path / "model")
    config = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps(config | {"encoder_of": sensors}))

    with pytest.raises(InputError, match=r"config\.json is damaged"):
        CSMoE.from_pretrained(copy)
