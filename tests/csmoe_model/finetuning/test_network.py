"""Parts of fine-tuning: depth of the weights, drop path, augmentation, losses and heads."""

import itertools
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from labelled_sets import set_of, split_of
from sklearn.utils.class_weight import compute_class_weight
from torch.nn import functional as F
from training_shards import MODEL, learnable_shards

from csmoe_model.csmoe import CSMoE
from csmoe_model.data.preprocess import Preprocess
from csmoe_model.finetuning.averaging import keep_best_average
from csmoe_model.finetuning.kept_images import KeptImages
from csmoe_model.finetuning.labelled_batches import LabelledBatches, with_shots
from csmoe_model.finetuning.network import FineTuned, prepared_images, set_drop_path
from csmoe_model.finetuning.objective import objective_of
from csmoe_model.finetuning.weight_groups import check_freeze, depth_of, weight_groups
from csmoe_model.nn.layers import MLP, Attention, Block, DropPath
from csmoe_model.probing.dense_training import dense_cross_entropy
from csmoe_model.probing.few_shot import with_shots as table_with_shots
from csmoe_model.probing.heads import Table
from csmoe_model.training.supervised import SupervisedResult
from minortom.errors import InputError
from minortom.shards.shard_set import ShardSet

DEEP = replace(MODEL, sensor_layers=2, shared_layers=2)


def network_of(config=DEEP, *, sensors=("s2",), pooling="cls", classes=3):
    torch.manual_seed(0)
    parts = 2 if pooling == "both" else 1
    head = torch.nn.Linear(config.width * parts * len(sensors), classes)
    return FineTuned(CSMoE(config, encoder_of=sensors), head, sensors=sensors, pooling=pooling)


@pytest.mark.parametrize(
    ("name", "depth"),
    [
        ("encoder.backbone.sensors.s2.cls_D", 0),
        ("encoder.backbone.sensors.s2.embed.weight", 0),
        ("encoder.backbone.sensors.s2.trunk.blocks.0.attention.qkv.weight", 1),
        ("encoder.backbone.sensors.s1.trunk.blocks.1.soft_moe.router.weight", 2),
        ("encoder.backbone.sensors.s2.trunk.norm.weight", 2),
        ("encoder.backbone.shared.trunk.blocks.0.norm_attention.bias", 3),
        ("encoder.backbone.shared.trunk.blocks.1.attention.out.bias", 4),
        ("encoder.backbone.shared.trunk.norm.bias", 4),
    ],
)
def test_the_depth_of_a_weight_is_its_layer_on_the_way_of_an_image(name, depth):
    assert depth_of(name, DEEP) == depth


def test_rates_fall_from_the_head_to_the_embedding_by_the_same_factor():
    network = network_of()
    rate_of = {
        id(weight): (group.rate, group.decayed)
        for group in weight_groups(network, layer_decay=0.5, freeze=0) for weight in group.weights
    }  # fmt: skip

    assert len(rate_of) == len(list(network.parameters()))
    backbone = network.encoder.backbone
    block = backbone.sensors["s2"].trunk.blocks[1]
    assert rate_of[id(network.head.weight)] == (1.0, True)
    assert rate_of[id(network.head.bias)] == (1.0, False)
    assert rate_of[id(backbone.shared.trunk.norm.weight)] == (0.5, False)
    assert rate_of[id(block.attention.qkv.weight)] == (0.5**3, True)
    assert rate_of[id(block.soft_moe.experts.up_bias_EH)] == (0.5**3, False)
    assert rate_of[id(backbone.sensors["s2"].cls_D)] == (0.5**5, False)


@pytest.mark.parametrize("freeze", range(5))
def test_frozen_layers_have_no_gradient_and_are_not_trained(freeze):
    network = network_of()
    groups = weight_groups(network, layer_decay=1.0, freeze=freeze)
    trained = {id(weight) for group in groups for weight in group.weights}

    for name, weight in network.named_parameters():
        is_frozen = not name.startswith("head.") and freeze > 0 and depth_of(name, DEEP) <= freeze
        assert (id(weight) in trained, weight.requires_grad) == (not is_frozen, not is_frozen), name


def test_more_frozen_layers_than_the_model_has_are_refused():
    check_freeze(DEEP, 4)
    with pytest.raises(InputError, match=r"--freeze must be at most the 4 layers .* found 5"):
        check_freeze(DEEP, 5)


def test_drop_path_keeps_the_mean_and_drops_whole_images():
    drop = DropPath().train()
    drop.rate = 0.25
    torch.manual_seed(0)
    found = drop(torch.ones(4000, 2, 3))

    kept = found[:, 0, 0] > 0
    assert torch.equal(found, torch.where(kept, 4 / 3, 0.0)[:, None, None].expand(-1, 2, 3))
    assert abs(float(kept.float().mean()) - 0.75) < 0.03
    assert torch.equal(drop.eval()(torch.ones(3, 2, 3)), torch.ones(3, 2, 3))


def test_a_block_whose_branches_are_dropped_returns_its_input():
    block = Block(width=8, num_heads=2, feed_forward=MLP(width=8, hidden_width=16)).train()
    x = torch.randn(5, 3, 8)
    block.drop_path.rate = 1 - 1e-9
    torch.testing.assert_close(block(x), x)
    assert isinstance(block.attention, Attention)


def test_the_rate_of_drop_path_rises_linearly_with_the_depth():
    network = network_of(sensors=("s2", "s1"))
    set_drop_path(network.encoder, 0.3)
    backbone = network.encoder.backbone
    trunks = [backbone.sensors["s1"].trunk, backbone.shared.trunk]
    rates = [block.drop_path.rate for trunk in trunks for block in trunk.blocks]
    np.testing.assert_allclose(rates, [0.0, 0.1, 0.2, 0.3])


@pytest.mark.parametrize(("pooling", "wanted"), [
    ("cls", lambda t: t[:, 0]), ("mean", lambda t: t[:, 1:].mean(1)),
    ("both", lambda t: torch.cat([t[:, 0], t[:, 1:].mean(1)], dim=1)),
])  # fmt: skip
def test_features_pool_the_tokens_of_each_sensor(pooling, wanted):
    network = network_of(sensors=("s2", "s1"), pooling=pooling).eval()
    images = {"s2": torch.randn(2, 10, 16, 16), "s1": torch.randn(2, 2, 16, 16)}
    parts = [wanted(network.encoder.backbone.tokens(s, images[s])) for s in ("s2", "s1")]
    torch.testing.assert_close(network.features(images), torch.cat(parts, dim=1))


@pytest.fixture(scope="module")
def statistics(tmp_path_factory):
    return ShardSet.open(learnable_shards(tmp_path_factory.mktemp("s") / "shards")).statistics


def batches_of(statistics, *, flips, rotations, labels=None, side=16):
    """Images of which each pixel is unique, and label maps that say where it came from."""
    pixels = np.arange(side * side, dtype=np.float32).reshape(side, side)
    image = 1000 + 10 * np.stack([pixels + band for band in range(10)])
    count = 64
    maps = np.tile(pixels.astype(np.int64), (count, 1, 1)) if labels is None else labels
    data = set_of(
        {"train": split_of({"s2": np.tile(image, (count, 1, 1, 1))}, maps)}, task="segmentation",
        classes=tuple(map(str, range(side * side))),
    )  # fmt: skip
    encoder = CSMoE(MODEL, encoder_of=("s2",))
    encoder.preprocess = Preprocess(statistics)
    prepare = partial(prepared_images, encoder, sensors=("s2",), bands=data.bands)
    return LabelledBatches(data=data, prepare=prepare, seed=3, flips=flips, rotations=rotations)


@pytest.mark.parametrize(("flips", "rotations", "symmetries"), [
    (False, False, 1), (True, False, 4), (False, True, 2), (True, True, 8),
])  # fmt: skip
def test_label_maps_move_with_their_images_through_all_symmetries(
    statistics, flips, rotations, symmetries
):
    batches = batches_of(statistics, flips=flips, rotations=rotations)
    (plain,) = batches.all("train", batch_size=64)
    batch = batches.training(2, np.arange(64))

    band = plain.images["s2"][0, 0].flatten()
    assert torch.equal(batch.images["s2"][:, 0], band[batch.labels])
    squares = {tuple(one.flatten().tolist()) for one in batch.labels}
    square = plain.labels[0]
    allowed = {
        tuple(torch.rot90(one, turns).flatten().tolist())
        for one, turns in itertools.product((square, square.T), range(4))
    }
    assert len(squares) == symmetries
    assert squares <= allowed
    again = batches.training(2, np.arange(64))
    assert torch.equal(batch.labels, again.labels)
    if symmetries > 1:
        assert not torch.equal(batch.labels, batches.training(3, np.arange(64)).labels)


def test_rotations_of_label_maps_that_are_not_square_are_refused(statistics):
    labels = np.zeros((64, 16, 8), np.int64)
    batches = batches_of(statistics, flips=False, rotations=True, labels=labels)
    with pytest.raises(InputError, match=r"square label maps, found 16 × 8 px .* --no-rotations"):
        batches.training(0, np.arange(4))


@pytest.mark.parametrize("limit", [10**9, 0])
def test_images_that_are_kept_are_read_once_and_do_not_change(monkeypatch, limit):
    monkeypatch.setattr("csmoe_model.finetuning.kept_images.MAX_BYTES", limit)
    images, calls = torch.arange(24.0).reshape(6, 4), []

    def read(samples):
        calls.append(samples.tolist())
        return {"s1": images[samples]}

    kept = KeptImages({"train": 6, "val": 6})
    for samples in ([4, 1], [1, 2, 4], [0, 3, 5], [5, 0]):
        found = kept.get("train", np.array(samples), read)["s1"]
        assert torch.equal(found, images[samples])
        found += 100  # a batch is changed in place
    later = [[4, 1], [2], [0, 3, 5]] if limit else [[4, 1], [1, 2, 4], [0, 3, 5], [5, 0]]
    assert calls == [[4], *later]  # the first call measures an image


def labelled(labels, task="multiclass", classes=("a", "b", "c")):
    return set_of({"train": split_of({}, labels)}, task=task, classes=classes)


def test_balanced_weights_are_those_of_scikit_learn():
    labels = np.array([0, 0, 0, 0, 1, 1, 2])
    found = objective_of(labelled(labels), "balanced").weight_K
    wanted = compute_class_weight("balanced", classes=np.arange(3), y=labels)
    np.testing.assert_allclose(found, wanted, rtol=1e-6)
    assert objective_of(labelled(labels), "none").weight_K is None


def test_a_class_without_samples_has_no_weight():
    found = objective_of(labelled(np.array([0, 0, 2, 2, 2, 2])), "balanced").weight_K
    np.testing.assert_allclose(found, [1.5, 0.0, 0.75])


def test_balanced_labels_weigh_as_much_as_their_absence():
    labels = np.array([[1, 0, 1], [0, 0, 1], [0, 0, 1], [0, 1, 1]], bool)
    objective = objective_of(labelled(labels, "multilabel"), "balanced")
    np.testing.assert_allclose(objective.weight_K, [3.0, 3.0, 0.0])
    # With the logit 0 each entry costs log 2, a positive one as often as its weight says.
    loss = objective.of_logits(torch.zeros(4, 3), torch.from_numpy(labels).float())
    np.testing.assert_allclose(loss, (6 + 6 + 0) * np.log(2) / 12, rtol=1e-6)


def test_the_loss_of_pixels_is_the_weighted_mean_over_labelled_ones():
    logits = torch.randn(2, 3, 4, 4)
    truth = torch.randint(0, 3, (2, 4, 4))
    truth[0, 0, :2] = 255
    weight = torch.tensor([0.5, 2.0, 1.0])
    for given in (None, weight):
        wanted = F.cross_entropy(logits, torch.where(truth == 255, -100, truth), given)
        torch.testing.assert_close(dense_cross_entropy(logits, truth, given), wanted)
    nothing = torch.full((2, 4, 4), 255)
    assert float(dense_cross_entropy(logits, nothing, weight)) == 0


@pytest.mark.parametrize(("optimum", "share", "kept"), [(1.0, 0.5, 1.0), (2.0, None, 2.0)])
def test_the_best_average_of_the_weights_is_kept(optimum, share, kept):
    network = torch.nn.Linear(1, 1, bias=False)
    start, last = {"weight": torch.zeros(1, 1)}, {"weight": torch.full((1, 1), 2.0)}
    network.load_state_dict(last)
    end = SupervisedResult(steps=9, best_step=9, score=-abs(2.0 - optimum), loss=1.0, last=last)

    def validate(network):
        return {"loss": 1.0, "score": -abs(network.weight.item() - optimum)}

    assert keep_best_average(network, start, end, validate) == (share, 0.0)
    assert network.weight.item() == kept


def test_shots_are_the_samples_that_a_probe_draws():
    labels = np.arange(60) % 3
    images = {"s2": np.arange(60, dtype=np.float32)[:, None]}
    data = set_of({"train": split_of(images, labels, groups=labels.astype(str))},
                  classes=("a", "b", "c"))  # fmt: skip
    few = with_shots(data, 4, seed=5).split("train")
    table = Table(
        task="multiclass", num_classes=3, features={"train": images["s2"]},
        labels={"train": labels},
    )  # fmt: skip
    wanted = table_with_shots(table, 4, seed=5)

    np.testing.assert_array_equal(few.images(np.arange(12))["s2"], wanted.features["train"])
    np.testing.assert_array_equal(few.labels, wanted.labels["train"])
    np.testing.assert_array_equal(few.groups, few.labels.astype(str))
    assert with_shots(data, None, seed=5) is data
