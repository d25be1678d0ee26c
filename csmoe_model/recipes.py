"""The named models. Without torch, so that the command line can list them quickly."""

from collections.abc import Callable, Mapping
from dataclasses import replace

from csmoe_model.config import ModelConfig
from minortom.errors import InputError


def csmoe_b16() -> ModelConfig:
    """Return the model of the paper's Tables I and IV: patch size 16, 271 M parameters."""
    return ModelConfig()


def csmoe_b32() -> ModelConfig:
    """Return the published variant with patches of 32 pixels, the cheapest."""
    return replace(csmoe_b16(), patch_size=32)


def csmoe_b28() -> ModelConfig:
    """Return the published variant with patches of 28 pixels."""
    return replace(csmoe_b16(), patch_size=28)


def csmoe_b14() -> ModelConfig:
    """Return the published variant with patches of 14 pixels, the most expensive."""
    return replace(csmoe_b16(), patch_size=14)


def csmae_b15() -> ModelConfig:
    """Return the baseline CSMAE-SECD (https://arxiv.org/abs/2401.07782), without experts."""
    return ModelConfig(
        patch_size=15, image_size=120, sensor_layers=10, shared_layers=2, num_experts=0,
        decoder_width=512, decoder_layers=8, decoder_heads=16, rep_weight=0.0, bal_weight=0.0,
        mi_features="mean", projector="off",
    )  # fmt: skip


def small() -> ModelConfig:
    """Return a model for one GPU and a few hours, at the 120 pixels of a patch in shards."""
    return ModelConfig(
        patch_size=10, image_size=120, width=192, num_heads=3,
        decoder_width=96, decoder_layers=2, decoder_heads=3,
    )  # fmt: skip


def tiny() -> ModelConfig:
    """Return a model for tests and laptops; the encoder of both sensors has 1.9 M parameters."""
    return ModelConfig(
        patch_size=8, image_size=56, width=96, num_heads=3, sensor_layers=2, shared_layers=1,
        num_experts=4, decoder_width=48, decoder_layers=1, decoder_heads=3,
    )  # fmt: skip


def tiny_p12() -> ModelConfig:
    """Return `tiny` with more and larger patches, for 20 minutes on two CPU cores.

    The sharper loss, the larger mask and the softer routing were chosen together; see
    docs/evaluate.md.
    """
    return replace(
        tiny(), patch_size=12, image_size=120, mask_ratio=0.75, mi_temperature=0.1, logit_scale=0.1
    )


RECIPES: dict[str, Callable[[], ModelConfig]] = {
    "csmoe-b32": csmoe_b32,
    "csmoe-b28": csmoe_b28,
    "csmoe-b16": csmoe_b16,
    "csmoe-b14": csmoe_b14,
    "csmae-b15": csmae_b15,
    "small": small,
    "tiny": tiny,
    "tiny-p12": tiny_p12,
}
"""The named models, in the order of the tables."""


def recipe(name: str) -> ModelConfig:
    """Return the configuration of a named model.

    Example:
        >>> config = csmoe_model.recipe("tiny")
        >>> model = csmoe_model.CSMoE(config)

    Args:
        name: `csmoe-b32`, `csmoe-b28`, `csmoe-b16`, `csmoe-b14`, `csmae-b15`, `small`, `tiny` or
            `tiny-p12`.

    Raises:
        InputError: If the recipe does not exist.
    """
    if not isinstance(name, str) or name not in RECIPES:
        raise InputError(f"recipe must be one of {', '.join(RECIPES)}, found {name!r}")
    return RECIPES[name]()


def recipe_with(name: str, changes: Mapping[str, object]) -> ModelConfig:
    """Return the configuration of a named model with some fields changed.

    Raises:
        InputError: If the recipe or a field does not exist, or a value is not allowed.
    """
    return ModelConfig.from_dict({**recipe(name).to_dict(), **changes})
