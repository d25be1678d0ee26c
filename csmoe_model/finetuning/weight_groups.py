"""Groups of weights by depth: frozen layers and layer-wise learning-rate decay."""

import re

from torch import nn

from csmoe_model.config import ModelConfig
from csmoe_model.finetuning.network import FineTuned
from csmoe_model.nn.layers import takes_weight_decay
from csmoe_model.training.supervised_module import WeightGroup
from minortom.errors import InputError


def check_freeze(config: ModelConfig, freeze: int) -> None:
    """Check that a model has as many layers as are to be frozen.

    Raises:
        InputError: If it has fewer.
    """
    layers = num_layers(config)
    if freeze > layers:
        raise InputError(
            f"--freeze must be at most the {layers} layers of the encoder "
            f"({config.sensor_layers} of each sensor and {config.shared_layers} shared), found "
            f"{freeze}; give --freeze {layers} to train the head alone"
        )


def num_layers(config: ModelConfig) -> int:
    """Return the number of layers that an image passes."""
    return config.sensor_layers + config.shared_layers


def weight_groups(network: FineTuned, *, layer_decay: float, freeze: int) -> list[WeightGroup]:
    """Group the weights by depth, and switch off the gradient of frozen ones.

    The head has the whole learning rate. The rate of each layer is that of the next one times
    `layer_decay` (Clark et al. 2020, arXiv 2003.10555); the embedding comes before the first layer.

    Args:
        network: Encoder and head.
        layer_decay: Factor on the rate from a layer to the one before it.
        freeze: Number of layers from the first that are not trained.
    """
    config = network.encoder.config
    head = num_layers(config) + 1
    members: dict[tuple[int, bool], list[nn.Parameter]] = {}
    for name, weight in network.named_parameters():
        depth = head if name.startswith("head.") else depth_of(name, config)
        if freeze > 0 and depth <= freeze:
            weight.requires_grad = False
            continue
        members.setdefault((depth, takes_weight_decay(name, weight)), []).append(weight)
    return [
        WeightGroup(weights=weights, rate=layer_decay ** (head - depth), decayed=decayed)
        for (depth, decayed), weights in members.items()
    ]


def depth_of(name: str, config: ModelConfig) -> int:
    """Return the layer of an encoder's weight, from 1; 0 for the patch embedding and [CLS].

    The norm at the end of a stack belongs to its last layer.
    """
    is_shared = ".shared." in name
    block = re.search(r"\.blocks\.(\d+)\.", name)
    if block is not None:
        return int(block[1]) + 1 + (config.sensor_layers if is_shared else 0)
    if ".trunk.norm." in name:
        return num_layers(config) if is_shared else config.sensor_layers
    return 0
