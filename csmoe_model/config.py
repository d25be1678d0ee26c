"""What a model is made of: one frozen, checked record, and the named recipes.

No torch here, so that the command line can name, check and price models at once.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Literal, get_args

from minortom.errors import InputError
from minortom.sensors import MODEL_BANDS, SensorName

Slots = Literal["dynamic", "fixed"]
MaskMode = Literal["independent", "identical", "disjoint"]
MiForm = Literal["csmae", "eq10"]
Reading = Literal["text", "printed"]


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """Sizes and switches of the model and of its pretraining objective.

    Numbers that the paper gives are its section III C; the rest says where it is from.

    Raises:
        InputError: If a value is out of range or does not go with another.
    """

    patch_size: int = 16
    """Side of a square image patch, in pixels; one token each."""
    image_size: int = 224
    """Side of a pretraining image, in pixels; a multiple of the patch size."""
    width: int = 768
    """Width of an encoder token."""
    num_heads: int = 12
    """Attention heads of an encoder layer."""
    sensor_layers: int = 4
    """Encoder layers that each sensor has to itself."""
    shared_layers: int = 2
    """Encoder layers that all sensors share."""
    mlp_ratio: int = 4
    """Hidden width of an expert or MLP, over its token width."""
    num_experts: int = 8
    """Experts of an encoder layer; 0 puts one plain MLP in their place (CSMAE)."""
    slots: Slots = "dynamic"
    """`dynamic`: a slot an expert for each E tokens, made from them (what was published);
    `fixed`: learned slots, `slots_per_expert` each (what the paper's text says)."""
    slots_per_expert: int = 1
    """Slots of each expert where they are fixed."""
    logit_scale: float = 1.0
    """Factor on the routing logits; the learned factor of fixed slots starts here."""
    decoder_width: int = 256
    """Width of a decoder token."""
    decoder_layers: int = 4
    """Layers of each decoder."""
    decoder_heads: int = 8
    """Attention heads of a decoder layer; 32 wide each, as in MAE and CSMAE."""
    mask_ratio: float = 0.5
    """Part of the patches that is hidden from the encoder."""
    mask_mode: MaskMode = "independent"
    """How the masks of the two sensors relate; `disjoint`: no patch is seen in both."""
    mi_form: MiForm = "csmae"
    """NT-Xent over all 2B vectors as in CSMAE, or Eq. 10 to the letter."""
    mi_temperature: float = 0.5
    """Temperature of the mutual-information loss."""
    rep_form: Reading = "text"
    """Slot repulsion as the paper's text means it, or Eq. 18 as printed."""
    rep_weight: float = 0.01
    """Weight of slot repulsion (λ of Eq. 20; not in the paper, as in Switch Transformers)."""
    bal_form: Reading = "text"
    """Balanced expert usage as the paper's text means it, or Eq. 19 as printed."""
    bal_weight: float = 0.01
    """Weight of balanced usage (γ of Eq. 20; not in the paper, as in Switch Transformers)."""

    def __post_init__(self) -> None:
        self._check_types()
        self._check_ranges()
        self._check_sizes()

    def _check_types(self) -> None:
        choices = {"slots": Slots, "mask_mode": MaskMode, "mi_form": MiForm}
        choices |= {"rep_form": Reading, "bal_form": Reading}
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name in choices:
                allowed = get_args(choices[field.name])
                if value not in allowed:
                    raise InputError(
                        f"{field.name} must be one of {', '.join(allowed)}; it is {value!r}"
                    )
            elif isinstance(value, bool) or not isinstance(
                value, int if field.type is int else int | float
            ):
                kind = "a whole number" if field.type is int else "a number"
                raise InputError(f"{field.name} must be {kind}; it is {value!r}")

    def _check_ranges(self) -> None:
        for name in ("num_experts", "shared_layers", "rep_weight", "bal_weight"):
            _require(0 <= getattr(self, name) < math.inf, name, "0 or more", getattr(self, name))
        for name in (
            "patch_size", "image_size", "width", "num_heads", "sensor_layers", "mlp_ratio",
            "slots_per_expert", "logit_scale", "decoder_width", "decoder_layers",
            "decoder_heads", "mi_temperature",
        ):  # fmt: skip
            _require(0 < getattr(self, name) < math.inf, name, "above 0", getattr(self, name))
        _require(0 < self.mask_ratio < 1, "mask_ratio", "above 0 and below 1", self.mask_ratio)
        hidden = self.num_patches - self.num_visible
        if not (self.num_visible > 0 and hidden > 0):
            raise InputError(
                f"mask_ratio {self.mask_ratio} leaves {self.num_visible} of {self.num_patches} "
                "patches visible; pretraining needs some visible and some hidden"
            )
        if self.mask_mode == "disjoint" and 2 * self.num_visible > self.num_patches:
            raise InputError(
                f"disjoint masks need a mask_ratio of 0.5 or more; it is {self.mask_ratio}"
            )

    def _check_sizes(self) -> None:
        if self.image_size % self.patch_size:
            raise InputError(
                f"image_size {self.image_size} is no multiple of patch_size {self.patch_size}"
            )
        for width, heads in (("width", "num_heads"), ("decoder_width", "decoder_heads")):
            for divisor, reason in ((getattr(self, heads), heads), (4, "positions in 2-D")):
                if getattr(self, width) % divisor:
                    raise InputError(
                        f"{width} {getattr(self, width)} must be a multiple of {divisor} ({reason})"
                    )
        if self.slots_per_expert != 1 and self.slots != "fixed":
            raise InputError(
                f"slots_per_expert {self.slots_per_expert} needs slots = fixed; "
                "dynamic slots follow from the number of tokens"
            )

    @property
    def grid_size(self) -> int:
        """Patches along one side of a pretraining image."""
        return self.image_size // self.patch_size

    @property
    def num_patches(self) -> int:
        """Patches of a pretraining image."""
        return self.grid_size**2

    @property
    def num_visible(self) -> int:
        """Patches of a pretraining image that the encoder sees."""
        return visible_count(self.num_patches, self.mask_ratio)

    @property
    def hidden_width(self) -> int:
        """Hidden width of an expert, or of the plain MLP in its place."""
        return self.mlp_ratio * self.width

    def patch_values(self, sensor: SensorName) -> int:
        """Pixel values in one patch of a sensor, over all its bands."""
        return len(MODEL_BANDS[sensor]) * self.patch_size**2

    def to_dict(self) -> dict[str, object]:
        """Give plain values, for `config.json`."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, object]) -> "ModelConfig":
        """Build from plain values; fields that are not given keep their default.

        Raises:
            InputError: If a key is not a field, or a value is not allowed.
        """
        check_keys(values, [field.name for field in fields(cls)], kind="model")
        return cls(**values)  # type: ignore[arg-type]  # the checks above and __post_init__ look


def check_keys(values: Mapping[str, object], known: Sequence[str], *, kind: str) -> None:
    """Make sure that every key is the name of an option.

    Raises:
        InputError: If one is not; the message names it and those that there are.
    """
    unknown = [str(key) for key in values if key not in known]
    if unknown:
        raise InputError(
            f"unknown {kind} option {', '.join(unknown)}; known are {', '.join(known)}"
        )


def visible_count(num_patches: int, mask_ratio: float) -> int:
    """Count the patches that stay visible: rounded down, as in MAE."""
    exact = num_patches * (1 - mask_ratio)
    return math.floor(exact + 1e-9)  # 10 * (1 - 0.9) is 0.9999999999999998


def csmoe_b16() -> ModelConfig:
    """Give the model of the paper's Tables I and IV: patch 16, 271 M parameters."""
    return ModelConfig()


def csmoe_b32() -> ModelConfig:
    """Give the cheapest published variant."""
    return replace(csmoe_b16(), patch_size=32)


def csmoe_b28() -> ModelConfig:
    """Give the published variant with patches of 28 pixels."""
    return replace(csmoe_b16(), patch_size=28)


def csmoe_b14() -> ModelConfig:
    """Give the dearest published variant."""
    return replace(csmoe_b16(), patch_size=14)


def csmae_b15() -> ModelConfig:
    """Give the baseline, CSMAE-SECD (https://arxiv.org/abs/2401.07782): no experts."""
    return ModelConfig(
        patch_size=15, image_size=120, sensor_layers=10, shared_layers=2, num_experts=0,
        decoder_width=512, decoder_layers=8, decoder_heads=16, rep_weight=0.0, bal_weight=0.0,
    )  # fmt: skip


def small() -> ModelConfig:
    """Give a model for one GPU and an afternoon, at the patches' own 120 pixels."""
    return ModelConfig(
        patch_size=10, image_size=120, width=192, num_heads=3,
        decoder_width=96, decoder_layers=2, decoder_heads=3,
    )  # fmt: skip


def tiny() -> ModelConfig:
    """Give a model for tests and a laptop: both sensors' encoder is under 2 M parameters."""
    return ModelConfig(
        patch_size=8, image_size=56, width=96, num_heads=3, sensor_layers=2, shared_layers=1,
        num_experts=4, decoder_width=48, decoder_layers=1, decoder_heads=3,
    )  # fmt: skip


RECIPES: dict[str, Callable[[], ModelConfig]] = {
    "csmoe-b32": csmoe_b32,
    "csmoe-b28": csmoe_b28,
    "csmoe-b16": csmoe_b16,
    "csmoe-b14": csmoe_b14,
    "csmae-b15": csmae_b15,
    "small": small,
    "tiny": tiny,
}
"""The named models, in the order in which they are listed."""


def recipe(name: str) -> ModelConfig:
    """Give a named model.

    Raises:
        InputError: If there is no such recipe.
    """
    if not isinstance(name, str) or name not in RECIPES:
        raise InputError(f"no recipe {name!r}; there are {', '.join(RECIPES)}")
    return RECIPES[name]()


def recipe_with(name: str, changes: Mapping[str, object]) -> ModelConfig:
    """Give a named model with some fields changed.

    Raises:
        InputError: If there is no such recipe or field, or a value is not allowed.
    """
    return ModelConfig.from_dict({**recipe(name).to_dict(), **changes})


def _require(holds: bool, name: str, wanted: str, found: object) -> None:
    if not holds:
        raise InputError(f"{name} must be {wanted}; it is {found}")
