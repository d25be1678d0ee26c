"""Page of `csmoe inspect`: where the slots of each expert look, and which patches use it.

The page is one file that needs no network. It holds no path, host or time, so that the same
inputs give the same bytes.
"""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from csmoe_model.analysis.condition_effects import UNTRAINED, WHOLE, condition_tables
from csmoe_model.analysis.expert_maps import dim_picture, expert_colours, expert_map, heat_map
from csmoe_model.analysis.expert_usage import (
    Maps,
    Usage,
    chance_information,
    group_shares,
    information,
    layers_of,
    measure_maps,
)
from csmoe_model.extractors.checkpoint import LoadedModel
from csmoe_model.inference.neighbour_sheet import choose_queries
from minortom.io.provenance import Provenance
from minortom.plotting.html_page import page_template
from minortom.plotting.patch_pictures import data_uri, patch_pictures
from minortom.shards.shard_set import ShardSet

_GROUPS = {"climate": "climate", "landcover": "land cover"}
"""Columns that patches are grouped by, besides the sensor, with their titles."""
_LONG = {"s2": "Sentinel-2", "s1": "Sentinel-1"}
SHUFFLE_SEED = 0
"""Seed of the shuffles that measure the information that occurs by chance."""


def expert_page(
    trained: LoadedModel,
    data: ShardSet,
    chosen: NDArray[np.int64],
    usages: Mapping[str, Usage],
    patches: int,
    provenance: Provenance,
) -> str:
    """Return the page as HTML.

    Args:
        trained: The model.
        data: The shards.
        chosen: Numbers of the patches that the tables count.
        usages: Use of the experts by these patches, from `usage_by_way`.
        patches: Number of patches to draw maps of.
        provenance: All that the page depends on.
    """
    rows = data.metadata([*_GROUPS, "stratum", "grid_cell", "patch_row", "patch_col"])
    groups = {name: rows[name].take(chosen).to_pylist() for name in _GROUPS}
    tiles = rows["grid_cell"].take(chosen).to_pylist()
    shown = choose_queries(rows["stratum"].to_pylist(), patches).tolist()
    config, usage = trained.model.config, usages[WHOLE]
    colours = [
        "#" + "".join(f"{round(255 * part):02x}" for part in colour)
        for colour in expert_colours(config.num_experts)
    ]
    return page_template("csmoe_model.analysis", "experts.html.j2").render(
        counts=_counts(usage), recipe=trained.name, config=config,
        sensors=trained.model.sensors, long=_LONG,
        num_samples=len(chosen), colours=colours,
        num_tiles=len(set(tiles)), max_bits=math.log2(config.num_experts),
        layers=_layer_rows(usages, groups, tiles), num_untrained=len(UNTRAINED),
        tables=_tables(usage, groups, trained.model.sensors),
        conditions=condition_tables(trained, usages),
        patches=[_patch(trained, data, n, rows.slice(n, 1).to_pylist()[0]) for n in shown],
        record=provenance.as_dict(),
        weights=trained.sha256,
    )  # fmt: skip


def _counts(usage: Usage) -> str:
    """Return the number of experts of a layer, or the least and the most of a pruned model."""
    counts = {len(layer.experts) for layer in usage.layers}
    few, many = min(counts), max(counts)
    return f"{many}" if few == many else f"{few} to {many}"


def _layer_rows(
    usages: Mapping[str, Usage], groups: Mapping[str, Sequence[str]], tiles: Sequence[str]
) -> list[dict[str, object]]:
    """Return the numbers of each layer: shares, entropies, and information about the groups.

    The information of random weights is the mean over the networks of `UNTRAINED`.
    """
    rows, usage = [], usages[WHOLE]
    for number, layer in enumerate(usage.layers):
        share_KE = usage.share_KLE[:, number]
        of_random = [usages[way].share_KLE[:, number] for way in UNTRAINED]
        rows.append(
            {
                "name": f"{layer.module} of {_LONG[layer.sensor]}",
                "experts": layer.experts,
                "share": share_KE.mean(0).tolist(),
                **{name: float(values[number]) for name, values in usage.entropies.items()},
                "information": {
                    name: (
                        information(share_KE, of_sample),
                        chance_information(share_KE, of_sample, tiles, seed=SHUFFLE_SEED),
                        float(np.mean([information(random, of_sample) for random in of_random])),
                    )
                    for name, of_sample in groups.items()
                },
            }
        )
    return rows


def _tables(
    usage: Usage, groups: Mapping[str, Sequence[str]], sensors: Sequence[str]
) -> list[dict[str, object]]:
    """Return tables of the experts' shares: shared layers by sensor, every layer by group."""
    tables: list[dict[str, object]] = []
    modules = dict.fromkeys(layer.module for layer in usage.layers)
    if len(sensors) > 1:
        for module in (name for name in modules if name.startswith("shared")):
            rows = [
                {"group": _LONG[layer.sensor], "count": len(usage.share_KLE), "share": share}
                for layer, share in zip(usage.layers, usage.share_KLE.mean(0).tolist(), strict=True)
                if layer.module == module
            ]
            experts = next(layer.experts for layer in usage.layers if layer.module == module)
            title = f"{module}, by sensor"
            tables.append({"title": title, "open": True, "experts": experts, "rows": rows})
    for name, of_sample in groups.items():
        for number, layer in enumerate(usage.layers):
            names, counts, share_GE = group_shares(usage.share_KLE[:, number], of_sample)
            rows = [
                {"group": group, "count": int(count), "share": share}
                for group, count, share in zip(names, counts, share_GE.tolist(), strict=True)
            ]
            title = f"{layer.module} of {_LONG[layer.sensor]}, by {_GROUPS[name]}"
            tables.append(
                {"title": title, "open": False, "experts": layer.experts, "rows": rows}
            )  # fmt: skip
    return tables


def _patch(
    trained: LoadedModel, data: ShardSet, sample: int, row: Mapping[str, object]
) -> dict[str, object]:
    """Return the pictures of one patch, and the maps of each layer's experts."""
    maps = measure_maps(trained, data, sample)
    shown = dict(zip(("s2", "s1"), patch_pictures(data, sample), strict=True))
    sensors = []
    for sensor in trained.model.sensors:
        numbers = [n for n, layer in enumerate(layers_of(trained)) if layer.sensor == sensor]
        sensors.append(
            {
                "sensor": sensor,
                "picture": data_uri(shown[sensor]),
                "ground": dim_picture(shown[sensor]),
                "layers": [_maps_of_layer(trained, maps, number) for number in numbers],
            }
        )
    where = f"{row['grid_cell']}, row {row['patch_row']}, column {row['patch_col']}"
    return {"where": where, "what": f"{row['climate']}, {row['landcover']}", "sensors": sensors}


def _maps_of_layer(trained: LoadedModel, maps: Maps, number: int) -> dict[str, object]:
    dispatch_EHW, cls_E = maps.dispatch_LEHW[number], maps.cls_LE[number]
    layer, brightest = layers_of(trained)[number], float(dispatch_EHW.max())
    return {
        "name": layer.module,
        "times_even": brightest * (dispatch_EHW[0].size + 1),
        "experts": [
            {"map": heat_map(dispatch_EHW[n], brightest), "cls": float(cls_E[n])}
            if n in layer.experts
            else None
            for n in range(len(cls_E))
        ],
        "places": expert_map(maps.combine_LEHW[number]),
    }
