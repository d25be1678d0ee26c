"""Configuration of the model: a frozen, checked dataclass.

It does not import torch, so that the command line can list and check models quickly.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Literal, get_args, get_origin

from csmoe_model.experts.conditions import (
    CROP_SIDE,
    Conditioning,
    check_conditions,
    check_crops,
    crop_patches,
)
from csmoe_model.experts.kept_experts import SHARED, KeptExperts, checked_kept
from minortom.api.arguments import check_keys, one_of, require, shown
from minortom.errors import InputError
from minortom.sensors import MODEL_BANDS, SensorName

Slots = Literal["dynamic", "fixed"]
MaskMode = Literal["independent", "identical", "disjoint"]
MiForm = Literal["csmae", "eq10"]
MiFeatures = Literal["cls", "mean"]
LossForm = Literal["text", "printed"]
Softmaxes = Literal["both", "dispatch"]
Switch = Literal["on", "off"]
_LATER = (
    "logit_scale_of", "mi_features", "projector", "condition", "local_global", "crop_side",
    "kept_experts",
)  # fmt: skip
"""Fields that older files do not have; files leave them out at their defaults."""


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """Sizes and options of the model and of its pretraining objective.

    Defaults are those of the paper, section III C, unless another source is named.

    Raises:
        InputError: If a value is of the wrong type or out of range, or two values do not fit.
    """

    patch_size: int = 16
    """Side of an image patch in pixels; each patch is one token."""
    image_size: int = 224
    """Side of a pretraining image in pixels, a multiple of the patch size."""
    width: int = 768
    """Width of an encoder token."""
    num_heads: int = 12
    """Attention heads in an encoder layer."""
    sensor_layers: int = 4
    """Encoder layers of each sensor, before the shared ones."""
    shared_layers: int = 2
    """Encoder layers shared by all sensors."""
    mlp_ratio: int = 4
    """Hidden width of an expert or MLP, as a multiple of its token width."""
    num_experts: int = 8
    """Experts in an encoder layer; 0 for a plain MLP instead (CSMAE)."""
    slots: Slots = "dynamic"
    """Slots of the experts. `dynamic`: one for each E tokens, computed from them (as published).
    `fixed`: learned, `slots_per_expert` for each expert (as in the paper's text)."""
    slots_per_expert: int = 1
    """Slots of each expert, with `slots` = `fixed`."""
    logit_scale: float = 1.0
    """Factor on the routing logits; with fixed slots the initial value of a learned factor."""
    logit_scale_of: Softmaxes = "both"
    """Softmaxes that `logit_scale` applies to. `dispatch`: only the softmax over tokens, where the
    scale is 1 / τ of Eq. 12; the softmax over slots (combine) has a scale of 1."""
    decoder_width: int = 256
    """Width of a decoder token."""
    decoder_layers: int = 4
    """Layers in each decoder."""
    decoder_heads: int = 8
    """Attention heads in a decoder layer; each is 32 wide, as in MAE and CSMAE."""
    mask_ratio: float = 0.5
    """Share of the patches that are masked, above 0 and below 1."""
    mask_mode: MaskMode = "independent"
    """Relation of the masks of the two sensors; `disjoint`: no patch is visible in both."""
    mi_form: MiForm = "csmae"
    """Mutual-information loss. `csmae`: NT-Xent over all 2B vectors as in CSMAE. `eq10`: Eq. 10."""
    mi_temperature: float = 0.5
    """Temperature of the mutual-information loss."""
    mi_features: MiFeatures = "cls"
    """Features that the mutual-information loss contrasts: the [CLS] vector (`cls`), or the mean of
    the visible patch tokens as in CSMAE (`mean`)."""
    projector: Switch = "on"
    """LayerNorm and linear map before the mutual-information loss (`on`), or the features
    themselves, as in CSMAE (`off`)."""
    rep_form: LossForm = "text"
    """Slot repulsion as in the paper's text (`text`), or as in Eq. 18 (`printed`)."""
    rep_weight: float = 0.01
    """Weight of slot repulsion (λ of Eq. 20; not in the paper, value of Switch Transformers)."""
    bal_form: LossForm = "text"
    """Balanced expert usage as in the paper's text (`text`), or as in Eq. 19 (`printed`)."""
    bal_weight: float = 0.01
    """Weight of balanced usage (γ of Eq. 20; not in the paper, value of Switch Transformers)."""
    condition: Conditioning = "none"
    """Condition of the shared layers' routing: the `sensor` of an image, its `granularity` (whole
    patch or local crop), or `both`. Each adds a learned vector to the slot embeddings."""
    local_global: float = 0.0
    """Weight of the local-global contrast: each image with a crop of it; 0 for no crops."""
    crop_side: float = CROP_SIDE
    """Side of a local crop, as a fraction of the side of the image; rounded to whole patches."""
    kept_experts: KeptExperts | None = field(default=None, hash=False, metadata={"option": False})
    """Experts that stay in a pruned layer; dynamic slots keep segments of `num_experts` tokens."""

    def __post_init__(self) -> None:
        self._check_types()
        self._check_ranges()
        self._check_sizes()
        self._check_scale()
        check_conditions(self.condition, self.local_global, self.num_experts, self.shared_layers)
        check_crops(self.local_global, self.crop_side, self.grid_size)
        kept = checked_kept(self.kept_experts, self.layers(), num_experts=self.num_experts)
        object.__setattr__(self, "kept_experts", kept)

    def _check_types(self) -> None:
        for name, kind in ((one.name, one.type) for one in fields(self) if not one.metadata):
            value = getattr(self, name)
            if get_origin(kind) is Literal:
                one_of(name, value, get_args(kind))
            elif isinstance(value, bool) or not isinstance(
                value, int if kind is int else int | float
            ):
                wanted = "a whole number" if kind is int else "a number"
                raise InputError(f"{name} must be {wanted}, found {shown(value)}")

    def _check_ranges(self) -> None:
        for name in ("num_experts", "shared_layers", "rep_weight", "bal_weight", "local_global"):
            require(0 <= getattr(self, name) < math.inf, name, "0 or more", getattr(self, name))
        for name in (
            "patch_size", "image_size", "width", "num_heads", "sensor_layers", "mlp_ratio",
            "slots_per_expert", "logit_scale", "decoder_width", "decoder_layers",
            "decoder_heads", "mi_temperature",
        ):  # fmt: skip
            require(0 < getattr(self, name) < math.inf, name, "above 0", getattr(self, name))
        require(0 < self.mask_ratio < 1, "mask_ratio", "above 0 and below 1", self.mask_ratio)
        hidden = self.num_patches - self.num_visible
        if not (self.num_visible > 0 and hidden > 0):
            raise InputError(
                f"pretraining needs visible and masked patches, and mask_ratio {self.mask_ratio} "
                f"leaves {self.num_visible} of {self.num_patches} visible; give another mask_ratio"
            )
        if self.mask_mode == "disjoint" and 2 * self.num_visible > self.num_patches:
            raise InputError(
                f"disjoint masks need a mask_ratio of at least 0.5, found {self.mask_ratio}"
            )

    def _check_sizes(self) -> None:
        if self.image_size % self.patch_size:
            raise InputError(
                f"image_size must be a multiple of patch_size {self.patch_size}, found "
                f"{self.image_size}"
            )
        for width, heads in (("width", "num_heads"), ("decoder_width", "decoder_heads")):
            for divisor, reason in ((getattr(self, heads), heads), (4, "positions in 2-D")):
                if getattr(self, width) % divisor:
                    raise InputError(
                        f"{width} must be a multiple of {divisor} ({reason}), found "
                        f"{getattr(self, width)}"
                    )
        if self.slots_per_expert != 1 and self.slots != "fixed":
            raise InputError(
                f"slots_per_expert {self.slots_per_expert} needs slots = fixed, found dynamic; "
                "leave it out: dynamic slots follow from the number of tokens"
            )

    def _check_scale(self) -> None:
        if self.logit_scale_of == "both":
            return
        if not self.num_experts:
            raise InputError(
                f"logit_scale_of {self.logit_scale_of} needs layers with experts, found "
                "num_experts 0; leave it out, or give a higher num_experts"
            )
        if self.slots == "dynamic" and self.logit_scale == 1:
            raise InputError(
                f"logit_scale_of {self.logit_scale_of} needs a logit_scale other than 1, found "
                f"{self.logit_scale}; give a logit_scale, or leave logit_scale_of out"
            )

    @property
    def grid_size(self) -> int:
        """Number of patches along a side of a pretraining image."""
        return self.image_size // self.patch_size

    @property
    def num_patches(self) -> int:
        """Number of patches in a pretraining image."""
        return self.grid_size**2

    @property
    def num_visible(self) -> int:
        """Number of patches in a pretraining image that the encoder sees."""
        return visible_count(self.num_patches, self.mask_ratio)

    @property
    def num_cropped(self) -> int:
        """Number of patches in a local crop; 0 without local-global pairs."""
        return crop_patches(self.crop_side, self.grid_size) ** 2 if self.local_global else 0

    @property
    def hidden_width(self) -> int:
        """Hidden width of an expert, or of the plain MLP."""
        return self.mlp_ratio * self.width

    def layers(self, *parts: str) -> tuple[str, ...]:
        """Return the names of the layers of `s2`, `s1` and `shared`, or of some of the three."""
        counts = dict.fromkeys(MODEL_BANDS, self.sensor_layers) | {SHARED: self.shared_layers}
        return tuple(f"{part}.{n}" for part in parts or counts for n in range(counts[part]))

    def experts_of(self, layer: str) -> tuple[int, ...]:
        """Return the numbers of the experts of a layer, in the numbering of the unpruned model."""
        return (self.kept_experts or {}).get(layer, tuple(range(self.num_experts)))

    def patch_values(self, sensor: SensorName) -> int:
        """Return the number of pixel values in a patch of a sensor, over all its bands."""
        return len(MODEL_BANDS[sensor]) * self.patch_size**2

    def to_dict(self) -> dict[str, object]:
        """Return the fields as plain values, for `config.json`, without defaults of `_LATER`."""
        kept = {layer: list(numbers) for layer, numbers in (self.kept_experts or {}).items()}
        defaults = {one.name: one.default for one in fields(self) if one.name in _LATER}
        values = asdict(self) | {"kept_experts": kept or None}
        return {k: v for k, v in values.items() if k not in defaults or v != defaults[k]}

    @classmethod
    def from_dict(cls, values: Mapping[str, object]) -> "ModelConfig":
        """Return a configuration from plain values; missing fields get their default.

        Raises:
            InputError: If a key is not a field, or a value is not allowed.
        """
        check_keys(values, [field.name for field in fields(cls)], kind="model")
        return cls(**values)  # type: ignore[arg-type]  # checked above and in __post_init__


def visible_count(num_patches: int, mask_ratio: float) -> int:
    """Return the number of visible patches, rounded down as in MAE."""
    return math.floor(num_patches * (1 - mask_ratio) + 1e-9)  # 10 * (1 - 0.9) is 0.99999…
