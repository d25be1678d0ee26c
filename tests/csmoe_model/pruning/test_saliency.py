"""Scores of experts against sums that are written out, and against masked models."""

import math
from dataclasses import replace
from typing import get_args

import numpy as np
import pytest
import torch
from masked_twin import layer_parts, masked_tokens
from pruning_models import CONDITIONED, WIDE, plant_dead_experts, random_model

from csmoe_model.choices import Criterion
from csmoe_model.data.patch_dataset import PatchDataset
from csmoe_model.pruning.calibration import drift
from csmoe_model.pruning.saliency import measure_saliency
from csmoe_model.pruning.slicing import keep_experts
from minortom.errors import InputError

LAYERS = {"s2": ("s2.0", "s2.1", "shared.0"), "s1": ("s1.0", "s1.1", "shared.0")}


@pytest.fixture(scope="module")
def images(work):
    """The training patches, normalised by another part of the package."""
    patches = PatchDataset(work / "shards", split="train")
    return {s: torch.stack([patches[n][s] for n in range(len(patches))]) for s in ("s2", "s1")}


def score(work, model, **options):
    return measure_saliency(model, work / "shards", workers=1, **{"calibrate": 99, **options})


def written_out(model, sensor, image_BCHW):
    """Return usage, REAP and norm of each layer by loops over tokens, slots and experts."""
    found = {}

    def of_layer(name, module):
        def hook(layer, given, _):
            logit_BNSE, outputs = layer_parts(layer, given[0])
            weight = logit_BNSE.flatten(2).softmax(2).view_as(logit_BNSE).detach().numpy()
            rows = np.zeros((3, layer.num_experts))
            for e, out in enumerate(outputs):
                norm = out.detach().norm(dim=2).numpy()
                for b in range(len(weight)):
                    for n in range(weight.shape[1]):
                        for s in range(weight.shape[2]):
                            rows[0, e] += weight[b, n, s, e] / weight[..., 0].size * weight.shape[2]
                            rows[1, e] += (
                                weight[b, n, s, e]
                                * norm[b, s]
                                / (weight.shape[0] * weight.shape[1])
                            )
                rows[2, e] = norm.mean()
            found[name] = dict(zip(("usage", "reap", "norm"), rows, strict=True))

        return module.soft_moe.register_forward_hook(hook)

    own, shared = model.backbone.encoder_of(sensor).trunk, model.backbone.shared.trunk
    blocks = [*own.blocks, *shared.blocks]
    hooks = [of_layer(*pair) for pair in zip(LAYERS[sensor], blocks, strict=True)]
    with torch.no_grad():
        model.backbone.tokens(sensor, image_BCHW)
    for hook in hooks:
        hook.remove()
    return found


@pytest.mark.parametrize("by", ["usage", "reap", "norm"])
def test_a_criterion_is_the_sum_written_out(work, whole, images, by):
    wanted = written_out(whole, "s2", images["s2"])

    found = score(work, whole, sensor="s2", by=by)

    assert found.patches == 12
    assert tuple(found.scores) == LAYERS["s2"]
    for layer, scores in found.scores.items():
        np.testing.assert_allclose(scores, wanted[layer][by], rtol=1e-4)
    if by == "usage":
        assert [sum(scores) for scores in found.scores.values()] == pytest.approx([1, 1, 1])


def test_a_shared_layer_has_the_mean_of_the_sensors_and_a_specificity(work, whole, images):
    of = {s: written_out(whole, s, images[s])["shared.0"] for s in ("s2", "s1")}

    found = score(work, whole, sensor="both")

    assert set(found.scores) == {*LAYERS["s2"], *LAYERS["s1"]}
    np.testing.assert_allclose(
        found.scores["shared.0"], (of["s2"]["reap"] + of["s1"]["reap"]) / 2, rtol=1e-4
    )
    u, v = of["s2"]["usage"], of["s1"]["usage"]
    assert list(found.specificity) == ["shared.0"]
    np.testing.assert_allclose(found.specificity["shared.0"], (u - v) / (u + v), atol=1e-5)


def cls_without(model, sensor, image_BCHW, removed):
    """Return [CLS] of a model whose experts, by layer, are masked."""
    kept = {layer: set(range(4)) - gone for layer, gone in removed.items()}
    with torch.no_grad():
        return masked_tokens(model, sensor, image_BCHW, kept)[:, 0]


def drift_without(model, sensor, image_BCHW, removed):
    """Return 1 − the mean cosine after centring, written out in NumPy."""
    whole = cls_without(model, sensor, image_BCHW, {}).double().numpy()
    found = cls_without(model, sensor, image_BCHW, removed).double().numpy()
    a, b = found - whole.mean(0), whole - whole.mean(0)
    return 1 - np.mean((a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1))


def test_ablation_is_the_drift_of_a_model_with_one_expert_masked(work, whole, images):
    found = score(work, whole, sensor="s2", by="ablation")

    wanted = {
        layer: [drift_without(whole, "s2", images["s2"], {layer: {e}}) for e in range(4)]
        for layer in LAYERS["s2"]
    }
    for layer, scores in found.scores.items():
        np.testing.assert_allclose(scores, wanted[layer], rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("config", [WIDE, CONDITIONED])
def test_ablation_of_a_shared_layer_is_the_mean_over_the_sensors(work, whole, images, config):
    model = random_model(config)
    model.origin = whole.origin
    found = score(work, model, sensor="both", by="ablation")

    wanted = [
        np.mean([drift_without(model, s, images[s], {"shared.0": {e}}) for s in ("s2", "s1")])
        for e in range(4)
    ]
    np.testing.assert_allclose(found.scores["shared.0"], wanted, rtol=1e-3, atol=1e-5)


def test_greedy_removes_the_cheapest_expert_of_each_layer_round_by_round(work, whole, images):
    removed = {layer: set() for layer in LAYERS["s2"]}
    wanted = {layer: dict.fromkeys(range(4), math.inf) for layer in LAYERS["s2"]}
    least = dict.fromkeys(LAYERS["s2"], 0.0)
    for _ in range(3):
        before = drift_without(whole, "s2", images["s2"], removed)
        cheapest = {}
        for layer in LAYERS["s2"]:
            drifts = {
                e: drift_without(
                    whole, "s2", images["s2"], {**removed, layer: removed[layer] | {e}}
                )
                for e in sorted(set(range(4)) - removed[layer])
            }
            cheapest[layer] = min(drifts, key=drifts.get)
            least[layer] = max(least[layer], drifts[cheapest[layer]] - before)
            wanted[layer][cheapest[layer]] = least[layer]
        for layer, expert in cheapest.items():
            removed[layer] = removed[layer] | {expert}

    found = score(work, whole, sensor="s2", by="greedy")

    for layer, scores in found.scores.items():
        np.testing.assert_allclose(scores, list(wanted[layer].values()), rtol=2e-3, atol=2e-5)


@pytest.mark.parametrize("by", get_args(Criterion))
def test_planted_dead_experts_have_the_lowest_score(work, whole, by):
    # Soft routing: with sharp routing, other experts that no token reads are as free to remove.
    model = random_model(replace(whole.config, logit_scale=0.3))
    model.origin = whole.origin
    dead = {"s2.0": 1, "s2.1": 3, "shared.0": 0}
    plant_dead_experts(model, "s2", dead)

    found = score(work, model, sensor="s2", by=by)

    for layer, scores in found.scores.items():
        assert min(range(4), key=scores.__getitem__) == dead[layer]
        if by in ("reap", "norm"):
            assert scores[dead[layer]] == 0


def test_the_drift_of_equal_vectors_is_0_and_of_mirrored_ones_2():
    vectors = torch.randn(50, 8, generator=torch.Generator().manual_seed(0)) + 3
    assert drift(vectors, vectors) == pytest.approx(0, abs=1e-12)
    assert drift(2 * vectors.mean(0) - vectors, vectors) == pytest.approx(2)


def test_the_seed_draws_the_patches(work, whole):
    first, again, other = (
        score(work, whole, sensor="s1", calibrate=5, seed=seed).scores for seed in (0, 0, 1)
    )
    assert first == again
    assert first != other


def test_a_layer_with_one_expert_keeps_it(work, whole):
    found = score(work, keep_experts(whole, {"s2.0": (2,)}), sensor="s2", by="ablation")

    assert found.experts["s2.0"] == (2,)
    assert found.scores["s2.0"] == (math.inf,)
    assert len(found.scores["s2.1"]) == 4


def test_a_model_without_statistics_is_one_line(work):
    with pytest.raises(InputError, match="from_pretrained"):
        score(work, random_model(), sensor="s2")


def test_an_encoder_of_one_sensor_has_no_specificity(work, whole):
    model = random_model(encoder_of=("s1",))
    model.origin, model.preprocess = whole.origin, whole.preprocess

    assert score(work, model, sensor="s1").specificity == {}
    with pytest.raises(InputError, match="must be one that this model encodes, s1, found s2"):
        score(work, model, sensor="s2")
