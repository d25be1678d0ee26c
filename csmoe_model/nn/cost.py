"""Number of parameters of a model and multiply-adds of an image, by arithmetic; no torch.

There are two counts of multiply-adds:
    paper   The count of `fvcore` on the published layers, and so of the paper's Table IV: linear
            layers, convolutions, einsums (the router's over padded tokens) and five operations
            per input value of a LayerNorm. The products within attention are left out.
    full    Every matrix product of this code, those within attention included.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from csmoe_model.config import ModelConfig
from csmoe_model.experts.conditions import condition_names
from csmoe_model.experts.kept_experts import SHARED
from minortom.sensors import MODEL_BANDS, SensorName

_NORM = 5
"""Operations of a LayerNorm per input value, as fvcore counts them."""
_TABLE_IV: tuple[SensorName, ...] = ("s2",)
_BOTH: tuple[SensorName, ...] = tuple(MODEL_BANDS)


@dataclass(frozen=True, kw_only=True)
class Cost:
    """Parameters, and multiply-adds of the forward pass of one image (or pair)."""

    params: int
    """Weights and fixed positions, as the paper counts."""
    params_trainable: int
    """Weights alone, without the fixed positions."""
    macs_paper: int
    macs_full: int

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(
            params=self.params + other.params,
            params_trainable=self.params_trainable + other.params_trainable,
            macs_paper=self.macs_paper + other.macs_paper,
            macs_full=self.macs_full + other.macs_full,
        )

    @property
    def c2c(self) -> float:
        """Capacity-to-compute ratio (Eq. 1): millions of parameters per billion multiply-adds."""
        return (self.params / 1e6) / (self.macs_paper / 1e9)


def encoder_cost(
    config: ModelConfig, *, sensors: Sequence[SensorName] = _TABLE_IV, visible: int | None = None
) -> Cost:
    """Count the path from pixels to [CLS] of one image of each sensor.

    Args:
        config: The model.
        sensors: Sensors to count; Table IV counts Sentinel-2 alone. The weights of the shared
            layers count once, their operations once per sensor.
        visible: Number of patches that the encoder sees; all when None.
    """
    patches = config.num_patches if visible is None else visible
    tokens, width = patches + 1, config.width
    norm = _layer_norm(tokens, width)
    shared = _layers(config, SHARED, tokens) + norm
    total = _macs_alone(shared, times=len(sensors)) + _weights_alone(shared)
    conditions = len(condition_names(config.condition, sensors))  # added, without a product
    total += _weights(
        sum(conditions * len(config.experts_of(layer)) * width for layer in config.layers(SHARED))
    )
    for sensor in sensors:
        embedding = _linear(patches, config.patch_values(sensor), width)
        total += embedding + _weights(width) + norm
        total += _layers(config, sensor, tokens)
    # One position per token, [CLS] included, shared by all paths: as MAE stores them.
    positions = (config.num_patches + 1) * width
    return total + Cost(params=positions, params_trainable=0, macs_paper=0, macs_full=0)


def pretraining_cost(config: ModelConfig) -> Cost:
    """Count the whole pretraining model and its forward pass on one pair, with its local crops.

    A training step costs about three times as many multiply-adds: one forward pass, and a
    backward pass that costs as much as two.
    """
    total = _encoded_pair(config, config.num_visible)
    if config.num_cropped:
        total += _macs_alone(_encoded_pair(config, config.num_cropped), times=1)
    for target in _BOTH:
        total += _decoder(config, target)
    return total


def _encoded_pair(config: ModelConfig, visible: int) -> Cost:
    """Count the encoder of both sensors, the projector and the cosines between slots."""
    tokens, width = visible + 1, config.width
    total = encoder_cost(config, sensors=_BOTH, visible=visible)
    if config.projector == "on":
        projector = _layer_norm(1, width) + _linear(1, width, width)
        total += _weights_alone(projector) + _macs_alone(projector, times=len(_BOTH))
    if config.num_experts:
        passes = [*config.layers(*_BOTH), *len(_BOTH) * config.layers(SHARED)]
        slots = [_slots(config, len(config.experts_of(layer)), tokens) for layer in passes]
        total += _products(sum(n * n for n in slots) * width)  # for REP
    return total


def _layers(config: ModelConfig, part: str, tokens: int) -> Cost:
    """Count the encoder layers of a sensor, or the shared ones, over `tokens` tokens."""
    width = config.width
    norms = _layer_norm(tokens, width) + _layer_norm(tokens, width)
    total = _weights(0)
    for layer in config.layers(part):
        experts = len(config.experts_of(layer))
        total += _attention(tokens, width) + norms
        total += _soft_moe(config, experts, tokens) if experts else _mlp(tokens, width, config)
    return total


def _soft_moe(config: ModelConfig, experts: int, tokens: int) -> Cost:
    width, hidden = config.width, config.hidden_width
    slots = _slots(config, experts, tokens)
    if config.slots == "dynamic":
        segments = slots // experts
        router = _linear(segments, width, experts * width, bias=False) + _weights(2 * width)
        padded = segments * config.num_experts  # the published layer multiplies its padding too
    else:
        router = _weights(slots * width + 1)
        padded = tokens
    # Logits, dispatch and combine: three products of tokens and slots.
    mixing = Cost(
        params=0,
        params_trainable=0,
        macs_paper=3 * padded * slots * width,
        macs_full=3 * tokens * slots * width,
    )
    expert = _linear(0, width, hidden) + _linear(0, hidden, width)
    return router + mixing + _times(expert, experts) + _products(slots * 2 * width * hidden)


def _slots(config: ModelConfig, experts: int, tokens: int) -> int:
    """Count the slots of a layer of some experts that reads `tokens` tokens."""
    each = config.slots_per_expert
    if config.slots == "dynamic":
        each = -(-tokens // config.num_experts)
    return each * experts


def _decoder(config: ModelConfig, target: SensorName) -> Cost:
    """Count the decoder of a sensor, with the tokens of all sensors as input."""
    width, tokens = config.decoder_width, config.num_patches + 1
    layer = _attention(tokens, width) + _mlp(tokens, width, config)
    layer += _layer_norm(tokens, width) + _layer_norm(tokens, width)
    body = _linear(config.num_visible + 1, config.width, width)
    body += _times(layer, config.decoder_layers) + _layer_norm(tokens, width)
    hidden = config.num_patches - config.num_visible
    head = _linear(hidden, width, config.patch_values(target))
    total = _weights_alone(body) + _macs_alone(body, times=len(_BOTH)) + _weights(width)
    positions = Cost(params=tokens * width, params_trainable=0, macs_paper=0, macs_full=0)
    return total + _times(head, len(_BOTH)) + positions


def _attention(tokens: int, width: int) -> Cost:
    scores = Cost(params=0, params_trainable=0, macs_paper=0, macs_full=2 * tokens**2 * width)
    return _linear(tokens, width, 3 * width) + _linear(tokens, width, width) + scores


def _mlp(tokens: int, width: int, config: ModelConfig) -> Cost:
    hidden = config.mlp_ratio * width
    return _linear(tokens, width, hidden) + _linear(tokens, hidden, width)


def _linear(rows: int, fan_in: int, fan_out: int, *, bias: bool = True) -> Cost:
    weights = fan_in * fan_out + (fan_out if bias else 0)
    return _weights(weights) + _products(rows * fan_in * fan_out)


def _layer_norm(tokens: int, width: int) -> Cost:
    work = Cost(params=0, params_trainable=0, macs_paper=_NORM * tokens * width, macs_full=0)
    return _weights(2 * width) + work


def _weights(count: int) -> Cost:
    return Cost(params=count, params_trainable=count, macs_paper=0, macs_full=0)


def _products(macs: int) -> Cost:
    return Cost(params=0, params_trainable=0, macs_paper=macs, macs_full=macs)


def _times(cost: Cost, times: int) -> Cost:
    return _macs_alone(cost, times=times) + Cost(
        params=times * cost.params,
        params_trainable=times * cost.params_trainable,
        macs_paper=0,
        macs_full=0,
    )


def _weights_alone(cost: Cost) -> Cost:
    return Cost(
        params=cost.params, params_trainable=cost.params_trainable, macs_paper=0, macs_full=0
    )


def _macs_alone(cost: Cost, *, times: int) -> Cost:
    return Cost(
        params=0,
        params_trainable=0,
        macs_paper=times * cost.macs_paper,
        macs_full=times * cost.macs_full,
    )
