import copy
import re

import pytest
import torch

from csmoe_model.csmoe import CSMoE
from csmoe_model.nn.backbone import Backbone
from csmoe_model.nn.cost_table import cost_table
from csmoe_model.nn.layers import patchify
from csmoe_model.nn.masking import draw_masks
from csmoe_model.recipes import RECIPES, recipe
from minortom.errors import InputError

TINY = recipe("tiny")


def images(batch=2):
    generator = torch.Generator().manual_seed(0)
    s2 = torch.randn(batch, 10, 56, 56, generator=generator)
    return s2, torch.randn(batch, 2, 56, 56, generator=generator)


def masks_of(mask_ratio=0.5):
    return draw_masks(
        range(2), num_patches=49, mask_ratio=mask_ratio, mode="independent", seed=0, epoch=0
    )


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return CSMoE(TINY)


class Unchanged(torch.nn.Module):
    """Replaces the layers, to record their input."""

    def forward(self, x_BND, on_layer=None):
        del on_layer
        return x_BND


def test_a_visible_patch_enters_with_its_own_position_and_cls_with_none(model):
    encoder = copy.deepcopy(model.backbone.sensors["s2"])
    encoder.trunk = Unchanged()
    patches = patchify(images()[0], TINY.patch_size)
    visible = masks_of().s2.visible_BU
    tokens = encoder(patches, visible_BU=visible)

    for image in range(2):
        torch.testing.assert_close(tokens[image, 0], encoder.cls_D)
        for place, patch in enumerate(visible[image].tolist()):
            wanted = encoder.embed(patches[image, patch]) + encoder.position_ND[patch]
            torch.testing.assert_close(tokens[image, 1 + place], wanted)


def test_a_mask_of_ratio_zero_encodes_as_no_mask_does(model):
    for sensor, image in zip(("s2", "s1"), images(), strict=True):
        everything = masks_of(mask_ratio=0.0).of(sensor).visible_BU
        patches = patchify(image, TINY.patch_size)
        encoder = model.backbone.sensors[sensor]
        masked = model.backbone.shared(encoder(patches, visible_BU=everything), conditions=())
        found = model.encode(**{sensor: image}, patch_tokens=True)
        torch.testing.assert_close(masked[:, 0], found[sensor])
        torch.testing.assert_close(masked[:, 1:], found[f"{sensor}_tokens"])


def test_the_vectors_of_a_sensor_do_not_depend_on_the_other(model):
    s2, s1 = images()
    both = model.encode(s2, s1)
    assert list(both) == ["s2", "s1"]
    assert torch.equal(both["s2"], model.encode(s2=s2)["s2"])
    assert torch.equal(both["s1"], model.encode(s1=s1)["s1"])


@pytest.mark.parametrize(("height", "width"), [(8, 8), (64, 56), (120, 40)])
def test_images_of_any_size_that_the_patch_divides_are_encoded(model, height, width):
    out = model.encode(torch.randn(1, 10, height, width), patch_tokens=True)
    assert out["s2"].shape == (1, TINY.width)
    assert out["s2_tokens"].shape == (1, height * width // 64, TINY.width)


def test_patch_tokens_come_in_raster_order(model):
    """A change in one patch changes the token of that patch most."""
    s2, _ = images(1)
    changed = s2.clone()
    changed[:, :, 16:24, 40:48] += 5.0  # row 2, column 5
    encoder = model.backbone.sensors["s2"]
    before, after = (encoder.embed(patchify(image, TINY.patch_size)) for image in (s2, changed))
    assert (before != after).any(2).nonzero().tolist() == [[0, 2 * 7 + 5]]


def test_positions_distinguish_equal_patches(model):
    flat = torch.ones(1, 10, 56, 56)
    tokens = model.encode(flat, patch_tokens=True)["s2_tokens"][0]
    assert torch.pdist(tokens).min() > 1e-3


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "at least one sensor, s2 or s1"),
        ({"s2": torch.zeros(1, 12, 56, 56)}, r"s2 images must be \[batch, 10, height, width\]"),
        ({"s1": torch.zeros(2, 56, 56)}, r"with the bands vv vh, found \[2, 56, 56\]; add an axis"),
        ({"s2": torch.zeros(1, 10, 56, 60)}, "multiples of the patch size 8, found 56 x 60 pixels"),
    ],
)
def test_images_that_do_not_fit_are_refused(model, given, message):
    with pytest.raises(InputError, match=message):
        model.encode(**given)


def test_one_sensors_path_alone_gives_the_same_vectors(model):
    alone = Backbone(TINY, sensors=("s2",))
    weights = model.backbone.state_dict()
    kept = {name: weights[name] for name in weights if not name.startswith("sensors.s1.")}
    alone.load_state_dict(kept)  # strict: nothing missing, nothing left over
    s2, s1 = images()
    assert torch.equal(alone(s2=s2)["s2"], model.encode(s2=s2)["s2"])
    with pytest.raises(InputError, match="one that this model encodes, s2, found s1"):
        alone(s1=s1)


def test_evaluation_and_training_mode_agree(model):
    s2, _ = images()
    assert torch.equal(copy.deepcopy(model).eval().encode(s2)["s2"], model.encode(s2)["s2"])


class Encode(torch.nn.Module):
    """One tensor in, one out, for `torch.export`."""

    def __init__(self, backbone):
        super().__init__()
        self.backbone = backbone

    def forward(self, s2):
        return self.backbone(s2=s2)["s2"]


def test_encoding_is_exported_for_any_batch_and_agrees(model):
    s2, _ = images()
    program = torch.export.export(
        Encode(model.backbone), (s2,), dynamic_shapes={"s2": {0: torch.export.Dim("batch", min=1)}}
    )
    five = torch.cat([s2, s2, s2[:1]])
    torch.testing.assert_close(
        program.module()(five), model.encode(five)["s2"], rtol=1e-4, atol=1e-4
    )


def test_the_example_of_the_documentation_runs(repository):
    page = repository / "docs" / "model.md"
    example, *_ = re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    names = {}
    exec(example, names)
    assert names["vectors"].shape == (4, 96)
    assert names["tokens"].shape == (4, 80, 96)
    assert all(weight.grad is not None for weight in names["model"].parameters())


def test_the_table_of_the_documentation_is_what_the_code_says(repository):
    page = repository / "docs" / "model.md"
    row = r"^\| (cs\S+|small|tiny\S*|dense) \| (\d+\+\d+) \|(.*)\|$"
    rows = re.findall(row, page.read_text(encoding="utf-8"), re.M)
    models = {name: make() for name, make in RECIPES.items()}
    for (name, layers, cells), wanted in zip(rows, cost_table(models), strict=True):
        numbers = [float(cell.split()[0]) for cell in cells.split("|")]
        assert (name, layers) == (wanted.pop("recipe"), wanted.pop("layers"))
        assert numbers == pytest.approx(list(wanted.values()), rel=2e-3, abs=5e-4)


def test_another_grid_spans_the_extent_of_the_one_trained_on():
    encoder = Backbone(recipe("tiny")).encoder_of("s2")
    middle = 3 * 7 + 3  # of 7 x 7 patches
    assert torch.allclose(encoder.positions((1, 1))[0], encoder.position_ND[middle], atol=1e-6)
    rows = encoder.positions((7, 1)).view(7, -1)
    assert torch.allclose(rows, encoder.position_ND.view(7, 7, -1)[:, 3], atol=1e-6)
