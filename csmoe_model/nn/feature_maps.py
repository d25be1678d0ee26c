"""Feature maps of encoder layers, for dense heads: a list of [B, D, h, w].

The layers of a sensor are numbered from 0; the shared layers follow.

Axes, as name suffixes:
    B  images in a batch    D  token width    H W  pixel rows and columns
    N  patches of an image  T  tokens of an image: [CLS] and its patches
"""

from collections.abc import Sequence

from torch import Tensor

from csmoe_model.config import ModelConfig
from csmoe_model.nn.backbone import Backbone
from csmoe_model.nn.soft_moe import Routing
from minortom.errors import InputError
from minortom.sensors import SensorName


def feature_info(config: ModelConfig) -> list[dict[str, object]]:
    """Describe the map of each layer with the keys of timm.

    Returns:
        For each layer: `num_chs`, the channels of its map; `reduction`, the image pixels along a
        side of one map pixel; `module`, `sensor.0` … or `shared.0` ….
    """
    names = [f"sensor.{n}" for n in range(config.sensor_layers)]
    names += [f"shared.{n}" for n in range(config.shared_layers)]
    return [
        {"num_chs": config.width, "reduction": config.patch_size, "module": name} for name in names
    ]


def feature_maps(
    backbone: Backbone, sensor: SensorName, image_BCHW: Tensor, layers: Sequence[int] | None = None
) -> list[Tensor]:
    """Compute the maps of some layers, [B, D, H / patch, W / patch] each.

    The tokens of each layer pass the LayerNorm at the end of its stack, so that the maps of all
    layers have the same scale. The map of the last layer holds the patch tokens of `encode`.

    Args:
        backbone: The encoder.
        sensor: Sensor of the images.
        image_BCHW: Normalised images.
        layers: Numbers of layers, from 0 or, from the end, from -1; all when None.

    Returns:
        One map per layer, in the order of `layers`.

    Raises:
        InputError: If a layer does not exist, or the images do not fit.
    """
    config = backbone.config
    chosen = layer_numbers(config, layers)
    token_lists: list[Tensor] = []

    def keep(x_BTD: Tensor, routing: Routing | None) -> None:
        del routing
        token_lists.append(x_BTD)

    backbone.tokens(sensor, image_BCHW, on_layer=keep)
    height, width = (side // config.patch_size for side in image_BCHW.shape[2:])
    maps = []
    for number in chosen:
        own = number < config.sensor_layers
        trunk = backbone.encoder_of(sensor).trunk if own else backbone.shared.trunk
        normed_BND = trunk.norm(token_lists[number])[:, 1:]
        maps.append(normed_BND.transpose(1, 2).unflatten(2, (height, width)))
    return maps


def layer_numbers(config: ModelConfig, layers: Sequence[int] | None) -> list[int]:
    """Return layer numbers counted from 0; all of them when None.

    Raises:
        InputError: If a layer does not exist.
    """
    count = config.sensor_layers + config.shared_layers
    wanted = range(count) if layers is None else layers
    bad = [number for number in wanted if not -count <= number < count]
    if bad:
        raise InputError(
            f"layers are numbered from 0 to {count - 1}, or from the end from -1 to {-count}, "
            f"found {bad[0]}"
        )
    return [number % count for number in wanted]
