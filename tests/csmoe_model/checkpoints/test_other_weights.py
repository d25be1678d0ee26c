"""Models as other people's code leaves them: half precision, compiled, in several files."""

import json
import shutil

import numpy as np
import pytest
import torch
from model_folders import write
from safetensors.torch import load_file, save_file
from torch import nn
from training_shards import MODEL, learnable_shards

import csmoe_model
from csmoe_model.csmoe import CSMoE
from csmoe_model.nn.masking import draw_masks
from minortom.errors import InputError
from minortom.shards.shard_set import ShardSet

HALVES = [torch.bfloat16, torch.float16]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("others")
    shards = ShardSet.open(learnable_shards(folder / "shards", train=5, val=0))
    torch.manual_seed(0)
    write(folder / "model", CSMoE(MODEL), shards.statistics)
    return folder


@pytest.fixture
def model(folder):
    return CSMoE.from_pretrained(folder / "model")


@pytest.fixture(scope="module")
def pixels():
    """Reflectances × 10,000 near 2000, where bfloat16 has steps of 16."""
    generator = torch.Generator().manual_seed(0)
    return 2000 + 300 * torch.randn(3, 10, 16, 16, generator=generator)


# --- half precision


@pytest.mark.parametrize("dtype", HALVES)
@pytest.mark.parametrize("place", ["to", "from_pretrained"])
def test_a_model_in_half_precision_encodes_as_in_float32(folder, model, pixels, dtype, place):
    wanted = model.encode(**model.prepare(s2=pixels), patch_tokens=True)
    maps = model.features(**model.prepare(s2=pixels), layers=(0, -1))

    half = CSMoE.from_pretrained(folder / "model", dtype=dtype if place != "to" else torch.float32)
    half = half.to(dtype)
    assert {weight.dtype for weight in half.parameters()} == {dtype}
    images = half.prepare(s2=pixels)
    assert torch.equal(images["s2"], model.prepare(s2=pixels)["s2"])
    found = half.encode(**images, patch_tokens=True)
    for name, tensor in wanted.items():
        assert torch.cosine_similarity(found[name].float(), tensor, dim=-1).min() > 0.99
    for mine, theirs in zip(half.features(**images, layers=(0, -1)), maps, strict=True):
        assert torch.cosine_similarity(mine.float(), theirs, dim=1).mean() > 0.99


def test_half_on_a_model_is_float16(model, pixels):
    vectors = model.half().encode(**model.prepare(s2=pixels))["s2"]
    assert vectors.dtype == torch.float16
    assert vectors.isfinite().all()


def test_double_stays_exact(model, pixels):
    wanted = model.encode(**model.prepare(s2=pixels))["s2"]
    double = model.double()
    found = double.encode(**double.prepare(s2=pixels))["s2"]
    assert found.dtype == torch.float64
    assert torch.allclose(found.float(), wanted, atol=1e-4)


@pytest.mark.parametrize("dtype", HALVES)
def test_pretraining_in_half_precision_names_autocast(model, dtype):
    s2, s1 = torch.zeros(2, 10, 16, 16), torch.zeros(2, 2, 16, 16)
    masks = draw_masks(range(2), num_patches=16, mask_ratio=0.5, mode="independent", seed=0,
                       epoch=0)  # fmt: skip
    with pytest.raises(InputError, match=rf"found {dtype}; call model.float\(\) and use torch.aut"):
        model.to(dtype)(s2, s1, masks)
    model.float()(s2.numpy(), s1.numpy(), masks).loss.backward()


@pytest.mark.parametrize("dtype", [torch.int8, "bfloat16", None, torch.complex64])
def test_another_type_is_refused(folder, dtype):
    with pytest.raises(InputError, match=r"dtype must be one of torch.float32, .* found"):
        CSMoE.from_pretrained(folder / "model", dtype=dtype)


@pytest.mark.parametrize("device", ["cuda:99", "gpu", 1.5])
def test_a_device_that_is_not_there_is_refused_before_the_weights_are_read(tmp_path, device):
    with pytest.raises(InputError, match=r"device must be one that torch can use"):
        CSMoE.from_pretrained(tmp_path / "none", device=device)


def test_the_device_is_that_of_the_weights_and_the_statistics(folder):
    model = CSMoE.from_pretrained(folder / "model", device=torch.device("cpu"))
    assert {t.device.type for t in (*model.parameters(), *model.buffers())} == {"cpu"}


# --- compiled


@pytest.mark.parametrize("part", ["backbone", "shared"])
def test_a_compiled_part_is_saved_under_the_names_of_the_plain_model(
    folder, model, pixels, tmp_path, part
):
    wanted = model.encode(**model.prepare(s2=pixels))["s2"]
    if part == "backbone":
        model.backbone = torch.compile(model.backbone, backend="eager")
    else:
        model.backbone.shared = torch.compile(model.backbone.shared, backend="eager")
    assert any("_orig_mod." in name for name in model.state_dict())
    with torch.inference_mode():
        compiled = model.encode(**model.prepare(s2=pixels))["s2"]
    model.save_pretrained(tmp_path / "saved")

    names = load_file(tmp_path / "saved" / "model.safetensors").keys()
    assert names == load_file(folder / "model" / "model.safetensors").keys()
    again = CSMoE.from_pretrained(tmp_path / "saved")
    assert torch.equal(again.encode(**again.prepare(s2=pixels))["s2"], wanted)
    assert torch.allclose(compiled, wanted, atol=1e-5)


def test_a_file_with_the_prefix_is_loaded(folder, tmp_path):
    shutil.copytree(folder / "model", tmp_path / "model")
    file = tmp_path / "model" / "model.safetensors"
    save_file({f"_orig_mod.{name}": t for name, t in load_file(file).items()}, file)
    wanted = CSMoE.from_pretrained(folder / "model").state_dict()
    found = CSMoE.from_pretrained(tmp_path / "model").state_dict()
    assert found.keys() == wanted.keys()
    for name, tensor in wanted.items():
        assert torch.equal(found[name], tensor), name


# --- several files


def split(folder, out):
    """Write the weights into two files with an index, as `save_torch_model` does."""
    shutil.copytree(folder / "model", out)
    tensors = load_file(out / "model.safetensors")
    (out / "model.safetensors").unlink()
    names = sorted(tensors)
    where = {}
    for number, part in enumerate((names[::2], names[1::2]), 1):
        file = f"model-{number:05d}-of-00002.safetensors"
        save_file({name: tensors[name] for name in part}, out / file, metadata={"format": "pt"})
        where |= dict.fromkeys(part, file)
    index = {"metadata": {"total_size": 0}, "weight_map": where}
    (out / "model.safetensors.index.json").write_text(json.dumps(index))
    return out


def test_weights_in_several_files_are_those_of_one(folder, tmp_path, pixels):
    out = split(folder, tmp_path / "parts")
    whole, parts = CSMoE.from_pretrained(folder / "model"), CSMoE.from_pretrained(out)
    for name, tensor in whole.state_dict().items():
        assert torch.equal(parts.state_dict()[name], tensor), name
    assert parts.origin.weights_sha256 not in ("", whole.origin.weights_sha256)
    csmoe_model.export(out, out=tmp_path / "encoder", sensor="s2")
    encoder = CSMoE.from_pretrained(tmp_path / "encoder")
    assert torch.equal(*(one.encode(**one.prepare(s2=pixels))["s2"] for one in (encoder, whole)))


def test_the_hash_of_several_files_depends_on_each(folder, tmp_path):
    out = split(folder, tmp_path / "parts")
    before = CSMoE.from_pretrained(out).origin.weights_sha256
    last = out / "model-00002-of-00002.safetensors"
    save_file({name: t + 1 for name, t in load_file(last).items()}, last)
    assert CSMoE.from_pretrained(out).origin.weights_sha256 != before


@pytest.mark.parametrize(
    ("index", "expected"),
    [
        ("{", "must be an index of weights"),
        ("[" * 50_000 + "]" * 50_000, "must be an index of weights .* deep"),
        ('{"weight_map": {}}', "must name files of its own folder, found none"),
        ('{"weight_map": {"a": "../other.safetensors"}}', "must name files of its own folder"),
        ('{"weight_map": {"a": "gone.safetensors"}}', "cannot read"),
    ],
)
def test_a_damaged_index_is_one_line(folder, tmp_path, index, expected):
    out = split(folder, tmp_path / "parts")
    (out / "model.safetensors.index.json").write_text(index)
    with pytest.raises(InputError, match=expected):
        CSMoE.from_pretrained(out)


# --- batches


@pytest.mark.parametrize("make", [torch.empty, np.empty])
@pytest.mark.parametrize("method", ["encode", "prepare", "features"])
def test_an_empty_batch_is_one_line(model, make, method):
    with pytest.raises(InputError, match="s2 images must be at least one image, found none"):
        getattr(model, method)(s2=make((0, 10, 16, 16)))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("method", ["encode", "features"])
def test_pixels_that_are_not_numbers_are_refused(model, value, method):
    images = np.zeros((1, 10, 16, 16), np.float32)
    images[0, 3, 2, 1] = value
    with pytest.raises(InputError, match="s2 pixels must be finite numbers"):
        getattr(model, method)(s2=images)


def test_arrays_and_tensors_have_the_same_vectors(model, pixels):
    image = model.prepare(s2=pixels)["s2"]
    assert torch.equal(model.encode(s2=image.numpy())["s2"], model.encode(s2=image)["s2"])


def test_the_encoder_alone_is_a_module_that_moves_to_half(model, pixels):
    class Head(nn.Module):
        def __init__(self):
            super().__init__()
            self.encoder, self.head = model, nn.Linear(MODEL.width, 2)

        def forward(self, s2):
            return self.head(self.encoder.encode(s2=s2)["s2"])

    assert Head().bfloat16()(model.prepare(s2=pixels)["s2"]).shape == (3, 2)
