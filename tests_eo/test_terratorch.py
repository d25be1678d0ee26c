"""TerraTorch itself builds, runs, trains and freezes models on our backbone."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from shard_maker import PROVENANCE
from terratorch.models import EncoderDecoderFactory
from terratorch.registry import BACKBONE_REGISTRY, TERRATORCH_BACKBONE_REGISTRY
from terratorch.tasks import SemanticSegmentationTask
from training_shards import MODEL, learnable_shards

from csmoe_model.csmoe import CSMoE
from csmoe_model.data.normalise import Normalise
from csmoe_model.inference.export_encoder import export
from csmoe_model.terratorch_backbone import register
from csmoe_model.training.save_weights import save_model
from minortom.errors import InputError
from minortom.sensors import MODEL_BANDS
from minortom.shards.shard_set import ShardSet

register()

NAMES = [
    "BLUE", "GREEN", "RED", "RED_EDGE_1", "RED_EDGE_2", "RED_EDGE_3", "NIR_BROAD", "NIR_NARROW",
    "SWIR_1", "SWIR_2",
]  # fmt: skip


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    folder = tmp_path_factory.mktemp("terratorch")
    shards = ShardSet.open(learnable_shards(folder / "shards", train=5, val=0))
    torch.manual_seed(0)
    save_model(
        folder / "model", model=CSMoE(MODEL), recipe="test", provenance=PROVENANCE,
        normalise=Normalise(shards.statistics, image_size=16),
    )  # fmt: skip
    return folder / "model"


def build(checkpoint, **options):
    return BACKBONE_REGISTRY.build("csmoe", checkpoint=str(checkpoint), **options)


def test_it_is_registered_under_its_name():
    assert "csmoe" in TERRATORCH_BACKBONE_REGISTRY
    assert "terratorch_csmoe" in list(BACKBONE_REGISTRY)


@pytest.mark.parametrize("sensor", ["s2", "s1"])
def test_its_maps_are_those_of_the_model(checkpoint, sensor):
    backbone, model = build(checkpoint, sensor=sensor), CSMoE.from_pretrained(checkpoint)
    image = torch.randn(2, len(MODEL_BANDS[sensor]), 24, 16)

    found = backbone(image)

    assert backbone.out_channels == [one.shape[1] for one in found] == [32, 32]
    for ours, wanted in zip(found, model.features(**{sensor: image}), strict=True):
        assert torch.equal(ours, wanted)


def test_layers_and_bands_are_chosen_by_number_and_name(checkpoint):
    image = torch.randn(1, 10, 16, 16)
    mixed = torch.cat([image.flip(1), torch.zeros(1, 1, 16, 16)], 1)

    backbone = build(checkpoint, layers=[-1], bands=[*NAMES[::-1], "COASTAL_AEROSOL"])

    (found,) = backbone(mixed)
    assert backbone.out_channels == [32]
    assert torch.equal(found, CSMoE.from_pretrained(checkpoint).features(s2=image)[-1])


def test_terratorchs_enumerated_bands_are_understood(checkpoint):
    from terratorch.datasets import HLSBands

    members = [HLSBands.try_convert_to_hls_bands_enum(name) for name in NAMES]
    assert build(checkpoint, bands=members)(torch.randn(1, 10, 16, 16))


def test_images_as_measured_are_normalised_where_asked(checkpoint):
    s1 = torch.randn(1, 2, 16, 16) * 3 - 12
    model = CSMoE.from_pretrained(checkpoint)

    found = build(checkpoint, sensor="s1", normalise=True)(s1)

    for ours, wanted in zip(found, model.features(**model.prepare(s1=s1)), strict=True):
        assert torch.equal(ours, wanted)


def test_every_weight_affects_the_maps(checkpoint):
    backbone = build(checkpoint, sensor="s1")

    sum(one.square().mean() for one in backbone(torch.randn(1, 2, 16, 16))).backward()

    assert [n for n, weight in backbone.named_parameters() if weight.grad is None] == []


def test_an_exported_encoder_works(checkpoint, tmp_path):
    export(checkpoint, out=tmp_path / "s1", sensor="s1")
    assert build(tmp_path / "s1", sensor="s1")(torch.randn(1, 2, 16, 16))
    with pytest.raises(InputError, match="one that this model encodes, s1, found s2"):
        build(tmp_path / "s1")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sensor": "s3"}, "sensor must be s2 or s1, found 's3'"),
        ({"layers": [2]}, "layers are numbered from 0 to 1, .*, found 2"),
        ({"bands": NAMES[1:]}, "the model needs the s2 bands .*; add B02"),
        ({"bands": [*NAMES, "THERMAL_INFRARED_1"]}, "unknown s2 band 'THERMAL_INFRARED_1'"),
    ],
)
def test_invalid_options_are_refused_when_it_is_built(checkpoint, options, message):
    with pytest.raises(InputError, match=message):
        build(checkpoint, **options)


def segmentation(checkpoint):
    """A UPerNet of three classes, as a TerraTorch configuration describes it."""
    return {
        "backbone": "csmoe",
        "backbone_checkpoint": str(checkpoint),
        "necks": [{"name": "LearnedInterpolateToPyramidal"}],
        "decoder": "UperNetDecoder",
        "decoder_channels": 16,
        "num_classes": 3,
    }


@pytest.mark.parametrize("side", [16, 30])
def test_a_segmentation_model_predicts_every_pixel(checkpoint, side):
    """30 is not a multiple of the patch size 4: TerraTorch pads, and crops the result."""
    arguments = segmentation(checkpoint) | {"backbone_layers": [0, 0, 1, 1]}
    model = EncoderDecoderFactory().build_model("segmentation", **arguments)

    out = model.eval()(torch.randn(2, 10, side, side)).output

    assert out.shape == (2, 3, side, side)


def test_a_classifier_predicts_the_image(checkpoint):
    model = EncoderDecoderFactory().build_model(
        "classification", backbone="csmoe", backbone_checkpoint=str(checkpoint),
        backbone_sensor="s1", backbone_layers=[-1], decoder="IdentityDecoder", num_classes=5,
    )  # fmt: skip
    assert model.eval()(torch.randn(2, 2, 16, 16)).output.shape == (2, 5)


def test_a_task_learns_with_the_encoder_frozen_and_without(checkpoint):
    arguments = segmentation(checkpoint) | {"backbone_layers": [0, 0, 1, 1]}
    for frozen in (False, True):
        torch.manual_seed(0)
        task = SemanticSegmentationTask(
            model_factory="EncoderDecoderFactory", model_args=dict(arguments), loss="ce",
            optimizer="AdamW", lr=1e-3, freeze_backbone=frozen,
        )  # fmt: skip
        image, mask = torch.randn(4, 10, 16, 16), torch.randint(0, 3, (4, 16, 16))
        before = {n: w.detach().clone() for n, w in task.model.encoder.named_parameters()}
        optimizer = torch.optim.AdamW([w for w in task.parameters() if w.requires_grad], lr=1e-3)
        losses = []
        for _ in range(8):
            loss = torch.nn.functional.cross_entropy(task(image).output, mask)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        moved = [
            n for n, w in task.model.encoder.named_parameters() if not torch.equal(w, before[n])
        ]
        assert losses[-1] < losses[0]
        assert bool(moved) is not frozen


def test_a_folder_of_custom_modules_registers_it_for_terratorchs_command_line(tmp_path):
    """As the page on using the model says; in the folder that TerraTorch runs in."""
    (tmp_path / "custom_modules").mkdir()
    (tmp_path / "custom_modules" / "__init__.py").write_text(
        "from csmoe_model.terratorch_backbone import register\n\nregister()\n"
    )
    code = (
        f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r}); import conftest\n"
        "from terratorch.registry import BACKBONE_REGISTRY\n"
        "print('csmoe' in BACKBONE_REGISTRY)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.stdout.strip().endswith("True"), done.stderr
