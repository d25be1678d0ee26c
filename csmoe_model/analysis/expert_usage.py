"""Use of the experts: the routing of many patches, summarised as arrays.

Axes, as name suffixes:
    K  samples    L  layers of a path, of one sensor after the other    E  experts
    N  tokens of an image: [CLS] and its patches    S  slots per expert    G  groups
    B  images in a batch    H W  places of a map
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from csmoe_model.data.loader import Loader, reader_threads
from csmoe_model.data.sampler import OrderedBatches
from csmoe_model.distributed.device import fast_inference
from csmoe_model.experts.kept_experts import SHARED, check_has_experts
from csmoe_model.extractors.checkpoint import LoadedModel
from csmoe_model.nn.losses import routing_terms
from csmoe_model.nn.masking import draw_crops
from csmoe_model.nn.soft_moe import Routing
from minortom.progress import OnProgress, ignore_progress
from minortom.sensors import SensorName
from minortom.shards.shard_set import ShardSet

Array = NDArray[np.float32]
Shares = TypeVar("Shares", Array, Tensor)

_BATCH_SIZE = 32


@dataclass(frozen=True, kw_only=True)
class Layer:
    """Layer on the path of one sensor."""

    sensor: SensorName
    module: str
    """`own.0`, … or `shared.0`, …; the experts of a shared layer serve both sensors."""
    experts: tuple[int, ...]
    """Numbers of its experts, in the numbering of the unpruned model."""
    name: str
    """Name in the whole model, such as `s2.0` or `shared.0`."""


@dataclass(frozen=True, kw_only=True)
class Usage:
    """Use of the experts by some samples."""

    layers: tuple[Layer, ...]
    share_KLE: Array
    """Share of each expert in the combine weights of a sample; sums to 1 over E. Experts that
    were pruned have 0, here and in `Maps`."""
    entropies: Mapping[str, Array]
    """Means of each layer, from 0 to 1: entropies `dispatch` and `combine`; and `similarity`, the
    mean squared cosine between different slots."""


@dataclass(frozen=True, kw_only=True)
class Maps:
    """Weights of the places of one image, layer by layer."""

    dispatch_LEHW: Array
    """Dispatch weight of each place, the mean over an expert's slots; sums to 1 with [CLS]."""
    cls_LE: Array
    """Dispatch weight of [CLS], which has no place."""
    combine_LEHW: Array
    """Share of each expert in the output of each place; sums to 1 over E."""


def layers_of(trained: LoadedModel) -> tuple[Layer, ...]:
    """Return the layers with experts, path by path.

    Raises:
        InputError: If the model has none.
    """
    config = trained.model.config
    check_has_experts(config.num_experts, trained.folder)
    return tuple(
        Layer(
            sensor=sensor, module=name.replace(f"{sensor}.", "own."),
            experts=config.experts_of(name), name=name,
        )
        for sensor in trained.model.sensors for name in config.layers(sensor, SHARED)
    )  # fmt: skip


def measure_usage(
    trained: LoadedModel,
    data: ShardSet,
    samples: NDArray[np.int64],
    *,
    crops: bool = False,
    workers: int | None = None,
    on_progress: OnProgress = ignore_progress,
) -> Usage:
    """Encode samples of shards and measure their use of the experts.

    Args:
        trained: The model.
        data: The shards.
        samples: Numbers of the samples.
        crops: Whether to encode a local crop of each, of a model that was trained with crops.
        workers: Threads that read; one for each core, at most 8, when None.
        on_progress: Called with (samples done, samples in all).

    Raises:
        InputError: If the model has no experts.
    """
    layers, device = layers_of(trained), next(trained.model.parameters()).device
    config = trained.model.config
    shares, means = [], []
    batches = OrderedBatches(samples=samples, batch_size=_BATCH_SIZE)
    done = 0
    for batch in Loader(data, batches, workers=reader_threads(workers), device=device):
        with fast_inference(device):
            crop_BK = _crops(trained, batch.samples).to(device) if crops else None
            routings = _routings(trained, trained.normalise(batch.tensors), crop_BK)
            terms = [routing_terms(r, rep_form="text", bal_form="text") for r in routings]
        of_layers = [r.combine_BNES.sum(3).mean(1) for r in routings]
        shares.append(_stacked(_placed(of_layers, layers, config.num_experts), dim=1))
        mean_3L = [
            _stacked(getattr(t, name) for t in terms)
            for name in ("dispatch_entropy", "combine_entropy", "rep")
        ]
        means.append(np.stack(mean_3L, axis=1) * len(batch.samples))
        done += len(batch.samples)
        on_progress(done, len(samples))
    mean_L3 = np.sum(means, axis=0) / len(samples)
    names = ("dispatch", "combine", "similarity")
    return Usage(
        layers=layers, share_KLE=np.concatenate(shares),
        entropies={name: mean_L3[:, number] for number, name in enumerate(names)},
    )  # fmt: skip


def measure_maps(trained: LoadedModel, data: ShardSet, sample: int) -> Maps:
    """Encode one sample and measure the weights of its places.

    Raises:
        InputError: If the model has no experts.
    """
    layers = layers_of(trained)
    device, config = next(trained.model.parameters()).device, trained.model.config
    buffers = data.buffers(1)
    data.read_into(sample, buffers, 0)
    tensors = {column: torch.from_numpy(array).to(device) for column, array in buffers.items()}
    with fast_inference(device):
        routings = _routings(trained, trained.normalise(tensors))
    dispatch_LNE, combine_LNE = (
        _stacked(_placed(of_layers, layers, config.num_experts))
        for of_layers in (
            [r.dispatch_BNES[0].mean(2) for r in routings],
            [r.combine_BNES[0].sum(2) for r in routings],
        )
    )
    side = config.grid_size
    places = (len(routings), config.num_experts, side, side)
    return Maps(
        dispatch_LEHW=dispatch_LNE[:, 1:].transpose(0, 2, 1).reshape(places),
        cls_LE=dispatch_LNE[:, 0],
        combine_LEHW=combine_LNE[:, 1:].transpose(0, 2, 1).reshape(places),
    )


def group_shares(
    share_KE: Array, groups: Sequence[str]
) -> tuple[list[str], NDArray[np.int64], Array]:
    """Return the mean shares of each group of samples.

    Args:
        share_KE: Shares of the experts of one layer, by sample.
        groups: Group of each sample.

    Returns:
        Names of the groups, sorted; number of samples in each; their mean shares [G, E].
    """
    names, codes = np.unique(np.asarray(groups), return_inverse=True)
    counts = np.bincount(codes)
    sums = np.zeros((len(names), share_KE.shape[1]), np.float64)
    np.add.at(sums, codes, share_KE)
    return names.tolist(), counts, (sums / counts[:, None]).astype(np.float32)


def modality_specificity(first_E: Shares, second_E: Shares) -> Shares:
    """Return (u − v) / (u + v) of the experts' shares for two sensors.

    1 for an expert that only the first sensor uses, −1 for one of the second alone; 0 for an
    expert that neither uses.
    """
    found: Shares = (first_E - second_E) / (first_E + second_E).clip(min=1e-30)
    return found


def information(share_KE: Array, groups: Sequence[str]) -> float:
    """Return the mutual information between the group of a patch and its experts (bits).

    0 where all groups have the same shares; at most the log2 of the number of experts.
    """
    _, counts, share_GE = group_shares(share_KE, groups)
    weight_G = counts / counts.sum()
    overall_E = weight_G @ share_GE
    ratio = np.divide(share_GE, overall_E, out=np.ones(share_GE.shape), where=share_GE > 0)
    return float((weight_G[:, None] * share_GE * np.log2(ratio)).sum())


def chance_information(
    share_KE: Array, groups: Sequence[str], tiles: Sequence[str], *, seed: int, times: int = 20
) -> float:
    """Return the mean information of groups that are shuffled among the tiles (bits).

    This is the information that occurs by chance. Whole tiles are shuffled, since the patches of
    one tile are similar and in one group.

    Args:
        share_KE: Shares of the experts of one layer, by sample.
        groups: Group of each sample.
        tiles: Tile of each sample.
        seed: Seed of the shuffles.
        times: Number of shuffles.
    """
    generator = np.random.default_rng(seed)
    _, first, tile_K = np.unique(np.asarray(tiles), return_index=True, return_inverse=True)
    group_of_tile = np.asarray(groups)[first]
    found = [
        information(share_KE, generator.permutation(group_of_tile)[tile_K].tolist())
        for _ in range(times)
    ]
    return float(np.mean(found))


def _crops(trained: LoadedModel, samples: NDArray[np.int64]) -> Tensor:
    """Draw a local crop of each sample, always the same one."""
    config = trained.model.config
    return draw_crops(
        samples, grid_size=config.grid_size, num_cropped=config.num_cropped, seed=0, epoch=0
    )  # fmt: skip


def _routings(
    trained: LoadedModel, images: Mapping[SensorName, Tensor], crop_BK: Tensor | None = None
) -> list[Routing]:
    """Encode images or crops of them; return the routing of each layer, path by path."""
    found: list[Routing] = []

    def keep(x_BTD: Tensor, routing: Routing | None) -> None:
        del x_BTD
        if routing is not None:
            found.append(routing)

    for sensor in trained.model.sensors:
        trained.model.backbone.tokens(sensor, images[sensor], crop_BK=crop_BK, on_layer=keep)
    return found


def _placed(
    tensors: Sequence[Tensor], layers: Sequence[Layer], num_experts: int
) -> Iterator[Tensor]:
    """Yield the values [.., E] of each layer at the numbers of its experts, with 0 elsewhere."""
    for values, layer in zip(tensors, layers, strict=True):
        whole = values.new_zeros((*values.shape[:-1], num_experts))
        whole[..., list(layer.experts)] = values
        yield whole


def _stacked(tensors: Iterator[Tensor], *, dim: int = 0) -> Array:
    """Copy one tensor of each layer from the device, all at once."""
    array: Array = torch.stack(list(tensors), dim=dim).float().cpu().numpy()
    return array
